/** A small HTTP server: how it listens, whom it admits, and that no client can hold up others. */
import { once } from 'node:events'
import { chmodSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { parseIp } from '../endpoints/ip.js'
import type { TcpAddress } from '../endpoints/tcp.js'
import { removeStale, type UnixAddress } from '../endpoints/unix.js'

export interface HttpListener {
  /** As the line `listening` has it: for a unix socket the path, the family `unix` and port 0. */
  readonly bound: { readonly address: string; readonly family: string; readonly port: number }
  /** Stops listening; answers that have begun go on. */
  stop(): void
  /** Stops listening and closes the connections. */
  close(): void
}

/** What can reach a listener: programs of this host by a loopback address or a unix socket, or other hosts. */
export type Reach = 'loopback' | 'unix' | 'network'

export interface HttpOptions {
  /**
   * The clients that can be connected: a new one replaces one that has asked nothing, or the one that connected first.
   * They use the descriptors that servers leave free.
   */
  readonly mostClients: number
  /** Answers a request. If it rejects, the client is disconnected. */
  answer(request: IncomingMessage, response: ServerResponse, reach: Reach): Promise<void>
}

/** Milliseconds for a request to come, and for a client to read the answer. */
const patience = 5000

const limits = { headersTimeout: patience, requestTimeout: patience, connectionsCheckingInterval: 1000 }

/** The requests of a connection that are ignored after the first one. */
const mostPipelined = 1000

/** Listens. Answers one request of each connection. Rejects with the system error. */
export async function listenForHttp(address: TcpAddress | UnixAddress, options: HttpOptions): Promise<HttpListener> {
  const requests = new WeakMap<Duplex, number>()
  let reach: Reach = 'network'
  const hear = (request: IncomingMessage, response: ServerResponse) => {
    response.shouldKeepAlive = false
    const before = requests.get(request.socket) ?? 0
    requests.set(request.socket, before + 1)
    if (before > mostPipelined) request.socket.destroy() // they would pile up behind an answer that does not end
    if (before > 0) return // pipelined requests would all be answered before anything else runs
    options.answer(request, response, reach).catch(error => response.destroy(error))
  }
  const server = createServer(limits, hear)
  server.on('checkExpectation', hear) // Node itself would answer each of them, however many
  server.timeout = patience
  keepNewest(server, options.mostClients, client => requests.has(client))
  await listen(server, address)
  const bound = boundOf(server)
  reach = reachOf(bound)
  return {
    bound,
    stop: () => void server.close(),
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
  if ('path' in address && address.mode !== undefined) setMode(server, address.path, address.mode)
  server.on('error', () => {}) // what fails later concerns one client
}

function setMode(server: Server, path: string, mode: number): void {
  try {
    chmodSync(path, mode)
  } catch (error) {
    server.close()
    throw error
  }
}

function reachOf({ address, family }: HttpListener['bound']): Reach {
  if (family === 'unix') return 'unix'
  return /^(127\.|::1$|::ffff:127\.)/.test(address) ? 'loopback' : 'network'
}

function boundOf(server: Server): HttpListener['bound'] {
  const bound = server.address() as NonNullable<ReturnType<Server['address']>>
  return typeof bound === 'string' ? { address: bound, family: 'unix', port: 0 } : bound
}

/** Clients that send nothing lock out nobody: they make room for a new one, the oldest first, and then those that ask. */
function keepNewest(server: Server, mostClients: number, isAsking: (client: Duplex) => boolean): void {
  const clients = new Set<Duplex>()
  server.on('connection', (socket: Duplex) => {
    const all = [...clients]
    const surplus = all.length < mostClients ? undefined : (all.find(client => !isAsking(client)) ?? all[0])
    if (surplus) clients.delete(surplus)
    surplus?.destroy()
    clients.add(socket)
    socket.once('close', () => clients.delete(socket))
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
