/** Detects whether a TLS peer sent close_notify before its connection closed. */
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'

/** The common part of the handles of Node's sockets (lib/net.js, src/stream_wrap.cc). */
interface Handle {
  /** Whether Node requests data. */
  reading?: boolean
  /** Starts reading. Returns libuv's code: UV_EALREADY if it reads already. */
  readStart?(): number
}

/**
 * Returns whether the peer sent close_notify, or true if that is unknown. Call it in `push`, when the socket ends. Node
 * ends a TLS socket both at close_notify (RFC 8446, section 6.1) and at a FIN without it. libuv stops reading before it
 * reports a FIN, but not before it delivers data, such as close_notify.
 */
export function hasCloseNotify(socket: TLSSocket, raw: Socket): boolean {
  const [above, below] = [handleOf(socket), handleOf(raw)]
  if (!above?.reading || !below?.readStart) return true // without reading, no FIN is seen
  return below.readStart() !== 0
}

function handleOf(socket: Socket): Handle | null | undefined {
  return (socket as unknown as { _handle?: Handle | null })._handle
}
