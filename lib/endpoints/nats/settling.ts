/**
 * What is known of the other readers of a consumer, and of readers that were killed: while messages are on their way to
 * somebody who is gone, nothing may pass them.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { JsMsg } from '@nats-io/jetstream'
import type { OpenConsumer } from './consumer.js'
import type { Entry, Ledger } from './ledger.js'
import type { Order } from './order.js'

/** Milliseconds between two questions. */
const look = 250

/** Milliseconds after a jump in the numbers of deliveries, for which other readers are expected. */
const sharedFor = 60_000

/** Milliseconds to wait for what a reader has got that was killed, at most, and if other readers are alive. */
const longest = 30_000
const longestIfShared = 5000

export class Settling {
  readonly #opened: OpenConsumer
  readonly #order: Order<Entry>
  readonly #ledger: Ledger
  #breaks: number
  #isOver = false
  #start = 0
  #lastDelivery = 0
  #lastJump = Number.NEGATIVE_INFINITY

  constructor(opened: OpenConsumer, order: Order<Entry>, ledger: Ledger, breaks: number) {
    this.#opened = opened
    this.#order = order
    this.#ledger = ledger
    this.#breaks = breaks
  }

  /** Called with each delivery, before it is put in order, and the number of breaks of the connection. */
  note({ info }: JsMsg, breaks: number): void {
    const { deliverySequence } = info
    if (breaks !== this.#breaks)
      this.begin() // what was on its way is lost, and comes again
    else if (this.#lastDelivery > 0 && deliverySequence > this.#lastDelivery + 1) this.#lastJump = performance.now()
    this.#breaks = breaks
    this.#lastDelivery = Math.max(deliverySequence, this.#lastDelivery)
    this.#order.isShared = performance.now() - this.#lastJump < sharedFor
  }

  /** Lets nothing pass until all that others have got is acknowledged or has come again. */
  begin(): void {
    this.#start = performance.now()
    if (this.#order.isSettling || this.#isOver) return
    this.#order.isSettling = true
    void this.#settle()
  }

  end(): void {
    this.#isOver = true
  }

  async #settle(): Promise<void> {
    while (!this.#isOver) {
      await delay(look)
      const most = this.#order.isShared ? longestIfShared : Math.min(longest, this.#opened.ackWait + 1000)
      if (performance.now() - this.#start > most || (await this.#isSettled())) break
    }
    this.#order.isSettling = false
  }

  async #isSettled(): Promise<boolean> {
    const info = await this.#opened.consumer.info().catch(() => undefined)
    return info !== undefined && info.num_ack_pending <= this.#ledger.size
  }
}
