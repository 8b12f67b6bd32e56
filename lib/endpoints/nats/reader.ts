/** Reads the messages of a consumer, in order, as long as there is room for them, and acknowledges them. */
import { setTimeout as delay } from 'node:timers/promises'
import type { ConsumerInfo, ConsumerMessages, JsMsg } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { TcpPipeError, toError } from '../../text/errors.js'
import { growing } from '../retry.js'
import type { NatsAddress } from './address.js'
import { Confirmations } from './confirmations.js'
import { connectTo, type Link } from './connection.js'
import { type OpenConsumer, openConsumer } from './consumer.js'
import { failure, finalWords, natsError } from './faults.js'
import { Fullness } from './fullness.js'
import { placeOf } from './headers.js'
import { type Entry, Ledger } from './ledger.js'
import { Order } from './order.js'
import { Settling } from './settling.js'

/** The bytes that are asked for at once, as far as the size of messages is known. */
const batchBytes = 4 * 1024 * 1024
const mostMessages = 256

/** Milliseconds that the server may take to answer with a message, and between its signs of life. */
const expires = 5000
const heartbeat = 1000

/** Milliseconds that the server may take to take note of the end of a reader. */
const farewell = 1000

/** Milliseconds between two looks at what is held. */
const look = 250

/** What a reader does with its messages. */
export interface Taker {
  /** Takes the data of a message. Returns whether more is wanted; `read` asks for more. */
  give(data: Uint8Array): boolean
  end(): void
  fail(error: Error): void
  /** Called when an acknowledgement is needed to go on. */
  full(): void
}

/** Rejects with `ERR_NATS`. */
export async function openReader(address: NatsAddress, taker: Taker): Promise<Reader> {
  const link = await connectTo(address)
  try {
    return new Reader(address, taker, link, await openConsumer(link, address))
  } catch (error) {
    await link.release()
    throw error
  }
}

export class Reader {
  readonly warnings: readonly string[]
  readonly #address: NatsAddress
  readonly #taker: Taker
  readonly #link: Link
  readonly #opened: OpenConsumer
  readonly #ledger = new Ledger()
  readonly #order = new Order<Entry>(entry => this.#ready.push(entry))
  readonly #settling: Settling
  readonly #confirmations: Confirmations
  readonly #fullness: Fullness
  /** In order, and not given yet. */
  readonly #ready: Entry[] = []
  readonly #timers: NodeJS.Timeout[]
  #messages: ConsumerMessages | undefined
  #isOver = false
  #wantsMore = false
  #wake = () => {}
  /** The time since which others have had messages, while nothing else is left. */
  #othersSince: number | undefined

