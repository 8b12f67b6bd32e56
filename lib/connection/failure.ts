/** How a connection fails: what ends with it, and which of its errors is reported. */
import type { Leg } from '../endpoints/endpoint.js'
import { errorCode } from '../text/errors.js'
import type { ConnectionState } from './state.js'

/** Fails the connection because of one of its legs. */
export function failBy(state: ConnectionState, by: Leg, error: Error): void {
  if (isBetter(state, error)) state.failedLeg = by
  fail(state, error)
}

/** Destroys everything, and resets the peer. Ignores what comes late: after the end, or as a mere consequence of it. */
export function fail(state: ConnectionState, error: unknown): void {
  if (state.isOver || (state.finishing && isPremature(error))) return
  if (isBetter(state, error)) state.failure = toError(error)
  const failure = state.failure as Error
  for (const each of state.legs) each.reset(failure)
  for (const stream of state.streams) stream.destroy(failure)
  state.reject(failure)
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

function toError(value: unknown): Error {
  return value instanceof Error ? value : new Error(String(value), { cause: value })
}
