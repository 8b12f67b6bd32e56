/** NATS JetStream as a source: the messages of a durable consumer, acknowledged when they are kept. */
import { Readable } from 'node:stream'
import type { Acks, Source } from '../endpoint.js'
import { checkSourceAddress, type NatsAddress } from './address.js'
import type { Reader } from './reader.js'

/** Returns the source of an address. It opens its consumer when it is created. Throws `ERR_ADDRESS`. */
export function natsSource(address: NatsAddress): Source {
  checkSourceAddress(address)
  return new NatsSource(address)
}

/** Its end destroys nothing: what was given last is acknowledged after it. */
class NatsSource extends Readable {
  readonly acks: Acks
  readonly warnings: string[] = []
  readonly #address: NatsAddress
  #full = () => {}
  /** Whether it waits since before somebody listened. */
  #isFull = false
  #reader: Reader | undefined

  constructor(address: NatsAddress) {
    super({ highWaterMark: 256 * 1024, autoDestroy: false })
    this.#address = address
    this.acks = {
      kept: bytes => {
        this.#isFull = false
        this.#reader?.kept(bytes)
      },
      settled: () => this.#settled(),
      onFull: callback => {
        this.#full = callback
        if (this.#isFull) callback()
      },
    }
  }

  get bytesRead(): number {
    return this.#reader?.bytes ?? 0
  }

  override _construct(callback: (error?: Error | null) => void): void {
    const failed = (error: Error) => {
      this.destroy(error) // otherwise nothing would: it does not destroy itself
      callback()
    }
    this.#open().then(() => callback(), failed)
  }

  override _read(): void {
    this.#reader?.read()
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    const closed = this.#reader?.close() ?? Promise.resolve()
    closed.then(() => callback(error), callback)
  }

  async #open(): Promise<void> {
    const { openReader } = await import('./reader.js')
    this.#reader = await openReader(this.#address, {
      give: data => this.push(data),
      end: () => void this.push(null),
      fail: error => void this.destroy(error),
      full: () => {
        this.#isFull = true
        this.#full()
      },
    })
    this.warnings.push(...this.#reader.warnings)
  }

  /** After its end, this closes it. */
  async #settled(): Promise<void> {
    await this.#reader?.settled()
    if (this.readableEnded && this.#reader?.isDone) this.destroy()
  }
}
