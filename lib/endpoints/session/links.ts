/** Links that serve no session now. The next session of the same call takes one, instead of connecting again. */
import type { Frame } from '../../formats/session-frames.js'
import { TcpPipeError } from '../../text/errors.js'
import { newSecret } from './identity.js'
import type { Link } from './link.js'
import type { TransferLinks } from './options.js'

export class Links implements TransferLinks {
  /** Tells the listener which sessions belong together. */
  readonly group = newSecret()
  /** Whether a session has had a link: the listener is the right one, and may only be away. */
  hasMet = false
  readonly #free = new Set<Link>()

  /** Keeps a link for the next session. */
  give(link: Link): void {
    if (link.isOver) return
    this.#free.add(link)
    const forget = () => void this.#free.delete(link)
    const unexpected = () => link.drop(new TcpPipeError('ERR_SESSION', 'the peer sent data between two sessions'))
    link.use({
      frame: frame => void (isLeftOver(frame) || unexpected()),
      data: unexpected,
      lost: forget,
    })
  }

  take(): Link | undefined {
    const [link] = this.#free
    if (link) this.#free.delete(link)
    return link
  }

  /** Ends all links. What has no further session calls it. */
  end(): void {
    for (const link of this.#free) link.end()
    this.#free.clear()
  }
}

/** Whether a frame says nothing between two sessions: a sign of life, or a confirmation of the session before. */
export function isLeftOver({ type }: Frame): boolean {
  return type === 'ping' || type === 'ack'
}

/** Returns connections that several transfers use one after the other, as `links`. Their owner ends them. */
export function transferLinks(): TransferLinks {
  return new Links()
}
