/** Accepts connections and keeps account of them: who may come in, limits, drain, the end of the server. */

import { setMaxListeners } from 'node:events'
import { type Connection, type OpenConnection, openConnection } from '../connection/connection.js'
import { type Address, endpointFor } from '../endpoints/address.js'
import type { Arrival, Bound, Leg } from '../endpoints/endpoint.js'
import type { SecureContexts } from '../endpoints/tls/contexts.js'
import { logObserver } from '../stats/log-observer.js'
import { observers } from '../stats/observer.js'
import { serverFigures } from '../stats/server-figures.js'
import type { Reason, ServerStats } from '../stats/snapshot.js'
import { abortError, TcpPipeError, timeoutError } from '../text/errors.js'
import { longestTime } from '../text/quantities.js'
import { formatRemote } from '../text/remote.js'
import { accessCheck } from './access.js'
import type { ServerOptions } from './listen-options.js'
import { openTally } from './tally.js'

export interface CloseOptions {
  /** Milliseconds that running connections have to end; those that have not are reset. 0 is at once. Default: 10 seconds. */
  drain?: number
}

export interface Server extends AsyncDisposable {
  /** What it is bound to, with the port that the system chose for 0; of a unix socket the path, and port 0. */
  readonly address: Bound
  /** The connections that are open now. */
  readonly connections: ReadonlySet<Connection>
  /** The pin of its certificate, for `send --pin`: `sha256//…`. Undefined without TLS. */
  readonly pin: string | undefined
  /** The figures at this time. */
  stats(): ServerStats
  /**
   * Sets certificates, keys and authorities for connections that come from now on. Rejects with `ERR_OPTION` and changes
   * nothing if one of them cannot be used.
   */
  setSecureContext(next: SecureContexts): Promise<void>
  /** Stops listening and ends the connections. Resolves with the number of connections that had to be reset. */
  close(options?: CloseOptions): Promise<number>
  /** Resolves when the server is closed and its last connection has ended; rejects with an AbortError after an abort. */
  readonly closed: Promise<void>
}

export interface OpenServer extends Server {
  /** Stops listening and resets the connections, until it is enabled again. Resolves when that is done. */
  disable(): Promise<void>
  /** Listens again on the same address and port; rejects with the system's error if that is somebody else's by then. */
  enable(): Promise<void>
}

/** What is done for a connection decides with its promise between an end and a reset. */
export type Work = (connection: OpenConnection, leg: Leg) => Promise<void>

