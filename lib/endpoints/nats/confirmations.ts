/** Makes sure that the server has got the acknowledgements, which are sent without waiting for an answer. */
import { setTimeout as delay } from 'node:timers/promises'
import { growing } from '../retry.js'
import type { NatsAddress } from './address.js'
import type { Link } from './connection.js'
import { failure, finalWords } from './faults.js'
import type { Ledger } from './ledger.js'

/** Milliseconds to wait for an answer. */
const patience = 5000

const mostAttempts = 5

export class Confirmations {
  readonly #address: NatsAddress
  readonly #link: Link
  readonly #ledger: Ledger
  /** The breaks of the connection before which every acknowledgement was confirmed. */
  #breaks: number

  constructor(address: NatsAddress, link: Link, ledger: Ledger) {
    this.#address = address
    this.#link = link
    this.#ledger = ledger
    this.#breaks = link.breaks()
  }

  /**
   * Resolves when the server has confirmed the last acknowledgement, and with it those before: it gets them in order.
   * After a break, all are sent again; the server answers one that it has had, too. Rejects with `ERR_NATS`.
   */
  async settled(): Promise<void> {
    for (let attempt = 0; this.#ledger.last !== undefined; ) {
      try {
        await this.#confirm(this.#ledger.last)
      } catch (error) {
        if (finalWords(error) || ++attempt >= mostAttempts)
          throw failure(this.#address, 'the last records could not be acknowledged, and come again', error)
        await delay(growing(attempt))
      }
    }
  }

  async #confirm(last: string): Promise<void> {
    const { connection } = this.#link
    await this.#link.connected()
    const breaks = this.#link.breaks()
    if (breaks !== this.#breaks) for (const reply of this.#ledger.unconfirmed()) connection.publish(reply, '+ACK')
    await connection.request(last, '+ACK', { timeout: patience })
    if (breaks !== this.#link.breaks()) return // those that were sent before may be lost
    this.#breaks = breaks
    this.#ledger.confirm(last)
  }
}
