/** Tells a peer that leaves after the conversation from one that breaks it off. */
import type { Leg } from '../endpoints/endpoint.js'
import { isReset } from '../text/errors.js'
import type { ConnectionState } from './state.js'

/**
 * Accepts an end without close_notify if the conversation was over. Then the end of the other leg omits its notice, too.
 */
export function acceptsBareEnd(state: ConnectionState, by: Leg): boolean {
  if (!wasOver(state, by)) return false
  for (const leg of [state.leg, state.target?.leg]) if (leg !== by) leg?.endNotice?.omit()
  return true
}

/**
 * Returns whether `error` is a reset by a peer of a proxy after the conversation. The other leg is reset in any case, so
 * that its peer can tell. Where the data ends here, a reset is a failure: what the peer has taken is unknown.
 */
export function isLateReset(state: ConnectionState, by: Leg, error: Error): boolean {
  if (!isReset(error) || (error as NodeJS.ErrnoException).syscall === 'write') return false // a write is lost
  if (!state.target || !isDelivered(state)) return false
  return wasOver(state, by) || hasAnswered(state, by) || isNobodyThere(state, by)
}

/**
 * Whether neither side owed the other anything. Only a proxy knows this of a client: the client has the last reply, and
 * has sent nothing since. A server owes nothing if it spoke last before our end, and has sent nothing since.
 */
function wasOver(state: ConnectionState, by: Leg): boolean {
  const turn = state.talk.of(by)
  if (!turn || !isDelivered(state)) return false
  if (isServer(state, by)) return turn.peerWasLast && hasAnswered(state, by)
  return state.target !== undefined && !turn.peerWasLast
}

/** Whether a server spoke, and has sent nothing since our end. */
function hasAnswered(state: ConnectionState, by: Leg): boolean {
  return isServer(state, by) && hasEnded(by) && by.bytes.in > 0 && !state.talk.of(by)?.cameAfterEnd
}

/** Whether our end has been sent. */
function hasEnded({ stream }: Leg): boolean {
  return stream.writableEnded && stream.writableLength === 0
}

/**
 * Whether the other peer of a proxy has closed its socket: it neither waits for anything nor takes it. This is known
 * before our end to it. A target that leaves before the client's end may owe an answer.
 */
function isNobodyThere({ leg, target }: ConnectionState, by: Leg): boolean {
  const other = by === leg ? target?.leg : leg
  if (by !== leg && !(hasEnded(by) && leg.stream.readableEnded)) return false
  return other?.stream.writableEnded === false && other.isGone?.() === true
}

function isServer({ leg, target, dialled }: ConnectionState, by: Leg): boolean {
  return target ? by === target.leg : dialled && by === leg
}

/** Whether nothing that was received is still on its way through the connection. */
function isDelivered({ transfers }: ConnectionState): boolean {
  return transfers.length > 0 && !transfers.some(({ transfer }) => transfer.isHolding())
}
