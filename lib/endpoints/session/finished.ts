/** Sessions that are over: a dialler whose last confirmation was lost comes back, and gets it. */
import { timingSafeEqual } from 'node:crypto'
import type { Hello } from './hello.js'
import type { Link } from './link.js'
import type { Session } from './session.js'

/** The number of sessions to remember. */
const most = 1000

/** Milliseconds to wait for the end of a dialler that comes back. */
const patience = 10_000

interface Past {
  readonly secret: Buffer
  readonly received: number
}

export class Finished {
  readonly #past = new Map<string, Past>()

  /** Remembers a session that was successful. That of a transfer is over only when its dialler has everything. */
  add({ hello, received }: Session): void {
    if (hello.kind === 'transfer') return
    this.#past.set(hello.id, { secret: Buffer.from(hello.secret, 'hex'), received })
    const [oldest] = this.#past.keys()
    if (this.#past.size > most) this.#past.delete(oldest as string)
  }

  /** Tells a dialler that comes back that everything has arrived. Returns whether it knows the session. */
  answer(link: Link, { id, secret, again }: Hello): boolean {
    const past = this.#past.get(id)
    if (!past || !again || !timingSafeEqual(past.secret, Buffer.from(secret, 'hex'))) return false
    const { received } = past
    const end = () => link.end()
    const timer = setTimeout(end, patience)
    link.leg.stream.once('close', () => clearTimeout(timer))
    link.use({
      frame({ type }) {
        if (type !== 'end') return
        link.confirm(received, received, true)
        end()
      },
      data: end,
    })
    link.send('welcome', received, { checked: true, window: 1 })
    return true
  }
}
