/** One direction of a connection: source → segments → sink. Segments can be changed while it runs. */
import type { Readable } from 'node:stream'
import type { Leg, Sink, Source } from '../endpoints/endpoint.js'
import type { DirectionStats, SegmentStats } from '../stats/snapshot.js'
import { endSource, openPipes, type Pipes, relink, type SegmentRequest, type TransferOptions } from './pipes.js'
import { changeSegments, hasBegun, resolveChanges, startSegments, tailEnded } from './segments.js'

export type { SegmentRequest, TransferOptions } from './pipes.js'

export interface Transfer {
  /** Resolves when the sink has taken everything and its end; rejects when something fails. */
  readonly done: Promise<void>
  /** The names of the stages of these segments that have begun and cannot be ended in the middle of a stream. */
  open(segments: readonly string[]): readonly string[]
  /**
   * Makes these the segments, in this order. Those that are gone end, the sink takes what they still hold, and what
   * follows goes through those that are new. The others keep their state.
   *
   * Resolves when that is so, or when nothing more is piped.
   */
  change(segments: readonly SegmentRequest[]): Promise<void>
  /** Ends as if the source had ended: what has been read is delivered, and what follows is not read. */
  stop(): void
  stats(): DirectionStats
}

/**
 * Starts a transfer. Its streams are destroyed by their owner when the connection fails; a stage that stops ends the sink
 * well, and the source is released.
 */
export function openTransfer(options: TransferOptions): Transfer {
  const { direction, source, sink, sourceLeg, sinkLeg, lazy } = options
  const pipes = openPipes(options)
  const done = new Promise<void>((resolve, reject) => {
    pipes.settle = resolve
    pipes.fail = error => {
      if (!pipes.over && sourceLeg) pipes.bytes.in = takenFrom(sourceLeg)
      pipes.over = true
      pipes.unwatch()
      reject(error)
      resolveChanges(pipes)
    }
  })
  const start = () => {
    pipes.unwatch()
    startSegments(pipes)
  }
  pipes.unwatch = () => void source.off('readable', start).off('close', start)
  watchSource(pipes, source)
  watchSink(pipes, sink)
  if (lazy) whenReadable(source, start)
  else start()
  return {
    done,
    open: names => openStages(pipes, names),
    change: next => changeSegments(pipes, next),
    stop() {
      if (pipes.over || pipes.first.ended) return
      endSource(pipes)
      if (pipes.requests) start()
      else relink(pipes)
    },
    stats: () => ({
      direction,
      bytesIn: pipes.over || !sourceLeg ? pipes.bytes.in : takenFrom(sourceLeg),
      bytesOut: sinkLeg ? sinkLeg.bytes.out : pipes.bytes.out,
      segments: segmentStats(pipes),
    }),
  }
}

/** From the source to the sink, and then those that were removed. */
function segmentStats({ slots, figures }: Pipes): SegmentStats[] {
  const names = new Set([...slots.map(({ name }) => name), ...figures.keys()])
  return [...names].flatMap(name => figures.get(name)?.stats() ?? [])
}

/** Bytes that have been read of it. */
function takenFrom({ stream, bytes }: Leg): number {
  return bytes.in - stream.readableLength
}

function watchSource(pipes: Pipes, source: Source): void {
  const closed = () => {
    if (!pipes.over && !pipes.first.ended) pipes.fail(source.errored ?? prematureClose())
  }
  source.once('end', () => {
    if (!source.errored) tailEnded(pipes, pipes.first) // one that fails while it is told of its end has not ended
  })
  source.once('error', pipes.fail)
  source.once('close', closed)
  if (source.readableEnded) pipes.first.ended = true
  if (source.destroyed) closed()
}

function watchSink(pipes: Pipes, sink: Sink): void {
  const closed = () => {
    if (!pipes.over) pipes.fail(sink.errored ?? prematureClose())
  }
  sink.once('finish', () => finish(pipes))
  sink.once('error', pipes.fail)
  sink.once('close', closed)
  if (sink.destroyed) closed()
}

/** The sink has taken everything: a source that has not ended is released, and its leg left to the connection. */
function finish(pipes: Pipes): void {
  if (pipes.over) return
  const { source, sourceLeg } = pipes.options
  pipes.over = true
  pipes.unwatch()
  if (sourceLeg) pipes.bytes.in = takenFrom(sourceLeg) // what still comes is not read
  if (!source.readableEnded) {
    if (sourceLeg) source.unpipe().pause()
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

/** Streams are made when there is something to pipe, or the end: until then a connection is a leg, and small. */
function whenReadable(source: Readable, start: () => void): void {
  if (source.readableLength > 0 || source.readableEnded || source.destroyed) {
    start()
    return
  }
  source.once('readable', start)
  source.once('close', start)
}

function prematureClose(): Error {
  return Object.assign(new Error('Premature close'), { code: 'ERR_STREAM_PREMATURE_CLOSE' })
}
