/** Detects whether a TLS peer sent close_notify before its connection closed. */
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { hasReadEnd } from '../reset.js'

/**
 * Returns whether the peer sent close_notify, or true if that is unknown. Call it in `push`, when the socket ends. Node
 * ends a TLS socket both at close_notify (RFC 8446, section 6.1) and at a FIN without it. libuv stops reading before it
 * reports a FIN, but not before it delivers data, such as close_notify.
 */
export function hasCloseNotify(socket: TLSSocket, raw: Socket): boolean {
  return !hasReadEnd(socket, raw)
}
