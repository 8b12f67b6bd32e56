/** The end of a session: both directions are complete when both sides have said so, and a transfer has its receipt. */
import type { Frame } from '../../formats/session-frames.js'
import { TcpPipeError } from '../../text/errors.js'
import { factsOf, type Hello, type Receipt, receiptOf } from './hello.js'
import type { Incoming } from './incoming.js'
import type { Outgoing } from './outgoing.js'

interface Parts {
  readonly hello: Hello
  readonly incoming: Incoming
  readonly outgoing: Outgoing
}

export class Ending {
  readonly #parts: Parts
  readonly #needsReceipt: boolean
  readonly #givesReceipt: boolean
  #offered: Receipt | undefined
  #receipt: Receipt | undefined
  #isAccepted = false
  #written: object = {}
  #finish: (() => void) | undefined

  /** The dialler of a transfer needs a receipt; its listener gives it. */
  constructor(parts: Parts, isDialler: boolean) {
    const isTransfer = parts.hello.kind === 'transfer'
    this.#parts = parts
    this.#needsReceipt = isTransfer && isDialler
    this.#givesReceipt = isTransfer && !isDialler
  }

  get receipt(): Receipt | undefined {
    return this.#receipt
  }

  /** Adds to the receipt what was written. */
  confirmWritten(facts: object): void {
    this.#written = facts
  }

  /** The facts that travel with the end of this side. */
  facts(): object {
    const { hello, incoming } = this.#parts
    if (!this.#givesReceipt) return {}
    const { received, sha256 } = incoming
    const named = hello.name !== undefined && { name: hello.name }
    return { receipt: { ...named, bytes: received, sha256, ...this.#written } }
  }

  /** Calls `finish` when the end of this side is complete: the peer has confirmed it, and has sent the receipt. */
  whenComplete(finish: () => void): void {
    this.#finish = finish
  }

  /** Takes what travels with the end of the peer. Throws `ERR_SESSION` if a receipt is missing, or the size is not the announced one. */
  take(frame: Frame): void {
    const { size } = this.#parts.hello
    if (this.#givesReceipt && size !== undefined && frame.offset !== size)
      throw new TcpPipeError('ERR_SESSION', `truncated: the sender announced ${size} bytes, and sent ${frame.offset}`)
    if (!this.#needsReceipt) return
    this.#offered = receiptOf(frame, factsOf(frame))
    if (!this.#offered) throw new TcpPipeError('ERR_SESSION', 'it sent no receipt')
  }

  /** Whether there is a receipt. It may wait to be accepted. */
  get isOffered(): boolean {
    return this.#offered !== undefined
  }

  /** Whether the end of the peer is accepted. */
  get isAccepted(): boolean {
    return this.#isAccepted
  }

  /**
   * Accepts the end of the peer. A receipt waits until our end is confirmed: an earlier run of this side may have sent
   * everything. Returns whether the end is accepted now, and was not before.
   *
   * @throws `ERR_SESSION` if the receipt is one for something else
   */
  accept(): boolean {
    const { incoming, outgoing } = this.#parts
    if (!incoming.isEnded || this.#isAccepted) return false
    const wrong = this.#offered && this.#wrongReceipt(this.#offered)
    if (wrong !== undefined) throw new TcpPipeError('ERR_SESSION', wrong)
    if (this.#offered && !outgoing.isEndConfirmed) return false
    this.#receipt = this.#offered
    this.#isAccepted = true
    return true
  }

  /** The receiver must have got everything that was sent. Before our end, it may be that of an earlier run, which has sent more. */
  #wrongReceipt({ bytes, sha256 }: Receipt): string | undefined {
    const { length, isEnded, sha256: own } = this.#parts.outgoing
    if (isEnded ? bytes !== length : bytes < length)
      return `truncated: the receiver ended after ${bytes} bytes${isEnded ? ` of ${length}` : ''}`
    return !isEnded || sha256 === own ? undefined : 'digest mismatch: the receiver has other bytes'
  }

  /** Something has changed. Returns whether both directions are complete. */
  settle(): boolean {
    if (!this.#parts.outgoing.isEndConfirmed || (this.#needsReceipt && !this.#receipt)) return false
    this.#complete()
    return this.#isAccepted
  }

  /** For the receiver of a transfer: completes it, if everything is done but for the proof that its receipt has arrived. */
  conclude(): boolean {
    const { outgoing, incoming } = this.#parts
    const { isEnded, confirmed, length } = outgoing
    if (!this.#givesReceipt || !incoming.isEnded || !isEnded || confirmed < length) return false
    this.#complete()
    return true
  }

  #complete(): void {
    const finish = this.#finish
    this.#finish = undefined
    finish?.()
  }
}
