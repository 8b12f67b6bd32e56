/** A small HTTP server: how it listens, whom it admits, and that no client can hold up others. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { parseIp } from '../endpoints/ip.js'
import type { TcpAddress } from '../endpoints/tcp.js'
import { removeStale, type UnixAddress } from '../endpoints/unix.js'

export interface HttpListener {
  /** As the line `listening` has it: for a unix socket the path, the family `unix` and port 0. */
  readonly bound: { readonly address: string; readonly family: string; readonly port: number }
  /** Stops listening and closes the connections. */
  close(): void
}

/** What can reach a listener: programs of this host by a loopback address or a unix socket, or other hosts. */
export type Reach = 'loopback' | 'unix' | 'network'

export interface HttpOptions {
  /**
   * The clients that can be connected: a new one replaces the one that connected first. They use the descriptors that
   * servers leave free.
   */
  readonly mostClients: number
  /** Answers a request. If it rejects, the client is disconnected. */
  answer(request: IncomingMessage, response: ServerResponse, reach: Reach): Promise<void>
}

/** Milliseconds for a request to come, and for a client to read the answer. */
const patience = 5000

const limits = { headersTimeout: patience, requestTimeout: patience, connectionsCheckingInterval: 1000 }

/** Listens. Answers one request of each connection. Rejects with the system error. */
export async function listenForHttp(address: TcpAddress | UnixAddress, options: HttpOptions): Promise<HttpListener> {
  const answered = new WeakSet<Duplex>()
  let reach: Reach = 'network'
  const server = createServer(limits, (request, response) => {
    response.shouldKeepAlive = false
    if (answered.has(request.socket)) return // pipelined requests would all be answered before anything else runs
    answered.add(request.socket)
    options.answer(request, response, reach).catch(error => response.destroy(error))
  })
  server.timeout = patience
  keepNewest(server, options.mostClients)
  await listen(server, address)
  const bound = boundOf(server)
  reach = reachOf(bound)
  return {
    bound,
    close() {
      server.close()
      server.closeAllConnections()
    },
  }
}

async function listen(server: Server, address: TcpAddress | UnixAddress): Promise<void> {
  if ('path' in address) await removeStale(address.path)
  server.listen(address)
  await once(server, 'listening')
  server.on('error', () => {}) // what fails later concerns one client
}

function reachOf({ address, family }: HttpListener['bound']): Reach {
  if (family === 'unix') return 'unix'
  return /^(127\.|::1$|::ffff:127\.)/.test(address) ? 'loopback' : 'network'
}

function boundOf(server: Server): HttpListener['bound'] {
  const bound = server.address() as NonNullable<ReturnType<Server['address']>>
  return typeof bound === 'string' ? { address: bound, family: 'unix', port: 0 } : bound
}

/** Clients that send nothing lock out nobody: the oldest one makes room for a new one. */
function keepNewest(server: Server, mostClients: number): void {
  const clients = new Set<Duplex>()
  server.on('connection', (socket: Duplex) => {
    clients.add(socket)
    socket.once('close', () => clients.delete(socket))
    if (clients.size <= mostClients) return
    const oldest = clients.values().next().value as Duplex
    clients.delete(oldest)
    oldest.destroy()
  })
}

/** Why the host of a request to a loopback address is refused, in words. */
export const foreignHost = 'the host of the request is not an IP address or localhost'

/** A page of the web can have a name that resolves to loopback, and would read what is served by a browser of this host. */
export function isOurHost({ headers: { host } }: Pick<IncomingMessage, 'headers'>): boolean {
  if (host === undefined) return true // HTTP/1.0, which no browser speaks
  const name = host.replace(/:\d*$/, '').replace(/^\[(.*)\]$/, '$1')
  return parseIp(name) !== undefined || name.toLowerCase() === 'localhost'
}

/** `http://127.0.0.1:9464`, `http://[::1]:9464`. */
export function httpUrl({ address, family, port }: HttpListener['bound']): string {
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`
}
