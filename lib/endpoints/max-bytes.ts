/** A cap on what a peer may send over one connection. */
import type { Socket } from 'node:net'
import { TcpPipeError } from '../text/errors.js'

/**
 * Fails the connection at the chunk that goes over `maxBytes`; nothing of it is passed on. It stands in the socket's own
 * `push`, so that it holds for whatever reads the socket, and costs nothing where there is no cap.
 */
export function capBytes(socket: Socket, maxBytes: number, fail: (error: Error) => void): void {
  const push = socket.push
  let bytes = socket.bytesRead // of TLS there may be some already
  const check = () => {
    if (bytes > maxBytes)
      fail(new TcpPipeError('ERR_LIMIT', `the peer has sent more than maxBytes (--max-bytes), ${maxBytes} bytes`))
    return bytes <= maxBytes
  }
  check()
  socket.push = (chunk, encoding) => {
    bytes += chunk?.length ?? 0
    return check() && push.call(socket, chunk, encoding)
  }
}
