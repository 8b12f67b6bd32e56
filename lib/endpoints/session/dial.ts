/** The dialler of a session: connects, and connects again when the link is lost, until it gives up. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Frame } from '../../formats/session-frames.js'
import { abortError, errorMessage, TcpPipeError, toError } from '../../text/errors.js'
import { formatDuration } from '../../text/quantities.js'
import { type DialOptions, defaultTimes, type Leg } from '../endpoint.js'
import { growing } from '../retry.js'
import { meetListener } from './handshake.js'
import { errorOf, type Hello, type SessionKind, welcomeOf } from './hello.js'
import { newSecret } from './identity.js'
import { Link } from './link.js'
import { isLeftOver, Links } from './links.js'
import { type DialSession, sessionDefaults } from './options.js'
import { Session } from './session.js'
import { sessionLeg } from './session-leg.js'

type Connect = (signal: AbortSignal) => Promise<Leg>

/** Opens a session. `connect` connects once, without retries. Rejects if the first link cannot be opened. */
export async function dialSession(connect: Connect, given: DialSession, options: DialOptions): Promise<Leg> {
  return new DialledSession(connect, given, options).open()
}

class DialledSession {
  readonly #connect: Connect
  readonly #given: DialSession
  readonly #options: DialOptions
  readonly #links: Links
  readonly #session: Session
  readonly #over = new AbortController()
  readonly #linkTimeout: number
  readonly #giveUpAfter: number
  #peer: Leg | undefined
  /** The attempts to connect again since the last progress, and when they end. */
  #attempts = 0
  #until = 0
  #progress = -1
  /** When the newest link has begun. */
  #since = 0

  constructor(connect: Connect, given: DialSession, options: DialOptions) {
    const { kind = 'transfer', linkTimeout, giveUpAfter } = given
    this.#connect = connect
    this.#given = given
    this.#options = options
    this.#links = (given.links as Links | undefined) ?? new Links()
    this.#linkTimeout = linkTimeout ?? sessionDefaults.linkTimeout
    this.#giveUpAfter = giveUpAfter ?? sessionDefaults.giveUpAfter
    const window = given.window ?? sessionDefaults.window[kind]
    this.#session = new Session({
      role: 'dialler',
      hello: helloFor({ ...given, group: given.group ?? this.#links.group }, kind, window),
      window,
      lost: error => void this.#reconnect(error),
      over: link => this.#ended(link),
    })
    this.#session.reconnects = given.reconnectsBefore ?? 0
  }