/** Listens; `work` is done for each connection. */
export async function openServer(address: Address, options: ServerOptions, work: Work): Promise<OpenServer> {
  const { contexts, log, maxConnections, maxPerIp, handshakeTimeout, signal, onConnection, about } = options
  if (signal?.aborted) throw abortError(signal)
  const endpoint = endpointFor('listen', address)
  const mayConnect = accessCheck(options)
  const tally = maxPerIp === undefined ? undefined : openTally(maxPerIp)
  const observer = observers([log && logObserver(log), options.observer])
  const figures = serverFigures()
  const active = new Set<OpenConnection>()
  const running = new Set<Promise<void>>() // those whose handshake has begun, too
  let listener = await endpoint.listen(address, arrive, contexts)
  if (signal?.aborted) {
    void listener.close()
    throw abortError(signal)
  }
  const { bound } = listener
  let handshakes = newHandshakes()
  let isOver = false
  let isDisabled = false
  let enabling = false
  let switching = Promise.resolve()
  let stopped: () => void
  const whenStopped = new Promise<void>(resolve => {
    stopped = resolve
  })

  function arrive(arrival: Arrival): void {
    const leave = admit(arrival)
    if (typeof leave === 'string') return void refuse(arrival, leave)
    const done = receive(arrival).finally(() => {
      running.delete(done)
      leave()
    })
    running.add(done)
  }

  /** Before anything is read: what to call when the connection is over, or why there will be none. */
  function admit({ remote }: Arrival): (() => void) | Reason {
    if (mayConnect && !mayConnect(remote)) return 'access'
    if (running.size >= maxConnections) return 'maxConnections'
    return tally ? (tally.enter(remote) ?? 'maxPerIp') : () => {}
  }

  function refuse({ remote, refuse }: Arrival, reason: Reason): void {
    figures.refused(reason)
    observer.refused({ reason, remote })
    refuse(new TcpPipeError('ERR_CLOSED', `the connection is refused: ${reason}`))
  }

  /** If there is a handshake and it fails, there has been no connection. */
  async function receive(arrival: Arrival): Promise<void> {
    const opened = arrival.open({ handshakeTimeout, signal: handshakes.signal })
    if (!(opened instanceof Promise)) return open(opened)
    const leg = await opened.catch(error => {
      figures.handshakeFailed()
      observer.handshakeFailed({ remote: formatRemote(arrival), error })
    })
    if (leg) await open(leg)
  }

  async function open(leg: Leg): Promise<void> {
    const number = figures.accepted()
    if (options.once) stop()
    const connection = openConnection(leg, { ...options, observer, number })
    const ended = Promise.race([work(connection, leg), connection.failed])
      .catch(connection.fail)
      .then(connection.finish)
      .then(summary => {
        active.delete(connection)
        figures.closed(summary)
      })
    active.add(connection)
    try {
      onConnection?.(connection)
    } catch (error) {
      connection.fail(error)
    }
    observer.opened(connection)
    await ended
  }

  /** For good. */
  function stop(): void {
    isOver = true
    handshakes.abort(closedError()) // they have had nothing from us yet
    if (!enabling) void listener.close().then(stopped)
  }

  function failAll(reason: Error): void {
    handshakes.abort(reason)
    for (const connection of active) connection.fail(reason)
  }

  async function close({ drain = 10_000 }: CloseOptions = {}): Promise<number> {
    stop()
    if (running.size > 0 && drain > 0) await drained(drain)
    const cut = active.size
    if (cut > 0) failAll(signal?.aborted ? abortError(signal) : drain > 0 ? drainError(drain) : closedError())
    await closed.catch(() => {})
    return cut
  }

  async function disable(): Promise<void> {
    if (isDisabled || isOver) return
    isDisabled = true
    const ended = listener.close()
    failAll(new TcpPipeError('ERR_CLOSED', 'the server was disabled'))
    await ended
  }

  async function enable(): Promise<void> {
    if (isOver) throw closedError()
    if (!isDisabled) return
    enabling = true
    try {
      listener = await endpoint.listen('port' in address ? { ...address, port: bound.port } : address, arrive, contexts)
      isDisabled = false
      handshakes = newHandshakes()
    } finally {
      enabling = false
      if (isOver) stop()
    }
    if (isOver) throw closedError()
  }

  /** One after the other, in the order of the calls. */
  function inTurn(action: () => Promise<void>): Promise<void> {
    const done = switching.then(action)
    switching = done.catch(() => {})
    return done
  }

  async function drained(time: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const expired = new Promise<void>(resolve => {
      timer = setTimeout(resolve, Math.min(time, longestTime))
    })
    await Promise.race([Promise.all(running), expired])
    clearTimeout(timer)
  }

  async function whenClosed(): Promise<void> {
    await whenStopped
    await Promise.all(running)
    observer.stopped(stats())
    if (signal?.aborted) throw abortError(signal)
  }

  const closed = whenClosed()
  closed.catch(() => {}) // whoever wants to know awaits it
  const abort = () => void close({ drain: 0 })
  if (signal) setMaxListeners(0, signal) // as many servers as its user likes
  signal?.addEventListener('abort', abort, { once: true })
  void whenStopped.then(() => signal?.removeEventListener('abort', abort))
  observer.listening({ ...bound, ...(contexts.pin && { pin: contexts.pin }), ...about, maxConnections })
  warnIfExpired()

  function stats(): ServerStats {
    return figures.stats([...active].map(connection => connection.stats()))
  }

  function warnIfExpired(): void {
    const { validTo } = contexts
    if (validTo && validTo.getTime() < Date.now()) log?.warn({ validTo }, 'the certificate has expired')
  }

  return {
    address: bound,
    get connections() {
      return new Set(active)
    },
    get pin() {
      return contexts.pin
    },
    stats,
    async setSecureContext(next) {
      await contexts.setSecureContext(next)
      warnIfExpired()
    },
    close,
    closed,
    disable: () => inTurn(disable),
    enable: () => inTurn(enable),
    [Symbol.asyncDispose]: async () => void (await close()),
  }
}

/** Any number of handshakes listen to it. */
function newHandshakes(): AbortController {
  const controller = new AbortController()
  setMaxListeners(0, controller.signal)
  return controller
}

function drainError(time: number): TcpPipeError {
  return timeoutError('drain', `the server is closing, and ${time} ms have passed`)
}

function closedError(): TcpPipeError {
  return new TcpPipeError('ERR_CLOSED', 'the server was closed')
}
