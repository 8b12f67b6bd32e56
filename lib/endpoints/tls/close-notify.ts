/** Whether a TLS peer has announced its end, or whether its connection was closed by whomever. */
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'

/** What both handles of Node's sockets have (lib/net.js, src/stream_wrap.cc). */
interface Handle {
  /** Whether Node wants to be given what comes. */
  reading?: boolean
  /** Begins to read; gives libuv's code, UV_EALREADY if it reads already. */
  readStart?(): number
}

/**
 * To be asked while the socket is told of its end (in `push`). Node ends a TLS socket at the peer's close_notify (RFC
 * 8446, section 6.1) and at a FIN without one alike. But libuv has stopped reading when it tells of a FIN, and has not
 * when it gives data, which close_notify is. True if that cannot be found out.
 */
export function hasCloseNotify(socket: TLSSocket, raw: Socket): boolean {
  const [above, below] = [handleOf(socket), handleOf(raw)]
  if (!above?.reading || !below?.readStart) return true // where nothing is read no FIN is seen
  return below.readStart() !== 0
}

function handleOf(socket: Socket): Handle | null | undefined {
  return (socket as unknown as { _handle?: Handle | null })._handle
}
