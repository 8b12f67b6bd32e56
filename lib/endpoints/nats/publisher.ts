/** Publishes the messages of one connection: a bounded number in flight, each one sent again until it is stored. */
import { createHash } from 'node:crypto'
import { setMaxListeners } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { headers } from '@nats-io/transport-node'
import { errorMessage, type TcpPipeError } from '../../text/errors.js'
import { exactDuration } from '../../text/quantities.js'
import { growing } from '../retry.js'
import type { NatsAddress } from './address.js'
import type { Link } from './connection.js'
import { finalWords, natsError } from './faults.js'
import { headerNames } from './headers.js'
import type { Message } from './records.js'
import { lookAt, type Stream } from './stream.js'

/** Milliseconds to wait for an acknowledgement before a message is sent again. */
const ackTimeout = 3000

/** The bytes of a connection that are in flight, at most: enough for 100 MB/s over a way of 40 ms. */
const mostBytes = 4 * 1024 * 1024

/** Milliseconds for which what is known of the stream is not asked again. */
const fresh = 1000

export interface Publishing {
  readonly address: NatsAddress
  readonly link: Link
  readonly stream: Stream
  /** Unique: names the connection in the headers. */
  readonly connection: string
  /** The session that brings the data: when it begins anew, the server recognizes what it has stored of it. */
  readonly session: string | undefined
  /** The number of messages in flight. */
  readonly inFlight: number
  /** Milliseconds for which a message is sent again. */
  readonly giveUpAfter: number
}

/** A message on its way. */
interface Sent extends Message {
  readonly sequence: number
  /** All messages below this one were stored before this one was sent first. */
  readonly stored: number
  isStored: boolean
}

export class Publisher {
  readonly #publishing: Publishing
  /** In order of their sequences. The first one is not stored. */
  readonly #sent: Sent[] = []
  #next = 0
  #bytesInFlight = 0
  #lookedAt = Number.NEGATIVE_INFINITY
  #look: Promise<unknown> = Promise.resolve()
  readonly #stopped = new AbortController()
  /** The first `kept` bytes are stored. */
  kept = 0
  duplicates = 0
  retries = 0
  /** Called whenever a message is stored. */
  onStored!: () => void
  /** Called once, when a message cannot be stored. */
  onFailed!: (error: Error) => void

  constructor(publishing: Publishing) {
    this.#publishing = publishing
    setMaxListeners(0, this.#stopped.signal) // each message in flight listens
  }

  /** The number of messages so far. */
  get messages(): number {
    return this.#next
  }

  /** The number of messages between the first one that is not stored and the last one. */
  get length(): number {
    return this.#sent.length
  }

  /** Whether no more may be sent before something is stored. */
  get isFull(): boolean {
    return this.#sent.length >= this.#publishing.inFlight || this.#bytesInFlight >= mostBytes
  }

  send(message: Message): void {
    const stored = this.#next - this.#sent.length
    const sent = { ...message, sequence: this.#next++, stored, isStored: false }
    this.#sent.push(sent)
    this.#bytesInFlight += message.data.length
    this.#store(sent).then(
      () => this.#isStored(sent),
      error => this.#failed(error),
    )
  }

  /** Sends nothing again from now on. */
  stop(): void {
    this.#stopped.abort()
  }

  #isStored(sent: Sent): void {
    sent.isStored = true
    while (this.#sent[0]?.isStored) {
      const { offset, data } = this.#sent.shift() as Sent
      this.#bytesInFlight -= data.length
      this.kept = offset + data.length
    }
    if (!this.#stopped.signal.aborted) this.onStored()
  }

  #failed(error: Error): void {
    if (this.#stopped.signal.aborted) return
    this.stop()
    this.onFailed(error)
  }

  /** Resolves when the server has stored the message. */
  async #store(sent: Sent, attempt = 0, start = performance.now()): Promise<void> {
    const { address, link, giveUpAfter } = this.#publishing
    const { signal } = this.#stopped
    try {
      await this.#publish(sent)
    } catch (error) {
      signal.throwIfAborted()
      const words = finalWords(error)
      if (words) throw natsError(address, `a message could not be stored: ${words}`, error)
      const wait = growing(attempt)
      const left = () => giveUpAfter - (performance.now() - start)
      if (left() < wait) throw this.#gaveUp(error)
      await delay(wait, undefined, { signal })
      await within(left(), link.connected(), signal)
      await this.#lookAgain()
      this.retries++
      await this.#store(sent, attempt + 1, start)
    }
  }

  async #publish({ offset, data, sequence, stored }: Sent): Promise<void> {
    const { address, link, stream, connection, session } = this.#publishing
    const own = headers()
    own.append(headerNames.connection, connection)
    own.append(headerNames.offset, `${offset}`)
    own.append(headerNames.sequence, `${sequence}`)
    own.append(headerNames.stored, `${stored}`)
    const { duplicate } = await link.client.publish(address.subject, data, {
      msgID: `${session ?? connection}:${offset}:${session === undefined ? data.length : digestOf(data)}`,
      headers: own,
      timeout: ackTimeout,
      expect: { streamName: stream.name },
    })
    if (duplicate) this.duplicates++
  }

  /**
   * A stream that is deleted does not answer, as one without a leader. Rejects if it is the former. If it cannot be asked,
   * the next attempt shows what is wrong.
   */
  #lookAgain(): Promise<unknown> {
    const { link, address, stream } = this.#publishing
    if (performance.now() - this.#lookedAt < fresh) return this.#look
    this.#lookedAt = performance.now()
    const isFinal = (error: TcpPipeError) => !error.cause || finalWords(error) !== undefined
    const look = lookAt(link.manager, { ...address, stream: stream.name, create: undefined })
    this.#look = look.catch(error => (isFinal(error) ? Promise.reject(error) : undefined))
    return this.#look
  }

  #gaveUp(error: unknown): Error {
    const { address, giveUpAfter, stream } = this.#publishing
    const window = `the duplicate window of stream ${stream.name}, ${exactDuration(stream.window)}`
    const words = `a message could not be stored within ${exactDuration(giveUpAfter)} (${errorMessage(error)})`
    return natsError(address, `${words}; a longer give-up-after= needs a longer ${window.slice(4)}`, error)
  }
}

/** A session that begins anew may bring other bytes, and cuts them at other places: the id says which. */
function digestOf(data: Buffer): string {
  return createHash('sha256').update(data).digest('base64url')
}

/** Waits for a promise, at most that many milliseconds. */
async function within(patience: number, promise: Promise<void>, signal: AbortSignal): Promise<void> {
  const over = new AbortController()
  const late = delay(Math.max(0, patience), undefined, { signal: AbortSignal.any([signal, over.signal]) })
  await Promise.race([promise, late]).finally(() => over.abort())
  late.catch(() => {}) // aborted
}
