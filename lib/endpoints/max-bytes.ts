/** Limits the bytes that a peer may send over one connection. */
import { afterDelivery, tracePipes } from '../formats/delivery.js'
import { TcpPipeError } from '../text/errors.js'
import { optionName } from '../text/option-name.js'
import type { Leg } from './endpoint.js'

/**
 * Fails the connection after the first `maxBytes` have been delivered, and drops the bytes after them. The check runs in
 * the `push` of the leg's stream, so it covers every reader and costs nothing without a limit.
 */
export function capBytes(leg: Leg, maxBytes: number, fail: (error: Error) => void): void {
  const { stream, bytes } = leg
  leg.lend = undefined // what is dropped here would count as delivered
  const push = tracePipes(stream).push
  let left = maxBytes - bytes.in
  let isExceeded = false

  function exceed(): void {
    isExceeded = true
    const message = `the peer has sent more than ${optionName('maxBytes')}, ${maxBytes} bytes`
    afterDelivery(stream, () => fail(new TcpPipeError('ERR_LIMIT', message)))
  }

  // A TLS leg may have received bytes already.
  if (left < 0) {
    const received: Buffer = stream.read(stream.readableLength) // all of it: without a number, Node 26 gives a chunk
    stream.unshift(received.subarray(0, received.length + left))
    exceed()
  }
  stream.push = (chunk, encoding) => {
    if (isExceeded) return false
    const { length } = chunk ?? ''
    if (length <= left) {
      left -= length
      return push.call(stream, chunk, encoding)
    }
    if (left > 0) push.call(stream, chunk.subarray(0, left), encoding)
    exceed()
    return false
  }
}
