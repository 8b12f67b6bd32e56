/** The listener of sessions: meets each link, and gives it to the session that its hello names. */
import { timingSafeEqual } from 'node:crypto'
import { once } from 'node:events'
import { setImmediate } from 'node:timers/promises'
import { attempt, errorMessage } from '../../text/errors.js'
import { formatDuration } from '../../text/quantities.js'
import { type Arrival, defaultTimes, type HandshakeOptions, type Leg, type Listener } from '../endpoint.js'
import { ExpectedGroups, graceTime } from './expected-groups.js'
import { Finished } from './finished.js'
import { meetDialler } from './handshake.js'
import type { Hello } from './hello.js'
import { Link, LinkEnd } from './link.js'
import { nextHello, refuse, sessionFault } from './next-hello.js'
import { type ListenSession, sessionDefaults } from './options.js'
import { PeerFailure } from './peer-frames.js'
import { Session } from './session.js'
import { sessionLeg } from './session-leg.js'

type Arrive = (arrival: Arrival) => void

/** Listens for sessions. `listen` listens for their links. */
export async function listenForSessions(
  listen: (arrive: Arrive) => Promise<Listener>,
  arrive: Arrive,
  options: ListenSession = {},
): Promise<Listener> {
  const sessions = new Sessions(arrive, options)
  const listener = await listen(arrival => arrive(sessions.arrivalOf(arrival)))
  return {
    bound: listener.bound,
    close: () => sessions.close(() => listener.close()),
  }
}

/** A session, and who may continue it. */
interface Entry {
  readonly session: Session
  readonly secret: Buffer
  timer?: NodeJS.Timeout | undefined
}

class Sessions {
  readonly #arrive: Arrive
  readonly #options: ListenSession
  readonly #open = new Map<string, Entry>()
  /** The links that are open, and the groups whose sessions they serve. */
  readonly #links = new Map<Link, Set<string>>()
  readonly #finished = new Finished()
  readonly #groups = new ExpectedGroups(() => this.#closeIfIdle())
  /** The number of clients who may only come back, and have not said to which session. */
  #returning = 0
  #closing: (() => void) | undefined
  #grace: NodeJS.Timeout | undefined
  /** Aborts the links that serve no session. */
  readonly #ending = new AbortController()

  constructor(arrive: Arrive, options: ListenSession) {
    this.#arrive = arrive
    this.#options = options
  }

  /** A client: its leg is that of the session that it begins. Undefined if it continues one. */
  arrivalOf(arrival: Arrival): Arrival {
    const { remote, port, hold, refuse } = arrival
    return {
      ...{ remote, port, ...(hold && { hold }), refuse },
      open: options => this.#meet(arrival, (link, hello) => this.#claim(link, hello), options),
      reopen: options => this.#reopen(arrival, options),
    }
  }

  /** Each session has room for one client who comes back, so that nobody can fill the server with them. */
  #reopen(arrival: Arrival, options: HandshakeOptions): Promise<boolean | undefined> | undefined {
    if (this.#returning >= this.#open.size) return undefined
    this.#returning++
    return this.#meet(arrival, (link, hello) => this.#comeBack(link, hello), options)
      .catch(() => false)
      .finally(() => this.#returning--)
  }

  #comeBack(link: Link, hello: Hello): boolean {
    return this.#continue(link, hello) || refuse(link, 'the server has no room for another client')
  }

