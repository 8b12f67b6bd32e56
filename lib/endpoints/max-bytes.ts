/** A cap on what a peer may send over one connection. */
import { TcpPipeError } from '../text/errors.js'
import type { Leg } from './endpoint.js'

/**
 * Fails the connection at the chunk that exceeds `maxBytes`; nothing of that chunk is passed on. The check is part of the
 * `push` of the leg's stream, so it holds for every reader and costs nothing where there is no cap.
 */
export function capBytes({ stream, bytes }: Leg, maxBytes: number, fail: (error: Error) => void): void {
  const push = stream.push
  let received = bytes.in // with TLS there may be some already
  const check = () => {
    if (received > maxBytes)
      fail(new TcpPipeError('ERR_LIMIT', `the peer has sent more than maxBytes (--max-bytes), ${maxBytes} bytes`))
    return received <= maxBytes
  }
  check()
  stream.push = (chunk, encoding) => {
    received += chunk?.length ?? 0
    return check() && push.call(stream, chunk, encoding)
  }
}
