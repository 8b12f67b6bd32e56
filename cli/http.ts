/** A small HTTP server for what the program shows of itself. It answers GET and HEAD. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
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

/** Listens, and answers the paths. Rejects with the system error. */
export async function listenForHttp(
  address: Address,
  answers: Readonly<Record<string, () => Answer | Promise<Answer>>>,
): Promise<HttpListener> {
  const server = createServer((request, response) => {
    reply(request, response, answers).catch(error => response.destroy(error))
  })
  server.maxConnections = mostClients
  await listen(server, address)
  const close = () => {
    server.close()
    server.closeAllConnections()
    process.off('exit', close)
  }
  process.once('exit', close) // a signal before the server listens leaves no unix socket
  return { bound: boundOf(server), close }
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

async function reply(
  { url = '', method = '' }: IncomingMessage,
  response: ServerResponse,
  answers: Readonly<Record<string, () => Answer | Promise<Answer>>>,
): Promise<void> {
  const path = url.split('?', 1)[0] as string
  const answer = Object.hasOwn(answers, path) ? answers[path] : undefined
  const isAllowed = ['GET', 'HEAD'].includes(method)
  const { status, type, body } = !answer
    ? text(404, 'not found')
    : !isAllowed
      ? text(405, 'only GET and HEAD are allowed')
      : await answer()
  const headers = { 'content-type': type, 'content-length': Buffer.byteLength(body), 'cache-control': 'no-store' }
  response.writeHead(status, { ...headers, ...(status === 405 && { allow: 'GET, HEAD' }) }).end(body)
}

/** An answer in words. */
export function text(status: number, words: string): Answer {
  return { status, type: 'text/plain; charset=utf-8', body: `${words}\n` }
}
