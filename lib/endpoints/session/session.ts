/**
 * A session: a stream in both directions over one link after another. Each side keeps what the other one has not confirmed,
 * and sends it again over the next link. `docs/protocol.md` documents the frames and the states.
 */
import type { Duplex } from 'node:stream'
import type { Frame } from '../../formats/session-frames.js'
import { frameFlags } from '../../formats/session-frames.js'
import { errorCode, errorMessage, TcpPipeError, toError } from '../../text/errors.js'
import type { Carrier } from './carrier.js'
import { errorOf, factsOf, type Hello, type Receipt, receiptOf, type Welcome } from './hello.js'
import type { Incoming } from './incoming.js'
import type { Keeper } from './keeper.js'
import type { Link, LinkUser } from './link.js'
import { Outgoing } from './outgoing.js'
import { receiptFacts, wrongReceipt } from './receipts.js'
import { Receiver } from './receiver.js'
import { sessionStream } from './session-stream.js'

/** The role of this side: the dialler of a transfer sends it. */
export type Role = 'dialler' | 'listener'

export interface SessionOptions {
  readonly role: Role
  readonly hello: Hello
  /** The number of bytes that this side keeps until they are confirmed. */
  readonly window: number
  /** Called when the link is lost, unless the session is over. */
  lost(error: Error): void
  /** Called when the session is over. The link can serve the next one, if there is one. */
  over(link: Link | undefined): void
}

export class Session implements LinkUser {
  readonly stream: Duplex
  readonly hello: Hello
  readonly outgoing: Outgoing
  /** The number of links after the first one. */
  reconnects = 0
  /** The receipt of a transfer, for its sender. */
  receipt: Receipt | undefined
  readonly #options: SessionOptions
  readonly #receiver: Receiver
  #link: Link | undefined
  #hadLink = false
  #isWelcomed = false
  #isFull = false
  #owesAck = false
  #isOver = false
  #isEndAccepted = false
  #offered: Receipt | undefined
  #written: object = {}
  #finish: ((error?: Error | null) => void) | undefined

