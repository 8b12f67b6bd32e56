/** The listener of sessions: meets each link, and gives it to the session that its hello names. */
import { timingSafeEqual } from 'node:crypto'
import type { Frame } from '../../formats/session-frames.js'
import { attempt, errorMessage, TcpPipeError } from '../../text/errors.js'
import { formatDuration } from '../../text/quantities.js'
import { type Arrival, defaultTimes, type HandshakeOptions, type Leg, type Listener } from '../endpoint.js'
import { meetDialler } from './handshake.js'
import { type Hello, helloOf } from './hello.js'
import { Link } from './link.js'
import { type ListenSession, sessionDefaults } from './options.js'
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
    const { remote, port, refuse } = arrival
    return { remote, port, refuse, open: options => this.#meet(arrival, options) }
  }

  async #meet(arrival: Arrival, options: HandshakeOptions = {}): Promise<Leg | undefined> {
    const started = performance.now()
    const { handshakeTimeout = defaultTimes.handshake } = options
    const leg = await arrival.open({ handshakeTimeout }) // a server that stops still serves those who come back
    if (!leg) return undefined
    await meetDialler(leg, { timeout: handshakeTimeout, signal: this.#ending.signal })
    const link = new Link(leg, this.#options.linkTimeout ?? sessionDefaults.linkTimeout)
    this.#links.set(link, new Set())
    leg.stream.once('close', () => this.#unlink(link))
    const left = handshakeTimeout === 0 ? 0 : Math.max(1, handshakeTimeout - (performance.now() - started))
    return this.#claim(link, await this.#hello(link, left))
  }

  #unlink(link: Link): void {
    this.#links.delete(link)
    this.#closeIfIdle()
  }

  /** Waits for the hello of the next session. */
  #hello(link: Link, timeout: number): Promise<Hello> {
    const { signal } = this.#ending
    return new Promise((resolve, reject) => {
      const late = () => link.drop(fault(`the client sent no hello within ${formatDuration(timeout)}`))
      const timer = timeout > 0 ? setTimeout(late, timeout) : undefined
      const abort = () => link.drop(signal.reason)
      const stop = () => {
        clearTimeout(timer)
        signal.removeEventListener('abort', abort)
      }
      link.use({
        frame(frame: Frame) {
          if (frame.type === 'ping') return
          if (frame.type !== 'hello') throw fault(`the client sent a frame of type ${frame.type}; expected hello`)
          const hello = helloOf(frame)
          stop()
          resolve(hello)
          link.use({ frame: early, data: early, drained() {}, lost() {} }) // until the session has it
        },
        data: early,
        drained() {},
        lost(error) {
          stop()
          reject(error)
        },
      })
      signal.addEventListener('abort', abort)
      if (signal.aborted) abort()
    })
  }

  /** Gives the link to its session. Returns the leg of a new session. */
  async #claim(link: Link, hello: Hello): Promise<Leg | undefined> {
    const known = this.#open.get(hello.id)
    if (known && !timingSafeEqual(known.secret, Buffer.from(hello.secret, 'hex')))
      return this.#refuse(link, 'the session belongs to another client')
    if (known && !hello.restart) {
      clearTimeout(known.timer)
      void known.session.welcome(link, hello)
      return undefined
    }
    if (known) await this.#replace(known.session)
    if (this.#closing && !this.#isKnownGroup(hello.group))
      return this.#refuse(link, 'the server accepts no further transfers')
    if (hello.again && hello.kind === 'tunnel')
      return this.#refuse(link, 'the session is unknown; the server was started again, or has given it up')
    if (link.isOver) return undefined
    return this.#begin(link, hello)
  }

  #refuse(link: Link, message: string): never {
    link.use(undefined)
    link.send('error', 0, { code: 'refused', message })
    link.end()
    throw fault(`refused: ${message}`)
  }

  async #replace(session: Session): Promise<void> {
    const { stream } = session
    const closed = new Promise(resolve => stream.once('close', resolve))
    session.fail(fault('the sender begins anew'))
    if (!stream.closed) await closed
  }

  #isKnownGroup(group: string): boolean {
    return [...this.#links.values()].some(groups => groups.has(group))
  }

  #begin(link: Link, hello: Hello): Leg {
    const { giveUpAfter = sessionDefaults.giveUpAfter, window = sessionDefaults.window[hello.kind] } = this.#options
    const session = new Session({
      role: 'listener',
      hello,
      window,
      lost: error => {
        const words = `the client did not come back within ${formatDuration(giveUpAfter)}`
        const fail = () => session.fail(fault(`${words}: ${errorMessage(error)}`))
        entry.timer = setTimeout(fail, giveUpAfter)
      },
      over: free => {
        clearTimeout(entry.timer)
        if (this.#open.get(hello.id) === entry) this.#open.delete(hello.id)
        if (free) this.#next(free)
        this.#closeIfIdle()
      },
    })
    const entry: Entry = { session, secret: Buffer.from(hello.secret, 'hex') }
    this.#open.set(hello.id, entry)
    this.#links.get(link)?.add(hello.group)
    void session.welcome(link, hello)
    return sessionLeg(session, link.leg)
  }

  /** A link that is left over waits for the next session of its client. */
  #next(link: Link): void {
    if (link.isOver) return
    const { remote, port } = link.leg
    this.#hello(link, sessionDefaults.linkTimeout).then(
      hello =>
        this.#arrive({
          remote,
          port,
          open: () => this.#claim(link, hello),
          refuse: error =>
            attempt(
              () => this.#refuse(link, errorMessage(error)),
              () => {},
            ),
        }),
      () => {}, // the client has no further session
    )
  }

  /** Stops listening when no session and no link is left: until then, a session can come back. */
  async close(closeListener: () => Promise<void>): Promise<void> {
    await new Promise<void>(resolve => {
      this.#closing = resolve
      this.#closeIfIdle()
    })
    await closeListener()
  }

  /** The clients whose last session is over may have another one of the same group. */
  #closeIfIdle(): void {
    if (!this.#closing || this.#open.size > 0) return
    if (this.#links.size === 0) {
      this.#closed()
      return
    }
    const end = () => {
      if (this.#open.size === 0) this.#ending.abort(fault('the server has stopped'))
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

/** Milliseconds that a server which stops waits for the next session of a client. */
const graceTime = 2000

function early(): void {
  throw fault('the client sent data before its session has begun')
}

function fault(message: string): TcpPipeError {
  return new TcpPipeError('ERR_SESSION', message)
}
