/** A small HTTP server for what the program shows of itself. It answers GET and HEAD. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, isIP, type Socket } from 'node:net'
import type { Address } from '../lib/endpoints/address.js'
import { removeStale } from '../lib/endpoints/unix.js'

export interface Answer {
  readonly status: number
  readonly type: string
  readonly body: string
}

export interface HttpListener {
  /** As the line `listening` has it: for a unix socket the path, the family `unix` and port 0. */
  readonly bound: { readonly address: string; readonly family: string; readonly port: number }
  /** Stops listening and closes the connections. */
  close(): void
}

/** More clients than this have no use, and would take the descriptors of connections. */
const mostClients = 16

/** Milliseconds for a request to come, and for a client to read the answer. */
const patience = 5000

const limits = { headersTimeout: patience, requestTimeout: patience, connectionsCheckingInterval: 1000 }

type Answers = Readonly<Record<string, () => Answer | Promise<Answer>>>

/** Listens, and answers the paths. Rejects with the system error. */
export async function listenForHttp(address: Address, answers: Answers): Promise<HttpListener> {
  const answered = new WeakSet<Socket>()
  let isLocal = false
  const server = createServer(limits, (request, response) => {
    if (answered.has(request.socket)) return // pipelined requests would all be answered before anything else runs
    answered.add(request.socket)
    reply(request, response, isLocal && !isOurs(request) ? undefined : answers).catch(error => response.destroy(error))
  })
  server.timeout = patience
  keepNewest(server)
  await listen(server, address)
  const bound = boundOf(server)
  isLocal = /^(127\.|::1$|::ffff:127\.)/.test(bound.address)
  const close = () => {
    server.close()
    server.closeAllConnections()
    process.off('exit', close)
  }
  process.once('exit', close) // a signal before the server listens leaves no unix socket
  return { bound, close }
}

async function listen(server: Server, address: Address): Promise<void> {
  if ('path' in address) await removeStale(address.path)
  server.listen(address)
  await once(server, 'listening')
  server.on('error', () => {}) // what fails later concerns one client
}

function boundOf(server: Server): HttpListener['bound'] {
  const bound = server.address() as AddressInfo | string
  return typeof bound === 'string' ? { address: bound, family: 'unix', port: 0 } : bound
}

/** Clients that send nothing lock out nobody: the oldest one makes room for a new one. */
function keepNewest(server: Server): void {
  const clients = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    clients.add(socket)
    socket.once('close', () => clients.delete(socket))
    if (clients.size <= mostClients) return
    const oldest = clients.values().next().value as Socket
    clients.delete(oldest)
    oldest.destroy()
  })
}

/** A page of the web can have a name that resolves to loopback, and would read the figures by a browser of this host. */
function isOurs({ headers: { host } }: IncomingMessage): boolean {
  if (host === undefined) return true // HTTP/1.0, which no browser speaks
  const name = host.replace(/:\d*$/, '').replace(/^\[(.*)\]$/, '$1')
  return isIP(name) > 0 || name.toLowerCase() === 'localhost'
}

async function reply(
  { url = '', method = '' }: IncomingMessage,
  response: ServerResponse,
  answers: Answers | undefined,
): Promise<void> {
  const { status, type, body } = await answerTo(url, method, answers)
  const headers = { 'content-type': type, 'content-length': Buffer.byteLength(body), 'cache-control': 'no-store' }
  const more = { connection: 'close', ...(status === 405 && { allow: 'GET, HEAD' }) }
  response.writeHead(status, { ...headers, ...more }).end(body)
}

function answerTo(url: string, method: string, answers: Answers | undefined): Answer | Promise<Answer> {
  if (!answers) return text(403, 'the host of the request is not an IP address or localhost')
  const path = url.split('?', 1)[0] as string
  const answer = Object.hasOwn(answers, path) ? answers[path] : undefined
  if (!answer) return text(404, 'not found')
  return ['GET', 'HEAD'].includes(method) ? answer() : text(405, 'only GET and HEAD are allowed')
}

/** An answer in words. */
export function text(status: number, words: string): Answer {
  return { status, type: 'text/plain; charset=utf-8', body: `${words}\n` }
}
