/** The link that a session has now, if any: the newest one. */
import { TcpPipeError } from '../../text/errors.js'
import type { Link, LinkUser } from './link.js'

export class Attachment {
  /** The number of links after the first one. */
  reconnects = 0
  #link: Link | undefined
  #hasBegun = false
  #hadLink = false
  #isFull = false
  #owesAck = false

  get link(): Link | undefined {
    return this.#link
  }

  /** The link, if both sides know where to go on. */
  get ready(): Link | undefined {
    return this.#hasBegun ? this.#link : undefined
  }

  /** Whether there was a link before. */
  get hadLink(): boolean {
    return this.#hadLink
  }

  /** Replaces the link. */
  attach(link: Link, user: LinkUser): void {
    const old = this.leave()
    this.#link = link
    old?.drop(new TcpPipeError('ERR_SESSION', 'another link has replaced this one'))
    if (this.#hadLink) this.reconnects++
    this.#hadLink = true
    link.use(user)
  }

  /** Both sides know where to go on. */
  begin(): void {
    this.#hasBegun = true
    if (this.#isFull) this.#link?.pause()
  }

  /** The link is lost. */
  lose(): void {
    this.#link = undefined
    this.#hasBegun = false
  }

  /** Gives the link away. */
  leave(): Link | undefined {
    const link = this.#link
    link?.use(undefined)
    this.lose()
    return link
  }

  /** Reads nothing from this link and the next ones until `resume`. */
  pause(): void {
    this.#isFull = true
    this.#link?.pause()
  }

  resume(): void {
    this.#isFull = false
    this.#link?.resume()
  }

  /** Confirms, unless the peer reads nothing: it gets one confirmation later instead of many. */
  confirm(tell: (link: Link) => void): void {
    const { ready } = this
    if (!ready) return
    this.#owesAck = ready.isFull
    if (!this.#owesAck) tell(ready)
  }

  /** Makes up for a confirmation. */
  confirmLate(tell: (link: Link) => void): void {
    if (!this.#owesAck || !this.ready) return
    this.#owesAck = false
    tell(this.ready)
  }
}