  async #meet<T>(
    arrival: Arrival,
    claim: (link: Link, hello: Hello) => T | Promise<T>,
    { handshakeTimeout = defaultTimes.handshake }: HandshakeOptions = {},
  ): Promise<T | undefined> {
    const since = performance.now()
    const { signal } = this.#ending // a server that stops still serves those who come back
    const leg = await arrival.open({ handshakeTimeout, signal })
    if (!leg) return undefined
    await meetDialler(leg, { timeout: handshakeTimeout, signal })
    const link = new Link(leg, this.#options.linkTimeout ?? sessionDefaults.linkTimeout)
    this.#links.set(link, new Set())
    leg.stream.once('close', () => this.#unlink(link))
    return claim(link, await nextHello(link, { timeout: handshakeTimeout, since, signal }))
  }

  #unlink(link: Link): void {
    this.#links.delete(link)
    this.#closeIfIdle()
  }

  /** Gives the link to its session. Returns the leg of a new session. */
  async #claim(link: Link, hello: Hello): Promise<Leg | undefined> {
    if (this.#continue(link, hello)) return undefined
    for (let known = this.#open.get(hello.id); known; known = this.#open.get(hello.id))
      await this.#replace(known.session)
    if (this.#closing && !this.#isKnownGroup(hello.group)) refuse(link, 'the server accepts no further transfers')
    if (hello.again && hello.kind === 'tunnel')
      refuse(link, 'the session is unknown; the server was started again, or has given it up')
    if (link.isOver) return undefined
    return this.#begin(link, hello)
  }

  /** Gives the link to the session that it continues, if there is one. */
  #continue(link: Link, hello: Hello): boolean {
    const known = this.#open.get(hello.id)
    if (!known) return this.#finished.answer(link, hello)
    if (!timingSafeEqual(known.secret, Buffer.from(hello.secret, 'hex')))
      refuse(link, 'the session belongs to another client')
    if (hello.restart) return false
    clearTimeout(known.timer)
    void known.session.welcome(link, hello)
    return true
  }

  async #replace(session: Session): Promise<void> {
    const { stream } = session
    const closed = new Promise(resolve => stream.once('close', resolve))
    session.fail(sessionFault('the sender begins anew'))
    await closed
  }

  #isKnownGroup(group: string): boolean {
    if (this.#groups.isExpected(group)) return true
    const isOpen = [...this.#open.values()].some(({ session }) => session.hello.group === group)
    return isOpen || [...this.#links.values()].some(groups => groups.has(group))
  }

  /** Until it stops, a server takes the sessions of everybody. */
  #expect(group: string): void {
    if (this.#closing) this.#groups.expect(group)
  }

  #begin(link: Link, hello: Hello): Leg {
    const { giveUpAfter = sessionDefaults.giveUpAfter, window = sessionDefaults.window[hello.kind] } = this.#options
    clearTimeout(this.#grace)
    this.#grace = undefined
    const session = new Session({
      role: 'listener',
      hello,
      window,
      lost: error => {
        const words = `the client did not come back within ${formatDuration(giveUpAfter)}`
        const giveUp = () => session.giveUp(sessionFault(`${words}: ${errorMessage(error)}`))
        entry.timer = setTimeout(giveUp, giveUpAfter)
      },
      over: free => {
        clearTimeout(entry.timer)
        if (this.#open.get(hello.id) === entry) this.#open.delete(hello.id)
        if (!session.stream.destroyed) this.#finished.add(session)
        if (free) void this.#next(free, session)
        else if (session.stream.errored instanceof PeerFailure) this.#expect(hello.group)
        this.#closeIfIdle()
      },
    })
    const entry: Entry = { session, secret: Buffer.from(hello.secret, 'hex') }
    this.#open.set(hello.id, entry)
    this.#links.get(link)?.add(hello.group)
    void session.welcome(link, hello)
    return sessionLeg(session, link.leg)
  }

  /** A link that is left over waits for the next session of its client, which takes the room of the one before. */
  async #next(link: Link, { stream, hello: { group } }: Session): Promise<void> {
    const { remote, port } = link.leg
    const lost = (error: Error) => {
      if (!(error instanceof LinkEnd) && !this.#ending.signal.aborted) this.#expect(group)
    }
    const terms = { timeout: sessionDefaults.linkTimeout, signal: this.#ending.signal, lost }
    const hello = await nextHello(link, terms).catch(() => undefined) // the client has no further session
    if (!hello) return
    if (!stream.closed) await once(stream, 'close')
    await setImmediate() // the connection is over now
    const tell = (error: Error) =>
      attempt(
        () => refuse(link, errorMessage(error)),
        () => {},
      )
    this.#arrive({ remote, port, open: () => this.#claim(link, hello), refuse: tell })
  }

  /** Stops listening when no session and no link is left: until then, a session can come back. */
  async close(closeListener: () => Promise<void>): Promise<void> {
    await new Promise<void>(resolve => {
      this.#closing = resolve
      this.#closeIfIdle()
    })
    this.#ending.abort(sessionFault('the server has stopped'))
    await closeListener()
  }

  /** The clients whose last session is over may have another one of the same group. */
  #closeIfIdle(): void {
    if (!this.#closing || this.#open.size > 0 || this.#groups.areExpected) return
    if (this.#links.size === 0) {
      this.#closed()
      return
    }
    const end = () => {
      if (this.#open.size === 0) this.#ending.abort(sessionFault('the server has stopped'))
    }
    const isNext = [...this.#links.values()].some(groups => groups.size > 0)
    if (isNext) this.#grace ??= setTimeout(end, graceTime)
    else end()
  }

  #closed(): void {
    clearTimeout(this.#grace)
    this.#closing?.()
  }
}
