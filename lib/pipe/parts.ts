/** A source in parts: each one becomes a file, or a connection, of its own. */
import { Readable } from 'node:stream'
import type { Source } from '../endpoints/endpoint.js'

export interface PartsOptions {
  /** Milliseconds after its first byte, after which a part ends. Default: never. */
  readonly time?: number | undefined
  /** Bytes after which a part ends. Default: never. */
  readonly size?: number | undefined
  /** A part ends after a line, unless that would make it longer by so many bytes. */
  readonly longestLine: number
}

/** A part with the number of bytes of the parts before it. */
export interface PartOf {
  readonly source: Source
  readonly start: number
}

const lineFeed = 10

/**
 * Reads a source in parts. A part begins with a byte, so none is empty. It ends after a whole record: a chunk, if the
 * source gives whole records; otherwise a line.
 */
export class Parts {
  readonly #source: Source
  readonly #options: PartsOptions
  #given = 0
  #current: Part | undefined
  #isStopped = false
  #stopped: (() => void) | undefined

  constructor(source: Source, options: PartsOptions) {
    this.#source = source
    this.#options = options
    source.on('error', () => {}) // between two parts; the next one reports it
  }

  /** Resolves with the next part when it has a byte, or with undefined at the end. Rejects if the source fails. */
  async next(): Promise<PartOf | undefined> {
    if (!(await this.#hasMore())) return undefined
    const start = this.#given
    const part = new Part(this.#source, this.#options, bytes => {
      this.#given += bytes
    })
    this.#current = part
    return { source: part, start }
  }

  /** Ends the current part after a whole record. */
  finish(): void {
    this.#current?.finish()
  }

  /** Ends the current part after a whole record, and is the end. */
  stop(): void {
    this.#isStopped = true
    this.#stopped?.()
    this.#current?.stop()
  }

  #hasMore(): Promise<boolean> {
    const source = this.#source
    return new Promise((resolve, reject) => {
      const over = (hasMore: boolean) => {
        source.off('readable', look).off('end', end).off('error', fail).off('close', end)
        this.#stopped = undefined
        resolve(hasMore)
      }
      const look = () => {
        if (source.readableLength > 0) over(true)
        else if (source.readableEnded) over(false)
      }
      const end = () => (source.errored ? fail(source.errored) : over(false))
      const fail = (error: Error) => {
        over(false)
        reject(error)
      }
      this.#stopped = () => over(false)
      if (this.#isStopped) over(false)
      else if (source.errored) fail(source.errored)
      else if (source.readableLength > 0) over(true)
      else if (source.readableEnded || source.destroyed) over(false)
      else source.on('readable', look).on('end', end).on('error', fail).on('close', end)
    })
  }
}

class Part extends Readable {
  bytesRead = 0
  readonly #source: Source
  readonly #longestLine: number
  readonly #size: number
  readonly #counted: (bytes: number) => void
  readonly #timer: NodeJS.Timeout | undefined
  #isWanted = false
  /** Whether it ends after the record that it gives now. */
  #isDue = false
  /** Bytes that were given since it was due. */
  #late = 0
  /** Whether the last byte that was given ends a record. */
  #isWhole = true
  #isOver = false

  constructor(
    source: Source,
    { time, size = Number.POSITIVE_INFINITY, longestLine }: PartsOptions,
    counted: (bytes: number) => void,
  ) {
    super({ highWaterMark: 0 })
    this.#source = source
    this.#size = size
    this.#longestLine = longestLine
    this.#counted = counted
    this.#timer = time === undefined ? undefined : setTimeout(() => this.finish(), time)
    source.on('readable', this.#take).on('end', this.#end).on('error', this.#fail)
  }

  override _read(): void {
    this.#isWanted = true
    this.#take()
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#leave()
    callback(error)
  }

  finish(): void {
    this.#isDue = true
    if (this.#isWhole && this.bytesRead > 0) this.#over()
  }

  /** Gives nothing more: what comes in the middle of a record is no record. */
  stop(): void {
    this.#over()
  }

  readonly #take = (): void => {
    const chunk: Buffer | null = this.#isWanted ? this.#source.read() : null
    if (chunk === null) {
      if (this.#source.readableEnded) this.#over()
      return
    }
    this.#isWanted = false
    this.#give(chunk)
  }

  #give(chunk: Buffer): void {
    if (this.bytesRead + chunk.length >= this.#size) this.#isDue = true
    const end = this.#endIn(chunk)
    const given = end < 0 ? chunk : chunk.subarray(0, end)
    if (end >= 0 && end < chunk.length) this.#source.unshift(chunk.subarray(end))
    this.bytesRead += given.length
    this.#counted(given.length)
    if (this.#isDue) this.#late += given.length
    this.#isWhole = this.#source.acks !== undefined || given.at(-1) === lineFeed
    if (given.length > 0) this.push(given)
    if (end >= 0) this.#over()
  }

  /** Where in the chunk the part ends; −1 if it goes on. */
  #endIn(chunk: Buffer): number {
    if (!this.#isDue) return -1
    if (this.#source.acks) return chunk.length
    const least = Math.max(0, Math.min(chunk.length, this.#size - this.bytesRead) - 1)
    const line = chunk.indexOf(lineFeed, least)
    if (line >= 0) return line + 1
    return this.#late + chunk.length > this.#longestLine ? chunk.length : -1
  }

  readonly #end = (): void => this.#over()

  readonly #fail = (error: Error): void => void this.destroy(error)

  #over(): void {
    if (this.#isOver || this.destroyed) return
    this.#isOver = true
    this.#leave()
    this.push(null)
  }

  #leave(): void {
    clearTimeout(this.#timer)
    this.#source.off('readable', this.#take).off('end', this.#end).off('error', this.#fail)
  }
}
