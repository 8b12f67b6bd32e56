/**
 * Decompresses deflate data (RFC 1951). zlib drops the output of a call that fails, up to one block: so invalid data are
 * read again in halves, down to the byte that is wrong, and all that precedes it is output, whatever the cuts.
 */
import { finished } from 'node:stream/promises'
import { constants, InflateRaw, inflateRawSync, type Zlib } from 'node:zlib'
import { outputOptions, readBy } from './zlib-engine.js'

/** How many bytes of input are kept, to be read again. An error behind them may cost up to one block of output. */
export const keptBytes = 64 * 1024

/** Data of fewer bytes, among others, are decompressed at once: a call in the thread pool takes ten times longer. */
const smallBytes = 4096

const smallOptions = {
  chunkSize: 1024,
  maxOutputLength: 4 * smallBytes,
  finishFlush: constants.Z_SYNC_FLUSH,
  info: true,
}

/** Does not end its output when the data end, but when its input does: so `reset` makes it ready for other data. */
class Inflate extends InflateRaw {
  override push(chunk: unknown, encoding?: BufferEncoding): boolean {
    return chunk === null && !this.writableEnded ? true : super.push(chunk, encoding)
  }
}

/** Besides zlib's memory and a block, it holds `keptBytes` at most. */
export class Inflater {
  readonly #output: (block: Buffer) => void
  #stream: Inflate
  #isPaused = false
  #resumed = () => {}
  #bytesRead = 0
  #before = 0 // bytes that the stream had read before the current piece
  #position = 0 // input of the current data, in bytes
  #kept = Buffer.alloc(0) // its first `position` bytes are the input, unless the input exceeds `keptBytes`
  #isSmall = true // whether the data before were
  #given = 0 // output of the current data
  #repeated = 0 // output of the stream, which is less while it reads again

  constructor(output: (block: Buffer) => void) {
    this.#output = output
    this.#stream = this.#open()
  }

  /** Input so far, also that of a call that is under way. */
  get bytesRead(): number {
    return this.#bytesRead + this.#stream.bytesWritten - this.#before
  }

  /**
   * Reads up to the end of the data. Returns the bytes behind it, and is ready for other data; or undefined, and the
   * data go on. Fails if the data are invalid, after the output of what precedes that.
   */
  async read(bytes: Buffer): Promise<Buffer | undefined> {
    const behind = this.#position === 0 && this.#isSmall ? this.#readSmall(bytes) : undefined
    if (behind && this.#isPaused) await new Promise<void>(resolve => (this.#resumed = resolve))
    if (behind) return behind
    for (let from = 0; from < bytes.length; ) {
      const left = keptBytes - this.#position
      const piece = bytes.subarray(from, left > 0 ? from + left : bytes.length)
      const size = await this.#readPiece(piece)
      from += size
      if (size < piece.length) return this.#endData(bytes.subarray(from))
    }
    return undefined
  }

  /** Ends the input. Fails if the data have not ended. */
  async end(): Promise<void> {
    this.#stream.end()
    await finished(this.#stream)
  }

  pause(): void {
    this.#isPaused = true
    this.#stream.pause()
  }

  resume(): void {
    this.#isPaused = false
    this.#stream.resume()
    this.#resumed()
  }

  destroy(): void {
    this.#stream.destroy()
  }

  #open(): Inflate {
    const stream = new Inflate(outputOptions)
    stream.on('error', () => {}) // a call reports it
    stream.on('data', block => this.#take(block))
    if (this.#isPaused) stream.pause()
    return stream
  }

  /** Gives what it has not given before. */
  #take(block: Buffer): void {
    const known = this.#given - this.#repeated
    this.#repeated += block.length
    if (known >= block.length) return
    this.#given = this.#repeated
    this.#output(known > 0 ? block.subarray(known) : block)
  }

  /** Reads data that are small and whole. Otherwise returns undefined, and has done nothing. */
  #readSmall(bytes: Buffer): Buffer | undefined {
    const piece = bytes.subarray(0, smallBytes)
    const result = small(piece)
    if (!result || result.engine.bytesWritten === piece.length) return undefined
    this.#bytesRead += result.engine.bytesWritten
    if (result.buffer.length > 0) this.#output(result.buffer)
    return bytes.subarray(result.engine.bytesWritten)
  }

  /** Returns the number of bytes read, which are fewer than the piece if the data end in it. */
  async #readPiece(piece: Buffer): Promise<number> {
    const size = await this.#call(piece).catch(async error => {
      if (this.#position >= keptBytes || piece.length === 1) throw error
      await this.#readAgain()
      const half = piece.length >> 1
      await this.#readPiece(piece.subarray(0, half))
      return this.#readPiece(piece.subarray(half))
    })
    this.#keep(piece.subarray(0, size))
    this.#bytesRead += size
    this.#before = this.#stream.bytesWritten
    return size
  }

  #call(piece: Buffer): Promise<number> {
    this.#before = this.#stream.bytesWritten
    return readBy(this.#stream, piece)
  }

  async #readAgain(): Promise<void> {
    this.#stream.destroy()
    this.#stream = this.#open()
    this.#repeated = 0
    if (this.#position > 0) await this.#call(this.#kept.subarray(0, this.#position))
  }

  #keep(bytes: Buffer): void {
    const whole = this.#position + bytes.length
    if (whole <= keptBytes) {
      if (whole > this.#kept.length) this.#kept = Buffer.concat([this.#kept], Math.min(2 * whole, keptBytes))
      bytes.copy(this.#kept, this.#position)
    }
    this.#position = whole
  }

  #endData(behind: Buffer): Buffer {
    this.#stream.reset()
    this.#isSmall = this.#position < smallBytes
    this.#position = 0
    this.#given = 0
    this.#repeated = 0
    return behind
  }
}

function small(piece: Buffer): { buffer: Buffer; engine: Zlib } | undefined {
  try {
    return inflateRawSync(piece, smallOptions) as unknown as { buffer: Buffer; engine: Zlib }
  } catch {
    return undefined // reported by the call that gives all of its output
  }
}
