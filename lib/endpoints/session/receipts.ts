/** The receipt of a transfer: what its receiver says, and how its sender checks it. */
import type { Hello, Receipt } from './hello.js'
import type { Incoming } from './incoming.js'
import type { Outgoing } from './outgoing.js'

/** Returns the facts in the end of the receiver. */
export function receiptFacts({ name }: Hello, { received, sha256 }: Incoming, written: object): object {
  return { receipt: { ...(name !== undefined && { name }), bytes: received, sha256, ...written } }
}

/**
 * Returns what is wrong with a receipt, or undefined: the receiver must have got everything that was sent. Before the end
 * of the sender it may be that of an earlier run, which has sent more.
 */
export function wrongReceipt(
  { bytes, sha256 }: Receipt,
  { length, isEnded, sha256: own }: Outgoing,
): string | undefined {
  if (isEnded ? bytes !== length : bytes < length)
    return `truncated: the receiver ended after ${bytes} bytes${isEnded ? ` of ${length}` : ''}`
  return !isEnded || sha256 === own ? undefined : 'digest mismatch: the receiver has other bytes'
}
