/** Tells a peer that leaves after the conversation from one that breaks it off. */
import type { Leg } from '../endpoints/endpoint.js'
import { errorCode, isReset } from '../text/errors.js'
import type { ConnectionState } from './state.js'

/**
 * Accepts an end without close_notify if the conversation was over and the other leg can pass it on as what it is. A leg
 * without close_notify would vouch for it with a FIN: that one is reset.
 */
export function acceptsBareEnd(state: ConnectionState, by: Leg): boolean {
  const other = by === state.leg ? state.target?.leg : state.leg
  if (!other?.endNotice || !wasOver(state, by)) return false
  other.endNotice.omit()
  return true
}

/**
 * Returns whether a peer of a proxy has left after the conversation, by a reset or without close_notify. The other leg is
 * reset in any case, so that its peer can tell. Where the data ends here, this is a failure: what the peer has taken is
 * unknown.
 */
export function hasLeftLate(state: ConnectionState, by: Leg, error: Error): boolean {
  if (errorCode(error) === 'ERR_UNEXPECTED_EOF') return wasOver(state, by)
  if (!isReset(error) || (error as NodeJS.ErrnoException).syscall === 'write') return false // a write is lost
  if (!state.target || !isDelivered(state)) return false
  return wasOver(state, by) || hasAnswered(state, by) || isNobodyThere(state, by)
}

/**
 * Whether neither peer owed the other anything: the client has the last reply, and has sent nothing since; the target
 * spoke last before our end, and has sent nothing since.
 */
function wasOver(state: ConnectionState, by: Leg): boolean {
  const turn = state.target?.talk.of(by)
  if (!turn || !isDelivered(state)) return false
  return by === state.leg ? !turn.peerWasLast : turn.peerWasLast && hasAnswered(state, by)
}

/** Whether the target spoke, and has sent nothing since our end. */
function hasAnswered({ target }: ConnectionState, by: Leg): boolean {
  return by === target?.leg && hasEnded(by) && by.bytes.in > 0 && !target.talk.of(by)?.cameAfterEnd
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

/** Whether nothing that was received is still on its way through the connection. */
function isDelivered({ transfers }: ConnectionState): boolean {
  return transfers.length > 0 && !transfers.some(({ transfer }) => transfer.isHolding())
}
