/** A link: one connection that carries the frames of a session, until it breaks. */
import {
  encodeDataHeader,
  encodeFrame,
  type Frame,
  FrameReader,
  type FrameType,
  frameFlags,
} from '../../formats/session-frames.js'
import { TcpPipeError, toError } from '../../text/errors.js'
import { formatDuration } from '../../text/quantities.js'
import type { Leg } from '../endpoint.js'
import type { Carrier } from './carrier.js'

/** Who uses a link: a session, or the listener between two sessions. */
export interface LinkUser {
  frame(frame: Frame): void
  data(offset: number, bytes: Buffer, isChecked: boolean): void
  /** Called when the link takes data again. */
  drained?(): void
  /** Called once, when the link is over. */
  lost?(error: Error): void
}

/** The number of heartbeats in the time after which a silent link is given up. */
const beats = 3

export class Link implements Carrier {
  readonly leg: Leg
  /** Milliseconds of silence after which the link is over. */
  readonly #timeout: number
  readonly #reader: FrameReader
  readonly #timer: NodeJS.Timeout | undefined
  #user: LinkUser | undefined
  #isOver = false
  #isPaused = false
  #heard = 0
  #silentBeats = 0
  #hasSent = false

  /** The preface of the peer has been read. */
  constructor(leg: Leg, timeout: number) {
    this.leg = leg
    this.#timeout = timeout
    this.#reader = new FrameReader({
      frame: frame => this.#frame(frame),
      data: (offset, bytes, isChecked) => this.#user?.data(offset, bytes, isChecked),
    })
    this.#timer = timeout > 0 ? setInterval(() => this.#beat(), timeout / beats) : undefined
    const { stream } = leg
    stream.on('data', chunk => this.#read(chunk))
    stream.on('drain', () => this.#user?.drained?.())
    stream.on('end', () => this.drop(new LinkEnd('ERR_SESSION', 'the peer closed the link')))
    stream.on('error', error => this.drop(error))
    stream.on('close', () => this.drop(linkError('the link was closed')))
    stream.resume() // in the next tick: the link has a user by then
  }

  get isOver(): boolean {
    return this.#isOver
  }

  get isFull(): boolean {
    const { stream } = this.leg
    return this.#isOver || stream.writableNeedDrain || stream.destroyed
  }

  /** Gives the link to a user, who hears of all that follows. */
  use(user: LinkUser | undefined): void {
    this.#user = user
  }

  #read(chunk: Buffer): void {
    this.#heard++
    try {
      this.#reader.push(chunk, () => !this.#isOver)
    } catch (error) {
      this.drop(toError(error))
    }
  }

  #frame(frame: Frame): void {
    if (frame.type === 'ping' && frame.flags === frameFlags.asked && !this.isFull) this.#write(encodeFrame('ping'))
    this.#user?.frame(frame)
  }

  sendData(offset: number, parts: readonly Buffer[], isChecked: boolean): void {
    const { stream } = this.leg
    stream.cork()
    stream.write(encodeDataHeader(offset, parts, isChecked))
    for (const part of parts) stream.write(part)
    stream.uncork()
    this.#hasSent = true
  }

  send(type: Exclude<FrameType, 'data' | 'ack'>, offset = 0, facts?: object): void {
    this.#write(encodeFrame(type, offset, facts && Buffer.from(JSON.stringify(facts))))
  }

  /** Confirms what is on the disk, what is written, and the end. */
  confirm(durable: number, taken: number, isEnd: boolean): void {
    const payload = Buffer.alloc(8)
    payload.writeBigUInt64BE(BigInt(taken))
    this.#write(encodeFrame('ack', durable, payload, isEnd ? frameFlags.ended : 0))
  }

  #write(bytes: Buffer): void {
    const { stream } = this.leg
    if (this.#isOver || stream.destroyed || stream.writableEnded) return
    stream.write(bytes)
    this.#hasSent = true
  }

  /** Reads no more until `resume`. */
  pause(): void {
    this.#isPaused = true
    this.leg.stream.pause()
  }

  resume(): void {
    if (!this.#isPaused) return
    this.#isPaused = false
    this.#silentBeats = 0
    this.leg.stream.resume()
  }

  /**
   * A peer that reads slowly hears of us all the same, and we do not blame it while we read nothing. A silent one is asked
   * for an answer, because its own timeout may be longer.
   */
  #beat(): void {
    const isSilent = this.#heard === 0 && !this.#isPaused
    if ((isSilent || !this.#hasSent) && !this.isFull)
      this.#write(encodeFrame('ping', 0, undefined, isSilent ? frameFlags.asked : 0))
    this.#silentBeats = isSilent ? this.#silentBeats + 1 : 0
    this.#hasSent = false
    this.#heard = 0
    if (this.#silentBeats >= beats) this.drop(linkError(`no sign of life for ${formatDuration(this.#timeout)}`))
  }

  /** Ends the link: what was sent still arrives. */
  end(): void {
    const { stream } = this.leg
    if (this.#isOver) return
    this.#leave()
    this.#isPaused = false
    stream.end()
    stream.resume()
    const timer = setTimeout(() => stream.destroy(), closeTime)
    stream.once('close', () => clearTimeout(timer))
  }

  /** Breaks the link. */
  drop(error: Error): void {
    if (this.#isOver) return
    const user = this.#user
    this.#leave()
    this.leg.reset(error)
    user?.lost?.(error)
  }

  #leave(): void {
    this.#isOver = true
    this.#user = undefined
    clearInterval(this.#timer)
  }
}

/** Milliseconds to wait for the peer to close a link that we have ended. */
const closeTime = 1000

function linkError(message: string): TcpPipeError {
  return new TcpPipeError('ERR_SESSION', message)
}

/** The peer has ended a link that it needs no more. */
export class LinkEnd extends TcpPipeError {}
