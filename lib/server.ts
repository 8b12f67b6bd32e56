/** Accepts connections and keeps account of them: who may come in, limits, drain, the end of the server. */
import { setMaxListeners } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import { type AccessLists, accessCheck } from './access.js'
import { type Address, defaultPort, toAddress, withTls } from './address.js'
import {
  type Connection,
  type ConnectionOptions,
  formatRemote,
  type OpenConnection,
  openConnection,
  remoteName,
} from './connection.js'
import type { Logger } from './context.js'
import { listen } from './endpoints/tcp.js'
import type { Accept } from './endpoints/tls.js'
import { abortError, TcpPipeError, timeoutError } from './errors.js'
import { connectionLimit } from './limits.js'
import { openRefusals, type Reason } from './refusals.js'
import { resetOnError } from './reset.js'
import type { ServerTls } from './secure-context.js'
import { failureFields } from './summary.js'
import { openTally } from './tally.js'
import type { SecureContexts, Trust } from './trust.js'

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

/** What everything that listens can be told. */
export interface ListenOptions extends AccessLists {
  /** Default: 127.0.0.1. */
  host?: string | undefined
  /** Default: 3099; 0 lets the system choose. */
  port?: number | undefined
  /** The path of a unix socket, instead of host and port. */
  path?: string | undefined
  /** Speaks TLS. `'auto'` makes a certificate of its own, which clients can pin. Default: no TLS. */
  tls?: ServerTls | 'auto' | boolean | undefined
  /** Stop listening after the first connection. Default: false. */
  once?: boolean | undefined
  /** Connections over this number are reset. Default: what the limit of open files allows. */
  maxConnections?: number | undefined
  /** Further ones from one address are reset. Default: without limit. */
  maxPerIp?: number | undefined
  /** A connection fails when a peer sends more bytes than these. Default: without limit. */
  maxBytes?: number | undefined
  /** Milliseconds that a connection may last, whatever it does; 0 is without limit. Default: 0. */
  maxDuration?: number | undefined
  /** Milliseconds for a TLS handshake; 0 is without limit. Default: 10 seconds. */
  handshakeTimeout?: number | undefined
  /** Milliseconds for the first byte of a client; 0 is without limit. Default: 0. */
  firstByteTimeout?: number | undefined
  /** Milliseconds without a byte, while our own sink is not what we wait for; 0 is never. Default: 10 minutes. */
  idleTimeout?: number | undefined
  /** Milliseconds without a byte once one side has ended; 0 is never. Default: 1 minute. */
  halfClosedTimeout?: number | undefined
  /** Length cap of a line or a JSON value in bytes. Default: 1 MiB. */
  maxLine?: number | undefined
  /** Resets all connections when it is aborted; `closed` then rejects with an AbortError. */
  signal?: AbortSignal | undefined
  /** A pino logger. Default: silent. */
  log?: Logger | undefined
  /** Called when a connection is accepted. */
  onConnection?: ((connection: Connection) => void) | undefined
}

/** The address to listen on, when the options have been checked; throws `ERR_OPTION` or `ERR_ADDRESS`. */
export function listenAddress({ host, port = defaultPort, path, tls, ...options }: ListenOptions): Address {
  const address = toAddress(path === undefined ? { host, port } : { path })
  const { idleTimeout, halfClosedTimeout, handshakeTimeout, firstByteTimeout, maxDuration } = options
  const times = { idleTimeout, halfClosedTimeout, handshakeTimeout, firstByteTimeout, maxDuration }
  for (const [name, time] of Object.entries(times)) checkTime(name, time)
  const { allow, deny, maxConnections, maxPerIp, maxBytes } = options
  for (const [name, number] of Object.entries({ maxConnections, maxPerIp, maxBytes })) checkLimit(name, number)
  accessCheck({ allow, deny })
  const [byAddress] = Object.entries({ allow, deny, maxPerIp }).find(([, value]) => value !== undefined) ?? []
  if ('path' in address && byAddress)
    throw new TcpPipeError('ERR_OPTION', `${byAddress}: the clients of a unix socket have no address`)
  return tls ? withTls(address) : address
}

function checkLimit(name: string, value: number | undefined): void {
  if (value === undefined || value >= 1) return
  throw new TcpPipeError('ERR_OPTION', `${name}: ${value} is not allowed; expected a number from 1`)
}

/** With their defaults; each connection takes so many descriptors. */
export function withDefaults(options: ListenOptions, descriptorsEach: number, trust: Trust): ServerOptions {
  const { log, allow, deny, maxLine, maxPerIp, maxBytes, maxDuration } = options
  const { handshakeTimeout, firstByteTimeout, signal, onConnection } = options
  return {
    idleTimeout: options.idleTimeout ?? 600_000,
    halfClosedTimeout: options.halfClosedTimeout ?? 60_000,
    maxConnections: options.maxConnections ?? connectionLimit(descriptorsEach),
    once: options.once ?? false,
    ...{ trust, log, allow, deny, maxLine, maxPerIp, maxBytes, maxDuration },
    ...{ handshakeTimeout, firstByteTimeout, signal, onConnection },
  }
}

export interface ServerOptions extends ConnectionOptions, AccessLists {
  trust: Trust
  maxConnections: number
  maxPerIp: number | undefined
  handshakeTimeout: number | undefined
  once: boolean
  signal: AbortSignal | undefined
  onConnection: ((connection: Connection) => void) | undefined
  /** What else the log line `listening` tells. */
  about?: object
}

/** The longest time that a timer of Node takes, in milliseconds. */
export const longestTime = 2 ** 31 - 1

/** A timer of Node takes a time over its limit, and what is no number, for 1 ms. */
export function checkTime(name: string, value: number | undefined): void {
  if (value === undefined || (value >= 0 && value <= longestTime)) return
  const expected = `expected milliseconds from 0 to ${longestTime}`
  throw new TcpPipeError('ERR_OPTION', `${name}: ${value} is not allowed; ${expected}`)
}

/** Listens; `work` is done for each connection, and decides with its promise between an end and a reset. */
export async function openServer(
  address: Address,
  options: ServerOptions,
  work: (connection: OpenConnection, socket: Socket) => Promise<void>,
): Promise<OpenServer> {
  const { trust, log, maxConnections, maxPerIp, handshakeTimeout, signal, onConnection, about } = options
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
    const work = trust.accept ? secure(socket, trust.accept) : open(socket)
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
    onConnection?.(connection)
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
  const { pin } = trust
  log?.info({ ...bound, ...(pin && { pin }), ...about, maxConnections }, 'listening')

  return {
    address: bound,
    get connections() {
      return new Set(active)
    },
    get counts() {
      return { accepted, failed, refused: refusals.total, handshakeFailures }
    },
    get pin() {
      return trust.pin
    },
    setSecureContext: trust.setSecureContext,
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