  constructor(options: SessionOptions) {
    const { role, hello, window } = options
    this.hello = hello
    this.#options = options
    const isTransfer = hello.kind === 'transfer'
    const isSender = role === 'dialler'
    this.outgoing = new Outgoing({ window, digest: isTransfer && isSender, rereadable: isSender && hello.rereadable })
    if (!isSender) this.outgoing.peerWindow = hello.window
    this.#receiver = new Receiver({
      digest: isTransfer && !isSender,
      window: isSender ? window : Math.min(window, hello.window),
      isRereadable: !isSender && hello.rereadable,
      deliver: bytes => this.#deliver(bytes),
      waiting: () => this.stream.readableLength,
      confirm: () => this.#confirm(),
      breakLink: error => this.#link?.drop(error),
      fail: error => this.fail(error),
    })
    this.stream = sessionStream({
      read: () => this.#read(),
      taken: () => this.#receiver.confirmations.received(),
      write: (chunk, done) => this.#attempt(() => this.outgoing.append(chunk, done), done),
      final: done => this.#final(done),
      leave: error => this.#leave(error),
    })
  }

  get isOver(): boolean {
    return this.#isOver
  }

  get incoming(): Incoming {
    return this.#receiver.incoming
  }

  get received(): number {
    return this.incoming.received
  }

  get sha256(): string | undefined {
    return this.incoming.sha256
  }

  /** Whether it had a link before. */
  get hadLink(): boolean {
    return this.#hadLink
  }

  /**
   * For a listener: tells the peer where to go on. With a keeper, that is where an earlier run has stopped. Without, all
   * data is checked before it is delivered, because it cannot be taken back. The first read of a transfer calls it, unless
   * its owner has; a tunnel begins at once.
   */
  begin(keeper?: Keeper): void {
    this.#receiver.begin(keeper)
  }

  /** Adds to the receipt what was written. */
  confirmWritten(facts: object): void {
    this.#written = facts
  }

  /** For a listener: continues over a link, the newest one. */
  async welcome(link: Link, hello: Hello): Promise<void> {
    this.#attach(link)
    if (this.hello.kind === 'tunnel') this.begin()
    await this.#receiver.ready()
    if (this.#link !== link || this.#isOver) return
    try {
      this.outgoing.resume(hello.received, undefined)
    } catch (error) {
      this.fail(toError(error))
      return
    }
    const { sha256, received } = this.incoming
    const facts: Welcome = {
      ...(sha256 && { sha256 }),
      checked: this.#receiver.needsChecksums,
      window: this.#options.window,
    }
    link.send('welcome', received, facts)
    this.#start()
  }

  /** For a dialler: continues over a link, as the listener says. Throws `ERR_SESSION` if it cannot. */
  welcomed(link: Link, received: number, { sha256, checked, window }: Welcome): void {
    this.outgoing.isChecked = checked
    this.outgoing.peerWindow = window
    this.#receiver.confirmations.window = Math.min(window, this.#options.window)
    this.outgoing.resume(received, sha256)
    this.#attach(link)
    this.#start()
  }

  #attach(link: Link): void {
    const old = this.#link
    this.#link = link
    this.#isWelcomed = false
    old?.use(undefined) // it is replaced, not lost
    old?.drop(new TcpPipeError('ERR_SESSION', 'another link has replaced this one'))
    if (this.#hadLink) this.reconnects++
    this.#hadLink = true
    link.use(this)
  }

  #start(): void {
    this.#isWelcomed = true
    if (this.#isFull) this.#link?.pause()
    this.#receiver.confirmations.tell()
    this.drained()
  }

  drained(): void {
    if (!this.#link || !this.#isWelcomed) return
    if (this.#owesAck) this.#confirm()
    this.outgoing.pump(this.#link as Carrier)
  }

  lost(error: Error): void {
    this.#link = undefined
    this.#isWelcomed = false
    if (!this.#isOver) this.#options.lost(error)
  }

  #read(): void {
    this.begin()
    this.#resume()
  }

  #resume(): void {
    this.#isFull = false
    this.#link?.resume()
  }

  #final(callback: (error?: Error | null) => void): void {
    this.#finish = callback
    this.#attempt(() => this.outgoing.end(this.#endFacts()), callback)
  }

  /** What the user of the stream does wrong, or what the peer has of an earlier run, fails the stream. */
  #attempt(work: () => void, callback: (error: Error) => void): void {
    try {
      work()
    } catch (error) {
      callback(toError(error))
      return
    }
    this.drained()
    this.#settle()
  }

  #endFacts(): object {
    const { hello, incoming } = this
    if (this.#options.role === 'dialler' || hello.kind !== 'transfer') return {}
    return receiptFacts(hello, incoming, this.#written)
  }

  data(offset: number, bytes: Buffer, isChecked: boolean): void {
    this.#guard(() => this.#data(offset, bytes, isChecked))
  }

  frame(frame: Frame): void {
    this.#guard(() => this.#frame(frame))
  }

  /** What passed its checksum and is wrong all the same is no accident: it fails the session. */
  #guard(work: () => void): void {
    try {
      work()
    } catch (error) {
      this.fail(toError(error))
    }
  }

  #data(offset: number, bytes: Buffer, isChecked: boolean): void {
    this.#checkWelcomed()
    this.#receiver.data(offset, bytes, isChecked)
  }

  /**
   * With a keeper, a slow one stops the link. Otherwise the peer sends no more than its window before the reader takes it,
   * and the link goes on: it also brings what the other direction waits for. A peer that sends more stops the link.
   */
  #deliver(bytes: Buffer): void {
    const isTaken = this.stream.push(bytes)
    const most = this.#receiver.needsChecksums ? this.#options.window : 0
    if (isTaken || this.stream.readableLength <= most) return
    this.#isFull = true
    this.#link?.pause()
  }

  #frame(frame: Frame): void {
    const { type, offset } = frame
    if (type === 'ping') return
    if (type !== 'error') this.#checkWelcomed()
    if (type === 'error') this.#failedByPeer(frame)
    else if (type === 'check') this.#receiver.check(offset, factsOf(frame).sha256)
    else if (type === 'ack') this.#confirmed(frame)
    else if (type === 'end') this.#ended(frame)
    else throw fault(`a frame of type ${type} in the middle of a session`)
  }

  #checkWelcomed(): void {
    if (!this.#isWelcomed) throw fault('data before the session has begun')
  }

  #ended(frame: Frame): void {
    const facts = factsOf(frame)
    if (!this.#receiver.end(frame.offset, facts.sha256)) return
    if (this.#needsReceipt) {
      this.#offered = receiptOf(frame, facts)
      if (!this.#offered) {
        this.fail(new TcpPipeError('ERR_SESSION', 'it sent no receipt'))
        return
      }
    }
    this.#takeEnd()
    this.#settle()
  }

  /** Confirms the end of the peer, also when it is repeated. */
  #takeEnd(): void {
    this.#acceptEnd()
    if (this.#isEndAccepted) this.#receiver.confirmations.tell()
  }

  get #needsReceipt(): boolean {
    return this.#options.role === 'dialler' && this.hello.kind === 'transfer'
  }

  /** A receipt waits until our end is confirmed: an earlier run of this side may have sent everything. */
  #acceptEnd(): void {
    if (!this.incoming.isEnded || this.#isEndAccepted) return
    const receipt = this.#offered
    const wrong = receipt && wrongReceipt(receipt, this.outgoing)
    if (wrong) this.fail(new TcpPipeError('ERR_SESSION', wrong))
    if (wrong || (receipt && !this.outgoing.isEndConfirmed)) return
    this.receipt = receipt
    this.#isEndAccepted = true
    this.stream.push(null)
    this.#resume() // the stream reads no more, and the peer still has to confirm our end
  }

  /** A peer that reads nothing gets one confirmation later instead of many. */
  #confirm(): void {
    const link = this.#link
    if (!link || !this.#isWelcomed) return
    this.#owesAck = link.isFull
    if (this.#owesAck) return
    this.#tell(link)
  }

  #tell(link: Link): void {
    const { durable, taken } = this.#receiver.confirmations
    link.confirm(durable, taken, this.#isEndAccepted)
  }

  #confirmed({ offset, payload, flags }: Frame): void {
    if (payload.length !== 8) throw fault('an ack of a wrong length')
    this.outgoing.confirm(offset, Number(payload.readBigUInt64BE()), (flags & frameFlags.ended) !== 0)
    this.drained()
    if (this.#offered && !this.#isEndAccepted) this.#takeEnd()
    this.#settle()
  }

  /** The end of this side is complete when the peer has confirmed it; that of a transfer needs its receipt. */
  #settle(): void {
    if (!this.outgoing.isEndConfirmed) return
    if (this.#finish && (!this.#needsReceipt || this.receipt)) {
      const finish = this.#finish
      this.#finish = undefined
      finish()
    }
    if (this.#isEndAccepted && !this.#isOver) this.#complete(this.#link)
  }

  #complete(link: Link | undefined): void {
    if (link && this.#owesAck) this.#tell(link)
    this.#isOver = true
    this.#link = undefined
    link?.use(undefined)
    link?.resume()
    this.#receiver.over()
    this.#options.over(link)
  }

  #failedByPeer(frame: Frame): void {
    const { message } = errorOf(frame)
    const who = this.#options.role === 'dialler' ? 'the receiver' : 'the sender'
    this.#link?.end()
    this.#link = undefined
    this.fail(new TcpPipeError('ERR_SESSION', `${who} failed: ${message}`))
  }

  /** Fails the session on both sides. */
  fail(error: Error): void {
    this.stream.destroy(error)
  }

  #leave(error: Error): void {
    if (this.#isOver) return
    const link = this.#link
    this.#isOver = true
    this.#link = undefined
    link?.use(undefined)
    link?.send('error', 0, { code: errorCode(error) ?? 'failed', message: errorMessage(error).slice(0, 1000) })
    link?.end()
    this.#receiver.over()
    this.#options.over(undefined)
  }
}

function fault(what: string): TcpPipeError {
  return new TcpPipeError('ERR_SESSION', `the peer sent ${what}`)
}
