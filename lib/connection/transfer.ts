/** One direction of a connection: source → segments → sink. Segments can change while it runs. */
import type { Duplex, Readable } from 'node:stream'
import type { Leg, Sink, Source } from '../endpoints/endpoint.js'
import { afterWriting } from '../formats/delivery.js'
import type { Plan } from '../stages/plan.js'
import { meterSink, meterSource } from '../stats/foreign-meter.js'
import { freeze } from '../stats/meter.js'
import type { SegmentFigures } from '../stats/segment-figures.js'
import { type DirectionStats, endStats, type SegmentStats } from '../stats/snapshot.js'
import { prematureClose } from '../text/errors.js'
import { unlend } from './lending.js'
import { endSource, relink, unlink } from './links.js'
import { openPipes, type Pipes, type SegmentRequest, type TransferOptions, type Watch } from './pipes.js'
import { changeSegments, hasBegun, resolveChanges, startSegments, tailEnded } from './segments.js'

export type { EndNames, SegmentRequest, TransferOptions, Watch } from './pipes.js'

export interface Transfer {
  /** Resolves when the sink finishes. Rejects when a part of the transfer fails. */
  readonly done: Promise<void>
  /** Returns the names of started stages in these segments that cannot end in the middle of a stream. */
  open(segments: readonly string[]): readonly string[]
  /**
   * Sets the segments, in this order. Removed segments end, and the sink receives the data that they hold. Data that
   * follows passes through the new segments. Unchanged segments keep their state.
   *
   * Resolves when the change is complete, or when the transfer is over.
   */
  change(segments: readonly SegmentRequest[]): Promise<void>
  /** Ends the transfer as if the source had ended: delivers the data that it has read, and stops reading. */
  stop(): void
  /** Returns whether data is on its way from the source to the sink. */
  isHolding(): boolean
  /** Also meters the source and the sink from now on. */
  measure(): void
  stats(): DirectionStats
}

/**
 * Starts a transfer. Its owner destroys its streams when the connection fails. When a stage stops early, the sink ends
 * normally and the source is released. Calls `forget` with stages that are finished while the connection continues.
 */
export function openTransfer(options: TransferOptions, forget: (plan: Plan) => void, watch: Watch = {}): Transfer {
  const { source, sink, sourceLeg, lazy } = options
  const pipes = openPipes(options, forget, watch) as Pipes
  const done = new Promise<void>((resolve, reject) => {
    pipes.settle = resolve
    pipes.fail = error => {
      if (!pipes.over && sourceLeg) pipes.bytes.in = takenFrom(sourceLeg)
      pipes.over = true
      pipes.unwatch()
      unlend(pipes)
      freezeEnds(pipes)
      reject(error)
      resolveChanges(pipes)
    }
  })
  const start = () => begin(pipes)
  // Only after it watched: to remove a `readable` listener resumes a source that flows.
  pipes.unwatch = () => void (lazy && source.off('readable', start).off('close', start))
  watchSource(pipes, source)
  watchSink(pipes, sink)
  if (lazy) whenReadable(source, start)
  else start()
  return new LiveTransfer(pipes, done)
}

function begin(pipes: Pipes): void {
  pipes.unwatch()
  if (pipes.measure) meterEnds(pipes)
  startSegments(pipes)
}

function meterEnds(pipes: Pipes): void {
  if (pipes.over || pipes.ends) return
  const { source, sink, sourceLeg } = pipes.options
  pipes.ends = { source: meterSource(source, sourceLeg === undefined), sink: meterSink(sink) }
  if (pipes.first.ended) freeze(pipes.ends.source)
}

function freezeEnds({ ends }: Pipes): void {
  if (!ends) return
  freeze(ends.source)
  freeze(ends.sink)
}

/** A class, since the transfers of thousands of idle connections share its methods. */
class LiveTransfer implements Transfer {
  readonly done: Promise<void>
  readonly #pipes: Pipes

  constructor(pipes: Pipes, done: Promise<void>) {
    this.#pipes = pipes
    this.done = done
  }

