/** A TLS server that is spoken to without TLS may answer with an alert, which is of use to a person only as a fact. */
import type { Socket } from 'node:net'

/** What the first bytes of a peer say about its protocol. */
export interface AlertFacts {
  /** The peer answers with a TLS alert: it speaks TLS, and this side does not. */
  readonly alert?: true
}

/** Watches a socket without TLS for an alert at the beginning. The facts are complete after the first bytes. */
export function watchForAlert(socket: Socket): AlertFacts {
  const facts: { alert?: true } = {}
  const { push } = socket
  let isFirst = true
  const watch = (chunk: Buffer | null, encoding?: BufferEncoding) => {
    if (isFirst && chunk && isAlert(chunk)) facts.alert = true
    isFirst = false
    if (socket.push === watch) socket.push = push
    return push.call(socket, chunk, encoding)
  }
  socket.push = watch
  return facts
}

/** A record of the type alert, 21, of SSL 3.0 or later, 3 (RFC 8446, 5.1 and 6). */
function isAlert(bytes: Buffer): boolean {
  return bytes[0] === 0x15 && bytes[1] === 3
}
