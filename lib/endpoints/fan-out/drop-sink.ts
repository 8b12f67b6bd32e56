/** A sink that never slows down its source: what a slow target does not take is dropped, counted and reported. */
import { Writable } from 'node:stream'
import type { Logger } from '../../stages/context.js'
import { timeoutError } from '../../text/errors.js'
import type { Sink } from '../endpoint.js'
import { lateSink, type OpenSink } from './late-sink.js'

/** The number of bytes that wait for a slow target before further ones are dropped. */
const bufferBytes = 256 * 1024

/** Milliseconds that a target has for what it was given, after the end of the data. */
const defaultEndTime = 10_000

/** Milliseconds without a loss until the target counts as keeping up again. */
const calm = 1000

/** What was lost. */
export interface Dropped {
  readonly bytes: number
  readonly chunks?: number
  readonly lines?: number
}

export interface DropOptions {
  readonly to: string
  /** Counts what is dropped for all connections. */
  readonly totals?: { dropped: number } | undefined
  readonly log?: Logger | undefined
  readonly endTime?: number
}

const lf = 10

/** If the data are lines, whole lines are dropped, and otherwise whole chunks. */
export class DropSink extends Writable implements Sink {
  /** Whether the data are lines. */
  lines = false
  private readonly target: Writable
  private readonly options: DropOptions
  private readonly lost = { bytes: 0, chunks: 0, lines: 0 }
  private given = 0
  /** Whether the last byte so far was within a line. */
  private isWithin = false
  /** Whether that byte was dropped. */
  private isLosing = false
  /** When the last bytes were dropped, while the log says that the target is slow. */
  private lostAt: number | undefined
  private timer: NodeJS.Timeout | undefined

  constructor(open: OpenSink, options: DropOptions) {
    super()
    this.options = options
    this.target = lateSink(open, bufferBytes).on('error', error => void this.destroy(error))
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: () => void): void {
    // The rest of a line goes where its beginning has gone.
    const rest = this.lines && this.isWithin ? chunk.indexOf(lf) + 1 || chunk.length : 0
    if (rest > 0) this.pass(chunk.subarray(0, rest), this.isLosing)
    if (rest < chunk.length) this.pass(chunk.subarray(rest), this.target.writableNeedDrain)
    callback()
  }

  override _final(callback: () => void): void {
    const { endTime = defaultEndTime } = this.options
    this.calmDown()
    this.timer = setTimeout(() => {
      const why = `the target has not taken what it was given ${endTime} ms after the end`
      this.destroy(timeoutError('wait', why))
    }, endTime)
    this.target.once('finish', callback).end()
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    clearTimeout(this.timer)
    this.target.destroy(error ?? undefined)
    callback(error)
  }

  report(): { bytes: number; dropped?: Dropped } {
    const { bytes, chunks, lines } = this.lost
    const unfinished = Number(this.isWithin && this.isLosing)
    const units = this.lines ? { lines: lines + unfinished } : { chunks }
    return { bytes: this.given - this.target.writableLength, ...(bytes > 0 && { dropped: { bytes, ...units } }) }
  }

  private pass(bytes: Buffer, isLost: boolean): void {
    if (isLost) this.lose(bytes)
    else {
      this.given += bytes.length
      this.target.write(Buffer.from(bytes)) // its writer may reuse the memory
      if (this.lostAt !== undefined && performance.now() - this.lostAt >= calm) this.calmDown()
    }
    this.isWithin = bytes.at(-1) !== lf
    this.isLosing = isLost
  }

  private lose(bytes: Buffer): void {
    const { log, to, totals } = this.options
    if (totals) totals.dropped += bytes.length
    if (this.lostAt === undefined) log?.warn({ to }, 'a further sink is slow, dropping data')
    this.lostAt = performance.now()
    this.lost.bytes += bytes.length
    this.lost.chunks++
    for (let at = bytes.indexOf(lf); at >= 0; at = bytes.indexOf(lf, at + 1)) this.lost.lines++
  }

  private calmDown(): void {
    const { log, to } = this.options
    if (this.lostAt !== undefined) log?.info({ to, ...this.report() }, 'a further sink drops no more data')
    this.lostAt = undefined
  }
}
