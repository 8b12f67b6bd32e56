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
  /** The number of warnings of the source that parts have. */
  #warned = 0

  constructor(source: Source, options: PartsOptions) {
    this.#source = source
    this.#options = options
    source.on('warning', (fields, message) => this.#current?.emit('warning', fields, message))
    source.on('error', () => {}) // between two parts; the next one reports it
  }

  /** Resolves with the next part when it has a byte, or with undefined at the end. Rejects if the source fails. */
  async next(): Promise<PartOf | undefined> {
    if (!(await this.#hasMore())) return undefined
    const start = this.#given
    const part = new Part(this.#source, this.#options, {
      given: bytes => {
        this.#given += bytes
      },
      warnings: () => this.#newWarnings(),
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

  #newWarnings(): readonly string[] {
    const warnings = this.#source.warnings?.slice(this.#warned) ?? []
    this.#warned += warnings.length
    return warnings
  }

  /** Whether there is a byte for another part. */
  async #hasMore(): Promise<boolean> {
    const source = this.#source
    const events = ['readable', 'end', 'error', 'close']
    const isOver = () => this.#isStopped || source.readableEnded || source.destroyed || source.errored !== null
    while (source.readableLength === 0 && !isOver()) {
      let wake!: () => void
      const changed = new Promise<void>(resolve => {
        wake = resolve
      })
      this.#stopped = wake
      for (const event of events) source.on(event, wake)
      source.read(0) // finds the end, if there is one
      await changed
      for (const event of events) source.off(event, wake)
    }
    if (source.errored) throw source.errored
    return !this.#isStopped && source.readableLength > 0
  }
}

/** What a part tells, and asks for. */
interface Owner {
  given(bytes: number): void
  /** Those of the source that no part has yet. */
  warnings(): readonly string[]
}

class Part extends Readable {
  bytesRead = 0
  /** Those of the source, until the part ends. */
  readonly warnings: string[] = []
  readonly #source: Source
  readonly #longestLine: number
  readonly #owner: Owner
  readonly #timer: NodeJS.Timeout | undefined
  /** Where it ends, or after the record that it is in by then. */
  #size: number
  #isWanted = false
  #isOver = false
  /** Whether it ends with the bytes that wait. */
  #isLast = false
  /** Whether the last byte that was given ends a record. */
  #isWhole = false

  constructor(source: Source, { time, size, longestLine }: PartsOptions, owner: Owner) {
    super({ highWaterMark: 0 })
    this.#source = source
    this.#size = size ?? Number.POSITIVE_INFINITY
    this.#longestLine = longestLine
    this.#owner = owner
    this.#timer = time === undefined ? undefined : setTimeout(() => this.finish(), time)
    source.on('readable', this.#take).on('end', this.stop).on('error', this.#fail)
  }

  override _read(): void {
    this.#isWanted = true
    this.#take()
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#leave()
    callback(error)
  }

  /** Ends after a whole record. */
  finish(): void {
    this.#size = Math.min(this.#size, this.bytesRead)
    if (this.#isWhole) this.stop()
  }

  /** Ends now, or after what waits for its first reader: no part is empty. */
  readonly stop = (): void => {
    if (this.#isOver) return
    this.#isLast = true
    if (this.bytesRead === 0 && this.#source.readableLength > 0) return
    this.#leave()
    this.push(null)
  }

  readonly #fail = (error: Error): void => void this.destroy(error)

  readonly #take = (): void => {
    const chunk: Buffer | null = this.#isWanted && !this.#isOver ? this.#source.read() : null
    if (chunk === null) return
    this.#isWanted = false
    const end = this.#endIn(chunk)
    const given = end < 0 ? chunk : chunk.subarray(0, end)
    if (given.length < chunk.length) this.#source.unshift(chunk.subarray(end))
    this.bytesRead += given.length
    this.#owner.given(given.length)
    this.#isWhole = this.#source.acks !== undefined || given.at(-1) === lineFeed
    this.push(given)
    if (end >= 0 || (this.#isLast && this.#source.readableLength === 0)) this.stop()
  }

  /** Where in the chunk the part ends; −1 if it goes on. The same wherever the source was cut into chunks. */
  #endIn(chunk: Buffer): number {
    const size = this.#size - this.bytesRead
    if (chunk.length < size) return -1
    if (this.#source.acks) return chunk.length
    const most = size + this.#longestLine
    const line = chunk.indexOf(lineFeed, Math.max(0, size - 1))
    if (line >= 0 && line < most) return line + 1
    return chunk.length >= most ? most : -1
  }

  #leave(): void {
    if (!this.#isOver) this.warnings.push(...this.#owner.warnings())
    this.#isOver = true
    clearTimeout(this.#timer)
    this.#source.off('readable', this.#take).off('end', this.stop).off('error', this.#fail)
  }
}
