/** The direction of a session that goes out: what is sent, what is kept to be sent again, and what the peer has confirmed. */
import { createHash, type Hash } from 'node:crypto'
import { maxPayload } from '../../formats/session-frames.js'
import { TcpPipeError } from '../../text/errors.js'
import type { Carrier } from './carrier.js'
import { Window } from './window.js'

/** Bytes between two checks: what has to be sent again at most when a check fails. */
const mostBetweenChecks = 4 * 1024 * 1024

/** The maximum payload of a `data` frame that is checked as a whole: its receiver waits for all of it. */
const checkedPayload = 64 * 1024

export interface OutgoingOptions {
  /** The number of bytes to keep until the peer has confirmed them. */
  readonly window: number
  /** Calculates a SHA-256 of everything, and sends it in checks and in the end. */
  readonly digest: boolean
  /** Whether the source can be read again: then bytes need not be kept until they are on the disk of the peer. */
  readonly rereadable: boolean
}

/** The SHA-256 of everything before an offset, in hex. */
export interface Mark {
  readonly offset: number
  readonly sha256: string
}

export class Outgoing {
  /** The checksum of each frame covers its payload, as the peer asks. */
  isChecked = true
  /** The number of bytes that the peer holds for a reader who does not read. With a keeper, it needs no limit. */
  peerWindow = Number.POSITIVE_INFINITY
  readonly #options: OutgoingOptions
  readonly #window = new Window()
  readonly #hash: Hash | undefined
  readonly #interval: number
  #marks: Mark[] = []
  /** The offset of the last mark, whether it is still kept or not. */
  #marked = 0
  #length = 0
  #sent = 0
  #confirmed = 0
  #durable = 0
  #end: { readonly facts: object; isSent: boolean } | undefined
  #isEndConfirmed = false
  #skip: Mark | undefined
  /** The data before it has arrived, but perhaps not the check. */
  #lostCheck: Mark | undefined
  #full: (() => void) | undefined

  constructor(options: OutgoingOptions) {
    this.#options = options
    this.#hash = options.digest ? createHash('sha256') : undefined
    this.#interval = Math.max(1, Math.min(mostBetweenChecks, Math.floor(options.window / 4)))
  }

  /** The number of bytes that the source has given. */
  get length(): number {
    return this.#length
  }

  /** The number of bytes that the peer has confirmed. */
  get confirmed(): number {
    return this.#confirmed
  }

  /** The number of bytes that are on the disk of the peer. */
  get durable(): number {
    return this.#durable
  }

  get isEnded(): boolean {
    return this.#end !== undefined
  }

  /** Whether the peer has confirmed the end, and with it everything. */
  get isEndConfirmed(): boolean {
    return this.#isEndConfirmed
  }

  /** The SHA-256 of everything so far, in hex. */
  get sha256(): string | undefined {
    return this.#hash?.copy().digest('hex')
  }

