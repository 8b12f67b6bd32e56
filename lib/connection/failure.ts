/** How a connection fails: what ends with it, and which of its errors is reported. */
import type { Readable, Writable } from 'node:stream'
import type { Leg, Sink } from '../endpoints/endpoint.js'
import { errorCode, toError } from '../text/errors.js'
import { hasLeftLate } from './parting.js'
import type { ConnectionState } from './state.js'

/** Fails the connection because of one of its legs. */
export function failBy(state: ConnectionState, by: Leg, error: Error): void {
  if (isBetter(state, error)) {
    state.failedLeg = by
    state.wasOver = hasLeftLate(state, by, error)
  }
  fail(state, error)
}

/** Destroys everything, and resets the peer. Ignores what comes late: after the end, or as a mere consequence of it. */
export function fail(state: ConnectionState, error: unknown): void {
  if (state.isOver || (state.finishing && isPremature(error))) return
  if (isBetter(state, error)) state.failure = toError(error)
  const failure = state.failure as Error
  for (const each of state.legs) each.reset(failure)
  for (const stream of state.streams) destroy(stream, failure)
  state.failed.reject(failure)
  state.onFailed?.()
}

/** A file also takes what it was given before the failure. */
function destroy(stream: Readable | Writable, failure: Error): void {
  if (isReporter(stream) && stream.writableLength > 0 && stream.writable)
    stream.write('', () => stream.destroy(failure))
  else stream.destroy(failure)
}

/**
 * Resolves when the sinks of a failed connection are closed: what they report is final then. A file that does not take
 * its data, such as a FIFO that nobody reads, is destroyed after `time`.
 */
export async function sinksClosed({ transfers, failure }: ConnectionState, time: number): Promise<void> {
  if (!failure) return
  const open = transfers.flatMap(({ options: { sink } }) => (isReporter(sink) && !sink.closed ? [sink] : []))
  if (open.length === 0) return
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>(resolve => {
    timer = setTimeout(resolve, time)
  })
  await Promise.race([Promise.all(open.map(sink => new Promise(resolve => sink.once('close', resolve)))), late])
  clearTimeout(timer)
  for (const sink of open) sink.destroy(failure)
}

/** A sink of its own, not of a leg, that reports what it has taken. */
function isReporter(stream: Readable | Writable): stream is Sink {
  return 'report' in stream && !('leg' in stream)
}

/** The first error is reported, unless it only states that a stream ended prematurely. */
function isBetter({ failure }: ConnectionState, error: unknown): boolean {
  return !failure || (isPremature(failure) && !isPremature(error))
}

/** It says no more than that the end came early: an end that its owner wants is no failure. */
export function closedError(): Error {
  return Object.assign(new Error('the connection was closed'), { code: 'ERR_STREAM_PREMATURE_CLOSE' })
}

function isPremature(error: unknown): boolean {
  return errorCode(error) === 'ERR_STREAM_PREMATURE_CLOSE'
}
