/** Accepts connections and keeps account of them: who may come in, limits, drain, the end of the server. */

import { setMaxListeners } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import { type Connection, type OpenConnection, openConnection, remoteName } from '../connection/connection.js'
import type { Address } from '../endpoints/address.js'
import { resetOnError } from '../endpoints/reset.js'
import { listen } from '../endpoints/tcp.js'
import type { SecureContexts } from '../endpoints/tls/contexts.js'
import type { Accept } from '../endpoints/tls/handshake.js'
import { openRefusals, type Reason } from '../stats/refusals.js'
import { failureFields } from '../stats/summary.js'
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
  readonly address: { readonly address: string; readonly family: string; readonly port: number }
  /** The connections that are open now. */
  readonly connections: ReadonlySet<Connection>
  readonly counts: Counts
  /** The pin of its certificate, as clients may check it: `sha256//…`. Undefined without TLS. */
  readonly pin: string | undefined
  /**
   * New certificates, keys and authorities, for connections that come from now on. Rejects with `ERR_OPTION` and changes
   * nothing if one of them cannot be used.
   */
  setSecureContext(next: SecureContexts): Promise<void>
  /** Stops listening and ends the connections. Resolves with the number of those that had to be reset. */
  close(options?: CloseOptions): Promise<number>
  /** Resolves when the server is closed and its last connection has ended; rejects with an AbortError after an abort. */
  readonly closed: Promise<void>
}

/** Of connections, since the server has begun. */
export interface Counts {
  /** Those that were served; with TLS, once that stood. */
  readonly accepted: number
  /** How many of them have failed. */
  readonly failed: number
  /** Those turned away by an access list or a limit. */
  readonly refused: number
  /** Those whose TLS handshake has failed. */
  readonly handshakeFailures: number
}

export interface OpenServer extends Server {
  /** Stops listening and resets the connections, until it is enabled again. Resolves when that is done. */
  disable(): Promise<void>
  /** Listens again on the same address and port; rejects with the system's error if that is somebody else's by then. */
  enable(): Promise<void>
}

/** Listens; `work` is done for each connection, and decides with its promise between an end and a reset. */
export async function openServer(
  address: Address,
  options: ServerOptions,
  work: (connection: OpenConnection, socket: Socket) => Promise<void>,
): Promise<OpenServer> {
  const { contexts, log, maxConnections, maxPerIp, handshakeTimeout, signal, onConnection, about } = options
  if (signal?.aborted) throw abortError(signal)
  const server = await listen(address)
  if (signal?.aborted) {
    server.close()
    throw abortError(signal)
  }
  const mayConnect = accessCheck(options)
  const tally = maxPerIp === undefined ? undefined : openTally(maxPerIp)
  const refusals = openRefusals(log)
  const active = new Set<OpenConnection>()
  const running = new Set<Promise<void>>() // those whose handshake has begun, too
  const bound = boundAddress(address, server.address())
  let handshakes = newHandshakes()
  let accepted = 0
  let failed = 0
  let handshakeFailures = 0
  let isOver = false
  let isDisabled = false
  let enabling = false
  let switching = Promise.resolve()
  let stopped: () => void
  const whenStopped = new Promise<void>(resolve => {
    stopped = resolve
  })

  server.on('connection', socket => {
    const leave = admit(socket)
    if (typeof leave === 'string') return refuse(socket, leave)
    const work = contexts.accept ? secure(socket, contexts.accept) : open(socket)
    const done = work.finally(() => {
      running.delete(done)
      leave()
    })
    running.add(done)
  })

  /** Before anything is read: what to call when the connection is over, or why there will be none. */
  function admit(socket: Socket): (() => void) | Reason {
    if (mayConnect && !mayConnect(socket.remoteAddress)) return 'access'
    if (running.size >= maxConnections) return 'maxConnections'
    return tally ? (tally.enter(remoteName(socket)) ?? 'maxPerIp') : () => {}
  }

  function refuse(socket: Socket, reason: Reason): void {
    refusals.add(reason, remoteName(socket))
    socket.on('error', () => {})
    resetOnError(socket)
    socket.destroy(new TcpPipeError('ERR_CLOSED', `the connection is refused: ${reason}`))
  }

  /** TLS first. If that fails there has been no connection, and its line is told here. */
  async function secure(raw: Socket, accept: Accept): Promise<void> {
    const remote = formatRemote({ remote: remoteName(raw), port: raw.remotePort })
    const socket = await accept(raw, { handshakeTimeout, signal: handshakes.signal }).catch(error => {
      handshakeFailures++
      log?.warn({ remote, ...failureFields(error) }, 'TLS handshake failed')
    })
    if (socket) await open(socket)
  }

  async function open(socket: Socket): Promise<void> {
    accepted++
    if (options.once) stop()
    const connection = openConnection(socket, { ...options, number: accepted })
    const ended = Promise.race([work(connection, socket), connection.failed])
      .catch(connection.fail)
      .then(connection.finish)
      .finally(() => active.delete(connection))
    connection.failed.catch(() => failed++)
    active.add(connection)
    try {
      onConnection?.(connection)
    } catch (error) {
      connection.fail(error)
    }
    await ended
  }

  /** For good. */
  function stop(): void {
    isOver = true
    handshakes.abort(closedError()) // they have had nothing from us yet
    if (!enabling) server.close(stopped)
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
    const ended = new Promise(resolve => server.close(resolve))
    failAll(new TcpPipeError('ERR_CLOSED', 'the server was disabled'))
    await ended
  }

  async function enable(): Promise<void> {
    if (isOver) throw closedError()
    if (!isDisabled) return
    enabling = true
    try {
      await listen('path' in address ? address : { ...address, port: bound.port }, server)
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
    refusals.end()
    if (signal?.aborted) throw abortError(signal)
  }

  const closed = whenClosed()
  closed.catch(() => {}) // whoever wants to know awaits it
  const abort = () => void close({ drain: 0 })
  if (signal) setMaxListeners(0, signal) // as many servers as its user likes
  signal?.addEventListener('abort', abort, { once: true })
  void whenStopped.then(() => signal?.removeEventListener('abort', abort))
  const { pin } = contexts
  log?.info({ ...bound, ...(pin && { pin }), ...about, maxConnections }, 'listening')
  warnIfExpired()

  function warnIfExpired(): void {
    const { validTo } = contexts
    if (validTo && validTo.getTime() < Date.now()) log?.warn({ validTo }, 'the certificate has expired')
  }

  return {
    address: bound,
    get connections() {
      return new Set(active)
    },
    get counts() {
      return { accepted, failed, refused: refusals.total, handshakeFailures }
    },
    get pin() {
      return contexts.pin
    },
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

function boundAddress(asked: Address, bound: AddressInfo | string | null): Server['address'] {
  if ('path' in asked) return { address: asked.path, family: 'unix', port: 0 }
  const { address, family, port } = bound as AddressInfo
  return { address, family, port }
}