  /**
   * Adds bytes. Calls `done` when there is room for more.
   *
   * @throws `ERR_SESSION` if they are other bytes than those that the peer has got from an earlier run
   */
  append(bytes: Buffer, done: () => void): void {
    for (let at = 0; at < bytes.length; at += this.#interval) this.#add(bytes.subarray(at, at + this.#interval))
    if (this.#window.length < this.#options.window) done()
    else this.#full = done
  }

  #add(bytes: Buffer): void {
    const skipped = this.#skip ? Math.min(bytes.length, this.#skip.offset - this.#length) : 0
    if (skipped > 0) this.#pass(bytes.subarray(0, skipped))
    if (skipped === bytes.length) return
    const rest = bytes.subarray(skipped)
    this.#hash?.update(rest)
    this.#window.append(rest)
    this.#length += rest.length
    if (this.#length - this.#marked >= this.#interval) this.#mark()
  }

  /** The peer has these bytes from an earlier run. */
  #pass(bytes: Buffer): void {
    const { offset, sha256 } = this.#skip as Mark
    this.#hash?.update(bytes)
    this.#length += bytes.length
    if (this.#length < offset) return
    this.#skip = undefined
    if (sha256 !== this.sha256) throw differs(offset)
    this.#mark()
  }

  #mark(): void {
    const { sha256 } = this
    this.#marked = this.#length
    if (sha256) this.#marks.push({ offset: this.#length, sha256 })
  }

  /** Adds the end. `facts` travel with it. */
  end(facts: object): void {
    if (this.#skip) throw differs(this.#length)
    const { sha256 } = this
    this.#end = { facts: { ...(sha256 && { sha256 }), ...facts }, isSent: false }
  }

  /**
   * Continues over a new link, from the offset that the peer has.
   *
   * @param sha256 of everything before the offset, as far as the peer knows it: compared with what is read again
   * @throws `ERR_SESSION` if these bytes are gone
   */
  resume(offset: number, sha256: string | undefined): void {
    if (offset > this.#length && this.#length === 0 && !this.#end && sha256) {
      this.#skip = { offset, sha256 }
      this.#window.moveTo(offset)
    } else if (offset > this.#window.end || offset < this.#window.start) {
      throw gone(offset)
    }
    this.#sent = offset
    this.#lostCheck = this.#marks.find(mark => mark.offset === offset)
    if (this.#end) this.#end.isSent = false
  }

  /** Sends as much as the link takes. */
  pump(link: Carrier): void {
    while (!link.isFull) {
      if (this.#lostCheck) this.#sendLostCheck(link, this.#lostCheck)
      else if (this.#sent < this.#allowed) this.#sendData(link)
      else if (this.#sent === this.#window.end && this.#end && !this.#end.isSent && !this.#skip) {
        this.#end.isSent = true
        link.send('end', this.#length, this.#end.facts)
      } else return
    }
  }

  /** Where sending stops until the peer confirms more. */
  get #allowed(): number {
    const { window } = this.#options
    const most = this.isChecked ? Math.min(window, this.peerWindow) : window
    return Math.min(this.#window.end, this.#window.start + most)
  }

  #sendLostCheck(link: Carrier, { offset, sha256 }: Mark): void {
    this.#lostCheck = undefined
    link.send('check', offset, { sha256 })
  }

  #sendData(link: Carrier): void {
    const mark = this.#marks.find(({ offset }) => offset > this.#sent)
    const most = this.isChecked ? checkedPayload : maxPayload.data
    const to = Math.min(this.#allowed, this.#sent + most, mark?.offset ?? Number.POSITIVE_INFINITY)
    link.sendData(this.#sent, this.#window.slice(this.#sent, to), this.isChecked)
    this.#sent = to
    if (mark?.offset === to) link.send('check', to, { sha256: mark.sha256 })
  }

  /**
   * Takes what the peer confirms: it has written the bytes before `taken`, and those before `durable` are on its disk.
   *
   * @throws `ERR_SESSION` if it confirms what was not sent
   */
  confirm(durable: number, taken: number, hasEnd: boolean): void {
    if (taken > this.#sent || durable > taken)
      throw new TcpPipeError('ERR_SESSION', 'the peer confirmed bytes that were not sent')
    const isEnd = hasEnd && this.#end?.isSent === true // otherwise it is that of an earlier run
    this.#durable = isEnd ? this.#length : Math.max(this.#durable, durable)
    this.#confirmed = isEnd ? this.#length : Math.max(this.#confirmed, taken)
    this.#window.release(this.#options.rereadable ? taken : durable)
    this.#marks = this.#marks.filter(({ offset }) => offset >= this.#window.start)
    this.#isEndConfirmed ||= isEnd
    if (this.#window.length >= this.#options.window) return
    const done = this.#full
    this.#full = undefined
    done?.()
  }
}

/** Whether a sender that can read its source again helps: the peer needs bytes that are not kept any more. */
export function isGone(error: unknown): boolean {
  return error instanceof SessionGap && error.kind === 'gone'
}

/** Whether the peer has other bytes of an earlier run. */
export function isDifferent(error: unknown): boolean {
  return error instanceof SessionGap && error.kind === 'differs'
}

/** The peer has less, or something else, than this side can continue from. */
class SessionGap extends TcpPipeError {
  readonly kind: 'gone' | 'differs'

  constructor(kind: 'gone' | 'differs', message: string) {
    super('ERR_SESSION', message)
    this.kind = kind
  }
}

function gone(offset: number): SessionGap {
  return new SessionGap('gone', `the receiver needs the bytes from ${offset} on, which are not kept any more`)
}

function differs(offset: number): SessionGap {
  return new SessionGap('differs', `digest mismatch: the receiver has other bytes before ${offset}`)
}
