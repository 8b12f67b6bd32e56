/** The messages of a source that are not acknowledged yet, and those that were lately. */
import type { JsMsg } from '@nats-io/jetstream'
import { TcpPipeError } from '../../text/errors.js'

/** A message that was taken from the server. */
export interface Entry {
  /** The latest delivery of it. */
  message: JsMsg
  /** The number of bytes that the source has given, with this one; undefined before it is given. */
  end?: number
}

/** The number of acknowledged messages that are remembered: their acknowledgement may be lost. */
const mostRemembered = 100_000

/**
 * Knows each message by its number in the stream. One that was given is not given again: if it is not acknowledged yet,
 * it will be, and if it was, the acknowledgement is repeated.
 */
export class Ledger {
  readonly #entries = new Map<number, Entry>()
  /** Given, and not acknowledged, in order. */
  #given: Entry[] = []
  /** The number in the stream → the time at which the message was stored. */
  readonly #acknowledged = new Map<number, number>()
  /** The number in the stream → the subject of the acknowledgement. */
  readonly #unconfirmed = new Map<number, string>()
  #kept = 0
  /** The number of bytes, and of messages, that were given. */
  bytes = 0
  given = 0
  /** The subject of the acknowledgement that was sent last, if it is not confirmed. */
  last: string | undefined

  /** The number of messages that are not acknowledged. */
  get size(): number {
    return this.#entries.size
  }

  /** The number of messages that were given and are not acknowledged. */
  get unkept(): number {
    return this.#given.length
  }

  /** Takes a delivery. Returns its entry, or undefined if the message is known. Throws `ERR_NATS`. */
  take(message: JsMsg): Entry | undefined {
    const { seq } = message
    const known = this.#entries.get(seq)
    const stored = known?.message.info.timestampNanos ?? this.#acknowledged.get(seq)
    if (stored !== undefined && stored !== message.info.timestampNanos)
      throw new TcpPipeError('ERR_NATS', `stream ${message.info.stream} was made anew while it was read; start again`)
    if (known) known.message = message
    else if (stored !== undefined) message.ack()
    else {
      const entry = { message }
      this.#entries.set(seq, entry)
      return entry
    }
    return undefined
  }

  give(entry: Entry): void {
    this.bytes += entry.message.data.length
    this.given++
    entry.end = this.bytes
    this.#given.push(entry)
    if (entry.end <= this.#kept) this.kept(this.#kept) // it is empty
  }

  /** Acknowledges what is within the first `bytes` bytes. */
  kept(bytes: number): void {
    this.#kept = Math.max(this.#kept, bytes)
    const first = this.#given.findIndex(({ end }) => (end as number) > this.#kept)
    for (const { message } of this.#given.splice(0, first < 0 ? this.#given.length : first)) {
      message.ack()
      this.#entries.delete(message.seq)
      this.#remember(message)
      this.last = replyOf(message)
    }
  }

  /** Tells the server that all are still worked on: it does not deliver them again. */
  working(): void {
    for (const { message } of this.#entries.values()) message.working()
  }

  /** Gives all back: another reader gets them at once. Returns the subject for the first one, if there is one. */
  giveBack(): string | undefined {
    const messages = [...this.#entries.values()].map(({ message }) => message)
    for (const message of messages) message.nak()
    this.#entries.clear()
    this.#given = []
    return messages[0] && replyOf(messages[0])
  }

  /** The subjects of the acknowledgements that are not confirmed. */
  unconfirmed(): Iterable<string> {
    return this.#unconfirmed.values()
  }

  /** The acknowledgements are confirmed, up to the one with this subject. */
  confirm(last: string): void {
    for (const [sequence, reply] of this.#unconfirmed) {
      this.#unconfirmed.delete(sequence)
      if (reply === last) break
    }
    if (this.last === last) this.last = undefined
  }

  #remember(message: JsMsg): void {
    this.#acknowledged.set(message.seq, message.info.timestampNanos)
    this.#unconfirmed.set(message.seq, replyOf(message))
    for (const known of [this.#acknowledged, this.#unconfirmed])
      if (known.size > mostRemembered) known.delete(known.keys().next().value as number)
  }
}

/** The types of the client leave out what acknowledges the message. */
function replyOf(message: JsMsg): string {
  return (message as JsMsg & { readonly reply: string }).reply
}
