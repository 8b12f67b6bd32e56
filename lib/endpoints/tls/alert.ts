/** A TLS server that is spoken to without TLS may answer with an alert, which is of use to a person only as a fact. */
import { Socket } from 'node:net'

/** What the first bytes of a peer say about its protocol. */
export interface AlertFacts {
  /** The peer answers with a TLS alert: it speaks TLS, and this side does not. */
  readonly alert?: true
}

/**
 * A socket to a peer that may speak TLS. Its facts are complete after the first bytes.
 *
 * The method of a class costs nothing for the chunks that follow: one that an object has of its own stays in their way.
 */
export class DialledSocket extends Socket {
  readonly facts: { alert?: true } = {}
  #isFirst = true

  override push(chunk: Buffer | null, encoding?: BufferEncoding): boolean {
    if (this.#isFirst) {
      this.#isFirst = false
      if (chunk && isAlert(chunk)) this.facts.alert = true
    }
    return super.push(chunk, encoding)
  }
}

/** A record of the type alert, 21, of SSL 3.0 or later, 3 (RFC 8446, 5.1 and 6). */
function isAlert(bytes: Buffer): boolean {
  return bytes[0] === 0x15 && bytes[1] === 3
}