  async open(): Promise<Leg> {
    const { signal } = this.#options
    const abort = () => this.#over.abort(abortError(signal as AbortSignal))
    signal?.addEventListener('abort', abort)
    if (signal?.aborted) abort()
    try {
      await this.#attachFirst()
    } catch (error) {
      this.#session.fail(toError(error))
      throw error
    } finally {
      signal?.removeEventListener('abort', abort)
    }
    return sessionLeg(this.#session, this.#peer as Leg)
  }

  /** A listener that has shown that it is one is worth waiting for: then a lost link is no failure. */
  async #attachFirst(): Promise<void> {
    try {
      await this.#attach()
    } catch (error) {
      if (!this.#links.hasMet || isFinal(error) || this.#over.signal.aborted) throw error
      await this.#reconnect(toError(error))
      const { errored } = this.#session.stream
      if (errored) throw errored
      this.#over.signal.throwIfAborted()
    }
  }

  /** Opens a link and continues the session over it. */
  async #attach(): Promise<void> {
    const kept = this.#links.take()
    const link = kept ?? (await this.#newLink())
    this.#peer ??= link.leg
    try {
      await this.#resume(link)
    } catch (error) {
      if (!kept || isFinal(error)) throw error
      await this.#attach() // the listener has closed it meanwhile
    }
  }

  async #newLink(): Promise<Link> {
    const { signal } = this.#over
    const leg = await this.#connect(signal)
    await meetListener(leg, { timeout: this.#options.connectTimeout ?? defaultTimes.connect, signal })
    this.#links.hasMet = true
    return new Link(leg, this.#linkTimeout)
  }

  /** Says hello, and waits for the answer. A listener that checks what it has takes its time, and shows signs of life. */
  #resume(link: Link): Promise<void> {
    const { signal } = this.#over
    const session = this.#session
    const began = () => {
      this.#since = performance.now()
    }
    return new Promise((resolve, reject) => {
      const abort = () => link.drop(toError(signal.reason))
      const settle = (error?: Error) => {
        signal.removeEventListener('abort', abort)
        if (error) reject(error)
        else resolve()
      }
      const refused = (error: Error) => {
        link.use(undefined)
        link.end()
        settle(Object.assign(error, { isFinal: true }))
      }
      link.use({
        frame(frame) {
          if (isLeftOver(frame)) return
          if (frame.type === 'error') return refused(refusal(frame))
          if (frame.type !== 'welcome') return refused(early())
          try {
            session.welcomed(link, frame.offset, welcomeOf(frame)) // at once: data may follow in the same chunk
            began()
            settle()
          } catch (error) {
            refused(toError(error))
          }
        },
        data: () => refused(early()),
        lost: settle,
      })
      signal.addEventListener('abort', abort)
      if (signal.aborted) abort()
      const { hadLink: again, hello } = session
      const restart = hello.restart && !again
      link.send('hello', 0, { ...hello, again, restart, received: session.incoming.received })
    })
  }

  /** Connects again, at first at once, then after growing times. A link that brings nothing counts as an attempt. */
  async #reconnect(cause: Error): Promise<void> {
    const { retryInterval } = this.#options
    const { onLost, onResumed, reconnects = Number.POSITIVE_INFINITY } = this.#given
    const { signal } = this.#over
    this.#takeProgress()
    onLost?.(cause)
    for (let last = cause; !signal.aborted; ) {
      const wait = retryInterval ?? (this.#attempts === 0 ? 0 : growing(this.#attempts - 1))
      if (this.#attempts >= reconnects || performance.now() + wait > this.#until) return this.#giveUp(last)
      this.#attempts++
      try {
        if (wait > 0) await delay(wait, undefined, { signal })
        await this.#attach()
        return onResumed?.()
      } catch (error) {
        last = toError(error)
        if (isFinal(error)) return this.#session.fail(last)
      }
    }
  }

  #takeProgress(): void {
    const { incoming, outgoing } = this.#session
    const progress = incoming.received + outgoing.confirmed
    const isSteady = performance.now() - this.#since >= steadyTime
    if (progress === this.#progress && !isSteady) return
    this.#progress = progress
    this.#attempts = 0
    this.#until = performance.now() + this.#giveUpAfter
  }

  #giveUp(last: Error): void {
    const attempts = this.#attempts
    const words =
      attempts === this.#given.reconnects
        ? `gave up after ${attempts} attempts to connect again`
        : `gave up after ${formatDuration(this.#giveUpAfter)} without a connection`
    this.#session.fail(new TcpPipeError('ERR_SESSION', `${words}: ${errorMessage(last)}`, { cause: last }))
  }

  #ended(link: Link | undefined): void {
    this.#over.abort(new TcpPipeError('ERR_SESSION', 'the session is over'))
    if (!link) return
    if (this.#given.links) this.#links.give(link)
    else link.end()
  }
}

/** Milliseconds after which a link was no failure, though it has brought nothing. */
const steadyTime = 10_000

function early(): Error {
  return new TcpPipeError('ERR_SESSION', 'the peer sent something else than a welcome')
}

function helloFor(given: DialSession, kind: SessionKind, window: number): Hello {
  const { name, size, mode, mtime, rereadable = false, restart = false } = given
  const { id = newSecret(), secret = newSecret(), group = newSecret() } = given
  const described = { name, size, mode, mtime }
  return { id, secret, group, kind, window, rereadable, restart, again: false, received: 0, ...described }
}

/** What a listener answers to a hello that it does not accept. */
function refusal(frame: Frame): Error {
  return new TcpPipeError('ERR_SESSION', `refused: ${errorOf(frame).message}`)
}

/** Whether the listener has refused the session: another one may be welcome. */
export function isRefused(error: unknown): boolean {
  return (error as { isFinal?: boolean }).isFinal === true
}

/** Whether another attempt cannot help: the peer has refused, or it is not the one that is expected. */
export function isFinal(error: unknown): boolean {
  const { code } = error as { code?: string }
  return (
    isRefused(error) || code === 'ERR_PIN' || /^(CERT_|ERR_TLS_CERT|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO)/.test(code ?? '')
  )
}
