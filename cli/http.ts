/** A small HTTP server for what the program shows of itself. It answers GET and HEAD. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Address } from '../lib/endpoints/address.js'
import { foreignHost, type HttpListener, isOurHost, listenForHttp } from '../lib/http/listener.js'

export interface Answer {
  readonly status: number
  readonly type: string
  readonly body: string
}

type Answers = Readonly<Record<string, () => Answer | Promise<Answer>>>

/** More clients than this have no use, and would take the descriptors of connections. */
const mostClients = 16

/** Listens, and answers the paths. Rejects with the system error. */
export async function answerPaths(address: Address, answers: Answers): Promise<HttpListener> {
  const listener = await listenForHttp(address as Parameters<typeof listenForHttp>[0], {
    mostClients,
    answer: (request, response, reach) =>
      reply(request, response, reach === 'loopback' && !isOurHost(request) ? undefined : answers),
  })
  return closeAtExit(listener)
}

/** A signal before the server listens leaves no unix socket. */
export function closeAtExit<Closable extends { close(): unknown }>(opened: Closable): Closable {
  const close = () => {
    process.off('exit', close)
    return opened.close()
  }
  process.once('exit', close)
  return { ...opened, close }
}

async function reply(
  { url = '', method = '' }: IncomingMessage,
  response: ServerResponse,
  answers: Answers | undefined,
): Promise<void> {
  const { status, type, body } = await answerTo(url, method, answers)
  const headers = { 'content-type': type, 'content-length': Buffer.byteLength(body), 'cache-control': 'no-store' }
  response.writeHead(status, { ...headers, ...(status === 405 && { allow: 'GET, HEAD' }) }).end(body)
}

function answerTo(url: string, method: string, answers: Answers | undefined): Answer | Promise<Answer> {
  if (!answers) return text(403, foreignHost)
  const path = url.split('?', 1)[0] as string
  const answer = Object.hasOwn(answers, path) ? answers[path] : undefined
  if (!answer) return text(404, 'not found')
  return ['GET', 'HEAD'].includes(method) ? answer() : text(405, 'only GET and HEAD are allowed')
}

/** An answer in words. */
export function text(status: number, words: string): Answer {
  return { status, type: 'text/plain; charset=utf-8', body: `${words}\n` }
}
