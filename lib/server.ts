/** Accepts connections and keeps account of them: limits, drain, the end of the server. */
import type { AddressInfo, Socket } from 'node:net'
import { type Address, defaultPort, toAddress } from './address.js'
import {
  type Connection,
  type ConnectionOptions,
  type OpenConnection,
  openConnection,
  type Summary,
} from './connection.js'
import type { Logger } from './context.js'
import { listen } from './endpoints/tcp.js'
import { abortError, TcpPipeError } from './errors.js'
import { connectionLimit } from './limits.js'

export interface CloseOptions {
  /** Milliseconds that running connections have to end; those that have not are reset. Default: 10 seconds. */
  drain?: number
}

export interface Server extends AsyncDisposable {
  /** What it is bound to, with the port that the system chose for 0; of a unix socket the path, and port 0. */
  readonly address: { readonly address: string; readonly family: string; readonly port: number }
  /** The connections that are open now. */
  readonly connections: ReadonlySet<Connection>
  /** How many connections there have been, those turned away not among them, and how many of them have failed. */
  readonly counts: { readonly accepted: number; readonly failed: number; readonly refused: number }
  /** Stops listening and ends the connections. Resolves with the number of those that had to be reset. */
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

/** What everything that listens can be told. */
export interface ListenOptions {
  /** Default: 127.0.0.1. */
  host?: string | undefined
  /** Default: 3099; 0 lets the system choose. */
  port?: number | undefined
  /** The path of a unix socket, instead of host and port. */
  path?: string | undefined
  /** Stop listening after the first connection. Default: false. */
  once?: boolean | undefined
  /** Connections over this number are reset. Default: what the limit of open files allows. */
  maxConnections?: number | undefined
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

/** The address to listen on; throws `ERR_OPTION` or `ERR_ADDRESS`. */
export function listenAddress({ host, port = defaultPort, path, ...options }: ListenOptions): Address {
  const { maxConnections, idleTimeout, halfClosedTimeout } = options
  const address = toAddress(path === undefined ? { host, port } : { path })
  for (const [name, time] of Object.entries({ idleTimeout, halfClosedTimeout })) checkTime(name, time)
  if (maxConnections !== undefined && !(maxConnections >= 1))
    throw new TcpPipeError('ERR_OPTION', `maxConnections: ${maxConnections} is not allowed; expected a number from 1`)
  return address
}

/** With their defaults; each connection takes so many descriptors. */
export function withDefaults(options: ListenOptions, descriptorsEach: number): ServerOptions {
  return {
    log: options.log,
    maxLine: options.maxLine,
    idleTimeout: options.idleTimeout ?? 600_000,
    halfClosedTimeout: options.halfClosedTimeout ?? 60_000,
    maxConnections: options.maxConnections ?? connectionLimit(descriptorsEach),
    once: options.once ?? false,
    signal: options.signal,
    onConnection: options.onConnection,
  }
}

export interface ServerOptions extends ConnectionOptions {
  maxConnections: number
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
  const { log, maxConnections, signal, onConnection, about } = options
  if (signal?.aborted) throw abortError(signal)
  const server = await listen(address)
  if (signal?.aborted) {
    server.close()
    throw abortError(signal)
  }
  const active = new Map<OpenConnection, Promise<Summary>>()
  const bound = boundAddress(address, server.address())
  let accepted = 0
  let failed = 0
  let refused = 0
  let isOver = false
  let isDisabled = false
  let enabling = false
  let switching = Promise.resolve()
  let stopped: () => void
  const whenStopped = new Promise<void>(resolve => {
    stopped = resolve
  })

  server.on('connection', socket => {
    if (active.size >= maxConnections || (options.once && accepted > 0)) return refuse(socket)
    accepted++
    if (options.once) stop()
    const connection = openConnection(socket, { ...options, number: accepted })
    const ended = Promise.race([work(connection, socket), connection.failed])
      .catch(connection.fail)
      .then(connection.finish)
      .finally(() => active.delete(connection))
    connection.failed.catch(() => failed++)
    active.set(connection, ended)
    onConnection?.(connection)
  })

  function refuse(socket: Socket): void {
    socket.on('error', () => {})
    if ('path' in address) socket.destroy()
    else socket.resetAndDestroy()
    if (refused++ === 0) log?.warn({ maxConnections }, 'connection refused, the limit is reached')
  }

  /** For good. */
  function stop(): void {
    isOver = true
    if (!enabling) server.close(stopped)
  }

  function failAll(reason: Error): void {
    for (const connection of active.keys()) connection.fail(reason)
  }

  async function close({ drain = 10_000 }: CloseOptions = {}): Promise<number> {
    stop()
    if (active.size > 0 && drain > 0) await drained(drain)
    const cut = active.size
    failAll(signal?.aborted ? abortError(signal) : closedError())
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
    await Promise.race([Promise.all(active.values()), expired])
    clearTimeout(timer)
  }

  async function whenClosed(): Promise<void> {
    await whenStopped
    await Promise.all(active.values())
    if (refused > 0) log?.warn({ refused }, 'connections refused over all')
    if (signal?.aborted) throw abortError(signal)
  }

  const closed = whenClosed()
  closed.catch(() => {}) // whoever wants to know awaits it
  const abort = () => void close({ drain: 0 })
  signal?.addEventListener('abort', abort, { once: true })
  void whenStopped.then(() => signal?.removeEventListener('abort', abort))
  log?.info({ ...bound, ...about, maxConnections }, 'listening')

  return {
    address: bound,
    get connections() {
      return new Set(active.keys())
    },
    get counts() {
      return { accepted, failed, refused }
    },
    close,
    closed,
    disable: () => inTurn(disable),
    enable: () => inTurn(enable),
    [Symbol.asyncDispose]: async () => void (await close()),
  }
}

function closedError(): TcpPipeError {
  return new TcpPipeError('ERR_CLOSED', 'the server was closed')
}

function boundAddress(asked: Address, bound: AddressInfo | string | null): Server['address'] {
  if ('path' in asked) return { address: asked.path, family: 'unix', port: 0 }
  const { address, family, port } = bound as AddressInfo
  return { address, family, port }
}
