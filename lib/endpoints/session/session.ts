/**
 * A session: a stream in both directions over one link after another. Each side keeps what the other one has not confirmed,
 * and sends it again over the next link. `docs/protocol.md` documents the frames and the states.
 */
import type { Duplex } from 'node:stream'
import { errorCode, errorMessage, toError } from '../../text/errors.js'
import { Attachment } from './attachment.js'
import { Ending } from './ending.js'
import type { Hello, Receipt, Welcome } from './hello.js'
import type { Incoming } from './incoming.js'
import type { Keeper } from './keeper.js'
import type { Link } from './link.js'
import { Outgoing } from './outgoing.js'
import { PeerFrames } from './peer-frames.js'
import { Receiver } from './receiver.js'
import { sessionStream } from './session-stream.js'

/** The dialler of a transfer sends it. */
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

export class Session {
  readonly stream: Duplex
  readonly hello: Hello
  readonly outgoing: Outgoing
  onDurable: ((bytes: number) => void) | undefined
  readonly #options: SessionOptions
  readonly #receiver: Receiver
  readonly #ending: Ending
  readonly #frames: PeerFrames
  readonly #attachment = new Attachment()
  #isOver = false

  constructor(options: SessionOptions) {
    const { role, hello, window } = options
    this.hello = hello
    this.#options = options
    const isTransfer = hello.kind === 'transfer'
    const isDialler = role === 'dialler'
    const rereadable = isDialler && hello.rereadable
    this.outgoing = new Outgoing({ window, digest: isTransfer && isDialler, rereadable })
    if (!isDialler) this.outgoing.peerWindow = hello.window
    this.#receiver = new Receiver({
      digest: isTransfer && !isDialler,
      window: isDialler ? window : Math.min(window, hello.window),
      isRereadable: !isDialler && hello.rereadable,
      deliver: bytes => this.#deliver(bytes),
      waiting: () => this.stream.readableLength,
      confirm: () => this.#attachment.confirm(this.#tell),
      breakLink: error => this.#attachment.link?.drop(error),
      fail: error => this.fail(error),
    })
    this.#ending = new Ending({ hello, incoming: this.incoming, outgoing: this.outgoing }, isDialler)
    this.#frames = new PeerFrames({
      ...{ attachment: this.#attachment, receiver: this.#receiver, outgoing: this.outgoing, ending: this.#ending },
      peer: isDialler ? 'the receiver' : 'the sender',
      confirmed: () => this.#confirmed(),
      ended: () => this.#ended(),
      drained: () => this.#send(),
      lost: error => options.lost(error),
      fail: error => this.fail(error),
    })
    this.stream = sessionStream({
      read: () => {
        this.begin()
        this.#attachment.resume()
      },
      taken: () => this.#receiver.confirmations.received(),
      write: (chunk, done) => this.#attempt(() => this.outgoing.append(chunk, done), done),
      final: done => this.#final(done),
      leave: error => this.#leave(error),
    })
  }

  get incoming(): Incoming {
    return this.#receiver.incoming
  }

  get received(): number {
    return this.incoming.received
  }

  get isEnded(): boolean {
    return this.incoming.isEnded
  }

  get sha256(): string | undefined {
    return this.incoming.sha256
  }

  get receipt(): Receipt | undefined {
    return this.#ending.receipt
  }

  get reconnects(): number {
    return this.#attachment.reconnects
  }

  set reconnects(count: number) {
    this.#attachment.reconnects = count
  }

  get hadLink(): boolean {
    return this.#attachment.hadLink
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
    this.#ending.confirmWritten(facts)
  }

  /** For a listener: continues over a link, the newest one. */
  async welcome(link: Link, hello: Hello): Promise<void> {
    this.#attachment.attach(link, this.#frames)
    if (this.hello.kind === 'tunnel') this.begin()
    await this.#receiver.ready()
    if (this.#attachment.link !== link || this.#isOver) return
    try {
      this.outgoing.resume(hello.received, undefined)
    } catch (error) {
      this.fail(toError(error))
      return
    }
    const { sha256, received } = this.incoming
    const [checked, window] = [this.#receiver.needsChecksums, this.#options.window]
    link.send('welcome', received, { ...(sha256 && { sha256 }), checked, window } satisfies Welcome)
    this.#start()
  }

  /** For a dialler: continues over a link, as the listener says. Throws `ERR_SESSION` if it cannot. */
  welcomed(link: Link, received: number, { sha256, checked, window }: Welcome): void {
    this.outgoing.isChecked = checked
    this.outgoing.peerWindow = window
    this.#receiver.confirmations.window = Math.min(window, this.#options.window)
    this.outgoing.resume(received, sha256)
    this.#attachment.attach(link, this.#frames)
    this.#start()
  }

  #start(): void {
    this.#attachment.begin()
    this.#receiver.confirmations.tell()
    this.#send()
  }

  #send(): void {
    const link = this.#attachment.ready
    if (!link) return
    this.#attachment.confirmLate(this.#tell)
    this.outgoing.pump(link)
  }

  #final(done: (error?: Error | null) => void): void {
    this.#ending.whenComplete(done)
    this.#attempt(() => this.outgoing.end(this.#ending.facts()), done)
  }

  /** What the user of the stream does wrong, or what the peer has of an earlier run, fails the stream. */
  #attempt(work: () => void, done: (error: Error) => void): void {
    try {
      work()
    } catch (error) {
      done(toError(error))
      return
    }
    this.#send()
    this.#settle()
  }

  /**
   * With a keeper, a slow one stops the link. Otherwise the peer sends no more than its window before the reader takes it,
   * and the link goes on: it also brings what the other direction waits for. A peer that sends more stops the link.
   */
  #deliver(bytes: Buffer): void {
    const isTaken = this.stream.push(bytes)
    const most = this.#receiver.needsChecksums ? this.#options.window : 0
    if (!isTaken && this.stream.readableLength > most) this.#attachment.pause()
  }

  /** Confirms the end of the peer, also when it is repeated. */
  #ended(): void {
    if (this.#ending.accept()) {
      this.stream.push(null)
      this.#attachment.resume() // the stream reads no more, and the peer still has to confirm our end
    }
    if (this.#ending.isAccepted) this.#receiver.confirmations.tell()
    this.#settle()
  }

  #confirmed(): void {
    this.onDurable?.(this.outgoing.durable)
    this.#send()
    if (this.#ending.isOffered) this.#ended()
    else this.#settle()
  }

  readonly #tell = (link: Link): void => {
    const { durable, taken } = this.#receiver.confirmations
    link.confirm(durable, taken, this.#ending.isAccepted)
  }

  #settle(): void {
    if (this.#ending.settle() && !this.#isOver) this.#complete()
  }

  #complete(): void {
    this.#attachment.confirmLate(this.#tell)
    const link = this.#attachment.leave()
    link?.resume()
    this.#over(link)
  }

  #over(link: Link | undefined): void {
    this.#isOver = true
    this.#receiver.over()
    this.#options.over(link)
  }

  /** For a listener: its dialler does not come back. If only the proof that it has the receipt is missing, all is well. */
  giveUp(error: Error): void {
    if (this.#ending.conclude()) this.#complete()
    else this.fail(error)
  }

  /** Fails the session on both sides. */
  fail(error: Error): void {
    this.stream.destroy(error)
  }

  #leave(error: Error): void {
    if (this.#isOver) return
    const link = this.#attachment.leave()
    link?.send('error', 0, { code: errorCode(error) ?? 'failed', message: errorMessage(error).slice(0, 1000) })
    link?.end()
    this.#over(undefined)
  }
}