  open(names: readonly string[]): readonly string[] {
    return openStages(this.#pipes, names)
  }

  change(segments: readonly SegmentRequest[]): Promise<void> {
    return changeSegments(this.#pipes, segments)
  }

  stop(): void {
    const pipes = this.#pipes
    if (pipes.over || pipes.first.ended) return
    endSource(pipes)
    if (pipes.requests) begin(pipes)
    else relink(pipes)
  }

  isHolding(): boolean {
    const { over, slots, options } = this.#pipes
    const streams = [options.source, options.sink, ...slots.flatMap(({ plan }) => plan.streams)]
    return !over && streams.some(isHolding)
  }

  measure(): void {
    const pipes = this.#pipes
    pipes.measure = true
    if (!pipes.requests) meterEnds(pipes)
  }

  stats(): DirectionStats {
    const pipes = this.#pipes
    const { direction, sourceLeg, sinkLeg } = pipes.options
    return {
      direction,
      bytesIn: pipes.over || !sourceLeg ? pipes.bytes.in : takenFrom(sourceLeg),
      bytesOut: sinkLeg ? sinkLeg.bytes.out : pipes.bytes.out,
      ...endsStats(pipes),
      segments: segmentStats(pipes),
    }
  }
}

function endsStats({ ends, options }: Pipes): Pick<DirectionStats, 'source' | 'sink'> {
  if (!ends) return {}
  const { names = { source: 'source', sink: 'sink' }, sourceLeg, sinkLeg, sink } = options
  const now = performance.now()
  return {
    source: endStats(names.source, sourceLeg !== undefined, ends.source, now),
    sink: endStats(names.sink, sinkLeg !== undefined || sink.leg !== undefined, ends.sink, now),
  }
}

/** From the source to the sink, and then those that were removed. */
function segmentStats({ slots, figures }: Pipes): SegmentStats[] {
  const names = new Set([...slots, ...figures].map(({ name }) => name))
  return [...names].map(name => (figures.find(each => each.name === name) as SegmentFigures).stats())
}

function isHolding(stream: Partial<Pick<Duplex, 'readableLength' | 'writableLength'>>): boolean {
  return (stream.readableLength ?? 0) + (stream.writableLength ?? 0) > 0
}

/** Bytes that have been read of it. */
function takenFrom({ stream, bytes }: Leg): number {
  return bytes.in - stream.readableLength
}

/** What a source gave before it failed is delivered first. A leg that fails is reset, and so is the other one. */
function watchSource(pipes: Pipes, source: Source): void {
  const failed = (error: unknown) => {
    if (pipes.options.sourceLeg) pipes.fail(error)
    else
      afterWriting(
        source,
        () => pipes.fail(error),
        () => pipes.over,
      )
  }
  const closed = () => {
    if (!pipes.over && !pipes.first.ended) failed(source.errored ?? prematureClose())
  }
  source.on('end', () => {
    if (!source.errored) tailEnded(pipes, pipes.first) // a source that fails during its end event has not ended
  })
  source.on('error', failed)
  source.on('close', closed)
  if (source.readableEnded) pipes.first.ended = true
  if (source.destroyed) closed()
}

function watchSink(pipes: Pipes, sink: Sink): void {
  const closed = () => {
    if (!pipes.over) pipes.fail(sink.errored ?? prematureClose())
  }
  sink.on('finish', () => finish(pipes))
  sink.on('error', pipes.fail)
  sink.on('close', closed)
  if (sink.destroyed) closed()
}

/** Runs after the sink finishes. Releases a source that has not ended, but leaves its leg to the connection. */
function finish(pipes: Pipes): void {
  if (pipes.over) return
  const { source, sourceLeg } = pipes.options
  pipes.over = true
  pipes.unwatch()
  freezeEnds(pipes)
  unlink(pipes, pipes.first)
  if (sourceLeg) pipes.bytes.in = takenFrom(sourceLeg) // what still comes is not read
  if (!source.readableEnded) {
    if (sourceLeg) source.pause()
    else source.destroy()
  }
  for (const { plan } of pipes.slots) for (const stream of plan.streams) stream.destroy()
  pipes.settle()
  resolveChanges(pipes)
}

function openStages({ slots }: Pipes, names: readonly string[]): string[] {
  const begun = slots.filter(
    slot => hasBegun(slot) && slot.state === 'live' && names.includes(slot.name) && !slot.head?.writableEnded,
  )
  return begun.flatMap(({ plan }) => plan.indivisible)
}

/** Delays the streams until the source has data or ends, so that an idle connection uses little memory. */
function whenReadable(source: Readable, start: () => void): void {
  if (source.readableLength > 0 || source.readableEnded || source.destroyed) {
    start()
    return
  }
  source.on('readable', start)
  source.on('close', start)
}
