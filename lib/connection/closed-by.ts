/** Determines what closed a connection. */
import type { Leg } from '../endpoints/endpoint.js'
import type { ClosedBy } from '../stats/snapshot.js'
import { errorCode, isReset } from '../text/errors.js'

/** Returns which side ended first on success, and the kind of failure otherwise. */
export function closedBy(failure: Error | undefined, byLeg: boolean, peerEndedFirst: boolean): ClosedBy {
  if (!failure) return peerEndedFirst ? 'peer' : 'local'
  if (byLeg && isReset(failure)) return 'reset'
  const code = errorCode(failure)
  if (code === 'ERR_TIMEOUT') return 'timeout'
  if (code === 'ERR_RECORD_TOO_LONG' || code === 'ERR_OUTPUT_LIMIT' || code === 'ERR_LIMIT') return 'limit'
  return code === 'ERR_CLOSED' || failure.name === 'AbortError' ? 'signal' : 'error'
}

/** Returns the leg, or undefined if the local side ended a leg before. */
export function endedFirst(legs: readonly Leg[], leg: Leg): Leg | undefined {
  return legs.some(({ stream }) => stream.writableEnded) ? undefined : leg
}
