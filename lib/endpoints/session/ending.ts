/** The end of a session: both directions are complete when both sides have said so, and a transfer has its receipt. */
import type { Frame } from '../../formats/session-frames.js'
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
  #receipt: Receipt | undefined
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

  /** Takes the end of the peer. Returns what is wrong with it, or undefined. */
  take(frame: Frame): string | undefined {
    if (!this.#needsReceipt) return undefined
    const receipt = receiptOf(frame, factsOf(frame))
    const wrong = receipt ? this.#wrongReceipt(receipt) : 'it sent no receipt'
    if (wrong === undefined) this.#receipt = receipt
    return wrong
  }

  /** The receiver must have got everything that was sent. */
  #wrongReceipt({ bytes, sha256 }: Receipt): string | undefined {
    const { length, isEnded, sha256: own } = this.#parts.outgoing
    if (!isEnded || bytes !== length)
      return `truncated: the receiver ended after ${bytes} bytes${isEnded ? ` of ${length}` : ''}`
    return sha256 === own ? undefined : 'digest mismatch: the receiver has other bytes'
  }

  /** Something has changed. Returns whether both directions are complete. */
  settle(): boolean {
    const { outgoing, incoming } = this.#parts
    if (!outgoing.isEndConfirmed || (this.#needsReceipt && !this.#receipt)) return false
    this.#complete()
    return incoming.isEnded
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
