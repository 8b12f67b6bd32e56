/** What the peer of a session sends over its link. */
import { type Frame, frameFlags, peerFault } from '../../formats/session-frames.js'
import { TcpPipeError, toError } from '../../text/errors.js'
import type { Attachment } from './attachment.js'
import type { Ending } from './ending.js'
import { errorOf, factsOf } from './hello.js'
import type { LinkUser } from './link.js'
import type { Outgoing } from './outgoing.js'
import type { Receiver } from './receiver.js'

export interface PeerParts {
  readonly attachment: Attachment
  readonly receiver: Receiver
  readonly outgoing: Outgoing
  readonly ending: Ending
  /** What the peer is called in errors. */
  readonly peer: string
  /** The peer has confirmed something. */
  confirmed(): void
  /** The peer has ended, and everything before its end is right. */
  ended(): void
  /** The link takes more. */
  drained(): void
  /** The link is lost. */
  lost(error: Error): void
  fail(error: Error): void
}

/** The peer has failed the session. */
export class PeerFailure extends TcpPipeError {}

export class PeerFrames implements LinkUser {
  readonly #parts: PeerParts

  constructor(parts: PeerParts) {
    this.#parts = parts
  }

  data(offset: number, bytes: Buffer, isChecked: boolean): void {
    this.#guard(() => {
      this.#checkBegun()
      this.#parts.receiver.data(offset, bytes, isChecked)
    })
  }

  frame(frame: Frame): void {
    if (frame.type !== 'ping') this.#guard(() => this.#take(frame))
  }

  drained(): void {
    this.#parts.drained()
  }

  lost(error: Error): void {
    this.#parts.attachment.lose()
    this.#parts.lost(error)
  }

  /** What passed its checksum and is wrong all the same is no accident: it fails the session. */
  #guard(work: () => void): void {
    try {
      work()
    } catch (error) {
      this.#parts.fail(toError(error))
    }
  }

  #take(frame: Frame): void {
    const { type, offset } = frame
    if (type !== 'error') this.#checkBegun()
    if (type === 'error') this.#failed(frame)
    else if (type === 'check') this.#parts.receiver.check(offset, factsOf(frame).sha256)
    else if (type === 'ack') this.#confirm(frame)
    else if (type === 'end') this.#end(frame)
    else throw peerFault(`a frame of type ${type} in the middle of a session`)
  }

  #checkBegun(): void {
    if (!this.#parts.attachment.ready) throw peerFault('data before the session has begun')
  }

  #confirm({ offset, payload, flags }: Frame): void {
    if (payload.length !== 8) throw peerFault('an ack of a wrong length')
    const isEnd = (flags & frameFlags.ended) !== 0
    this.#parts.outgoing.confirm(offset, Number(payload.readBigUInt64BE()), isEnd)
    this.#parts.confirmed()
  }

  #end(frame: Frame): void {
    const { receiver, ending } = this.#parts
    if (!receiver.end(frame.offset, factsOf(frame).sha256)) return
    ending.take(frame)
    this.#parts.ended()
  }

  #failed(frame: Frame): void {
    const { attachment, peer, fail } = this.#parts
    const { message } = errorOf(frame)
    attachment.leave()?.end()
    fail(new PeerFailure('ERR_SESSION', `${peer} failed: ${message}`))
  }
}