  constructor(address: NatsAddress, taker: Taker, link: Link, opened: OpenConsumer) {
    this.#address = address
    this.#taker = taker
    this.#link = link
    this.#opened = opened
    this.warnings = opened.warnings
    this.#confirmations = new Confirmations(address, link, this.#ledger)
    this.#settling = new Settling(opened, this.#order, this.#ledger, link.breaks())
    this.#fullness = new Fullness(opened.consumer, this.#ledger, () => taker.full())
    if (opened.pending > 0) this.#settling.begin()
    this.#timers = [
      setInterval(() => this.#ledger.working(), opened.ackWait / 3),
      setInterval(() => this.#tick(), look),
    ]
    this.#pump().catch(error => taker.fail(toError(error)))
  }

  /** The number of bytes that were given. */
  get bytes(): number {
    return this.#ledger.bytes
  }

  /** Whether nothing is left to be acknowledged, and no acknowledgement to be confirmed. */
  get isDone(): boolean {
    return this.#ledger.size === 0 && this.#ledger.last === undefined
  }

  /** Asks for more. */
  read(): void {
    this.#wantsMore = true
    this.#flush()
  }

  /** Acknowledges what is within the first `bytes` bytes. */
  kept(bytes: number): void {
    this.#ledger.kept(bytes)
    this.#wake()
  }

  /** Resolves when the server has confirmed every acknowledgement. */
  settled(): Promise<void> {
    return this.#confirmations.settled()
  }

  /** Gives back what is not acknowledged: another reader gets it at once. */
  async close(): Promise<void> {
    this.#isOver = true
    this.#settling.end()
    for (const timer of this.#timers) clearInterval(timer)
    this.#messages?.stop()
    this.#wake()
    const { connection } = this.#link
    if (!connection.isClosed()) await giveBack(connection, this.#ledger)
    await this.#link.release()
  }

  /** Takes messages as long as there is room for them. */
  async #pump(): Promise<void> {
    for (let failures = 0; !this.#isOver; ) {
      const count = await this.#room()
      if (this.#isOver) return
      try {
        const received = await this.#fetch(count)
        failures = 0
        if (received === 0) await this.#idle()
      } catch (error) {
        if (this.#isOver) return
        await this.#recover(error, failures++)
      }
    }
  }

  /** Resolves with the number of messages to ask for, when there is room for one. */
  async #room(): Promise<number> {
    const ledger = this.#ledger
    const { maxPending } = this.#opened
    const size = ledger.bytes / Math.max(1, ledger.given)
    let isTold = false
    while (!this.#isOver) {
      const isFull = ledger.size >= maxPending
      if (isFull && ledger.size === this.#order.held) this.#release()
      else if (isFull && ledger.unkept > 0 && !isTold) {
        isTold = true
        this.#taker.full()
      }
      if (ledger.size < maxPending && this.#ready.length === 0) break
      await new Promise<void>(resolve => {
        this.#wake = resolve
      })
    }
    const most = Math.max(1, Math.min(mostMessages, Math.floor(batchBytes / Math.max(1, size))))
    return Math.min(most, maxPending - ledger.size)
  }

  async #fetch(count: number): Promise<number> {
    const time = this.#address.until === 'empty' ? 1000 : expires
    const idle_heartbeat = Math.min(heartbeat, time / 2)
    this.#messages = await this.#opened.consumer.fetch({ max_messages: count, expires: time, idle_heartbeat })
    let received = 0
    for await (const message of this.#messages) {
      received++
      this.#take(message)
    }
    const { connection } = this.#link
    if (connection.isClosed()) throw (await connection.closed()) ?? new Error('the connection was closed')
    return received
  }

  #take(message: JsMsg): void {
    this.#fullness.note()
    this.#settling.note(message, this.#link.breaks())
    const entry = this.#isOver ? undefined : this.#ledger.take(message)
    if (entry) this.#order.add(entry, placeOf(message))
    this.#flush()
  }

  /** Gives what is ready, as far as the reader wants it. */
  #flush(): void {
    while (this.#wantsMore && this.#ready.length > 0) {
      const entry = this.#ready.shift() as Entry
      const { data } = entry.message
      this.#ledger.give(entry)
      if (data.length > 0) this.#wantsMore = this.#taker.give(data)
    }
    this.#wake()
  }

  #release(): void {
    this.#order.release()
    this.#flush()
  }

  #tick(): void {
    this.#order.tick()
    this.#flush()
    this.#fullness.tick()
  }

  /** Nothing has come for a while. */
  async #idle(): Promise<void> {
    const info = await this.#fullness.look()
    if (this.#address.until === 'empty' && this.#isEmpty(info)) this.#finish()
  }

  /** Whether nothing is left. What others have comes again if they are killed; if they are alive, they go on with it. */
  #isEmpty({ num_pending, num_ack_pending }: ConsumerInfo): boolean {
    const isLeft = num_pending > 0 || this.#order.held > 0 || this.#ready.length > 0
    const haveOthers = num_ack_pending > this.#ledger.size
    if (isLeft || !haveOthers) this.#othersSince = undefined
    if (isLeft || !haveOthers) return !isLeft
    this.#othersSince ??= performance.now()
    return performance.now() - this.#othersSince > this.#opened.ackWait + expires
  }

  /** What was given is still worked on, until it is kept. */
  #finish(): void {
    this.#isOver = true
    this.#settling.end()
    this.#taker.end()
  }

  /** After a failure that may go away. Rejects if it does not. */
  async #recover(cause: unknown, failures: number): Promise<void> {
    const words = finalWords(cause)
    if (cause instanceof TcpPipeError) throw cause
    if (words) throw natsError(this.#address, `its messages cannot be read: ${words}`, cause)
    this.#settling.begin()
    await this.#link.connected()
    const final = (error: unknown) => finalWords(error) && failure(this.#address, 'its consumer cannot be used', error)
    const wrong = await this.#opened.consumer.info().then(() => undefined, final)
    if (wrong) throw wrong
    await delay(growing(failures))
  }
}

/** The server delivers the first one at once, to the request that this reader has just withdrawn: it is given back again. */
async function giveBack(connection: NatsConnection, ledger: Ledger): Promise<void> {
  const first = ledger.giveBack()
  if (first === undefined) return
  const over = new AbortController()
  const late = delay(farewell, undefined, { signal: over.signal }).catch(() => {})
  await Promise.race([connection.flush().catch(() => {}), late])
  over.abort()
  if (!connection.isClosed()) connection.publish(first, '-NAK')
}
