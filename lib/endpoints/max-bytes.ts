/** Limits the bytes that a peer may send over one connection. */
import { TcpPipeError } from '../text/errors.js'
import type { Leg } from './endpoint.js'

/**
 * Fails the connection at the chunk that exceeds `maxBytes`, and drops that chunk. The check runs in the `push` of the
 * leg's stream, so it covers every reader and costs nothing without a limit.
 */
export function capBytes({ stream, bytes }: Leg, maxBytes: number, fail: (error: Error) => void): void {
  const push = stream.push
  let received = bytes.in // a TLS leg may have received bytes already
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
