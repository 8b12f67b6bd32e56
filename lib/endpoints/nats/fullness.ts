/** Whether the server gives no more because too much is not acknowledged: by all readers of a consumer together. */
import type { ConsumerInfo } from '@nats-io/jetstream'
import type { OpenConsumer } from './consumer.js'
import type { Ledger } from './ledger.js'

export class Fullness {
  readonly #consumer: Pick<OpenConsumer['consumer'], 'info'>
  readonly #ledger: Pick<Ledger, 'unkept'>
  readonly #full: () => void
  #isQuiet = false
  #isAsked = false

  /** `full` is called when an acknowledgement of this reader is needed to go on. */
  constructor(consumer: Pick<OpenConsumer['consumer'], 'info'>, ledger: Pick<Ledger, 'unkept'>, full: () => void) {
    this.#consumer = consumer
    this.#ledger = ledger
    this.#full = full
  }

  /** A message has come. */
  note(): void {
    this.#isQuiet = false
    this.#isAsked = false
  }

  /** Called now and then: asks the server once when nothing has come since the last call. */
  tick(): void {
    if (this.#isQuiet && !this.#isAsked && this.#ledger.unkept > 0) {
      this.#isAsked = true
      this.look().catch(() => {}) // the next request for messages shows what is wrong
    }
    this.#isQuiet = true
  }

  async look(): Promise<ConsumerInfo> {
    const info = await this.#consumer.info()
    const most = info.config.max_ack_pending ?? 0
    if (this.#ledger.unkept > 0 && most > 0 && info.num_ack_pending >= most) this.#full()
    return info
  }
}
