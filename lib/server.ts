/** Accepts connections and keeps account of them: limits, drain, the end of the server. */
import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import type { Address } from './address.js'
import {
  type Connection,
  type ConnectionOptions,
  type OpenConnection,
  openConnection,
  type Summary,
} from './connection.js'
import { listen } from './endpoints/tcp.js'
import { abortError, TcpPipeError } from './errors.js'

export interface CloseOptions {
  /** Milliseconds that running connections have to end; those that have not are reset. Default: 10 seconds. */
  drain?: number
}

export interface Server extends AsyncDisposable {
  /** What it is bound to, with the port that the system chose for 0; of a unix socket the path, and port 0. */
  readonly address: { readonly address: string; readonly family: string; readonly port: number }
  /** The connections that are open now. */
  readonly connections: ReadonlySet<Connection>
  /** Stops listening and ends the connections. Resolves with the number of those that had to be reset. */
  close(options?: CloseOptions): Promise<number>
  /** Resolves when the server is closed and its last connection has ended; rejects with an AbortError after an abort. */
  readonly closed: Promise<void>
}

export interface ServerOptions extends ConnectionOptions {
  maxConnections: number
  once: boolean
  signal: AbortSignal | undefined
  onConnection: ((connection: Connection) => void) | undefined
}

/** The longest time that a timer of Node takes, in milliseconds. */
export const longestTime = 2 ** 31 - 1

/** Listens; `work` is done for each connection, and decides with its promise between an end and a reset. */
export async function openServer(
  address: Address,
  options: ServerOptions,
  work: (connection: OpenConnection, socket: Socket) => Promise<void>,
): Promise<Server> {
  const { log, maxConnections, signal, onConnection } = options
  if (signal?.aborted) throw abortError(signal)
  const server = await listen(address)
  if (signal?.aborted) {
    server.close()
    throw abortError(signal)
  }
  const active = new Map<OpenConnection, Promise<Summary>>()
  const bound = boundAddress(address, server.address())
  let accepted = 0
  let refused = 0

  server.on('connection', socket => {
    if (active.size >= maxConnections || (options.once && accepted > 0)) return refuse(socket)
    accepted++
    if (options.once) server.close()
    const connection = openConnection(socket, options)
    const ended = Promise.race([work(connection, socket), connection.failed])
      .catch(connection.fail)
      .then(connection.finish)
      .finally(() => active.delete(connection))
    active.set(connection, ended)
    onConnection?.(connection)
  })

  function refuse(socket: Socket): void {
    socket.on('error', () => {})
    if ('path' in address) socket.destroy()
    else socket.resetAndDestroy()
    if (refused++ === 0) log?.warn({ maxConnections }, 'connection refused, the limit is reached')
  }

  async function close({ drain = 10_000 }: CloseOptions = {}): Promise<number> {
    server.close()
    if (active.size > 0 && drain > 0) await drained(drain)
    const cut = active.size
    const reason = signal?.aborted ? abortError(signal) : new TcpPipeError('ERR_CLOSED', 'the server was closed')
    for (const connection of active.keys()) connection.fail(reason)
    await closed.catch(() => {})
    return cut
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
    await once(server, 'close')
    await Promise.all(active.values())
    if (refused > 0) log?.warn({ refused }, 'connections refused over all')
    if (signal?.aborted) throw abortError(signal)
  }

  const closed = whenClosed()
  closed.catch(() => {}) // whoever wants to know awaits it
  const abort = () => void close({ drain: 0 })
  signal?.addEventListener('abort', abort, { once: true })
  server.once('close', () => signal?.removeEventListener('abort', abort))
  log?.info({ ...bound, maxConnections }, 'listening')

  return {
    address: bound,
    get connections() {
      return new Set(active.keys())
    },
    close,
    closed,
    [Symbol.asyncDispose]: async () => void (await close()),
  }
}

function boundAddress(asked: Address, bound: AddressInfo | string | null): Server['address'] {
  if ('path' in asked) return { address: asked.path, family: 'unix', port: 0 }
  const { address, family, port } = bound as AddressInfo
  return { address, family, port }
}
