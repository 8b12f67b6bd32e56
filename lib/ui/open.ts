/** Opens the page: listens, and answers its requests when there is something to show. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { TcpAddress } from '../endpoints/tcp.js'
import type { UnixAddress } from '../endpoints/unix.js'
import { type HttpListener, httpUrl, listenForHttp, type Reach } from '../http/listener.js'
import { errorCode, errorMessage } from '../text/errors.js'
import { type Api, openApi, reading } from './api.js'
import { sendBytes, sendJson } from './body.js'
import { type Events, openEvents } from './events.js'
import { pageFiles } from './files.js'
import { newToken, rightsOf } from './guard.js'
import { openPage, openPageOver, type Page, type PageOptions, type ShownProcesses } from './page.js'
import { Refusal, wrongMethod } from './refusal.js'
import { type ShownConnection, type ShownServer, shownOf } from './shown.js'

/** A page has up to six connections at once, one of which stays. */
const mostClients = 32

type Given = ShownServer | ShownConnection | ShownProcesses

/** Rejects with the system error if it cannot listen. */
export async function openUi(
  given: Given | PromiseLike<Given>,
  address: TcpAddress | UnixAddress,
  token = newToken(),
  options: PageOptions,
) {
  const files = pageFiles()
  const opening = open(given, options)
  const shut = () => opening.then(({ page }) => page.close(), ignore)
  let isSettled = false
  const settled = () => {
    isSettled = true
  }
  opening.then(settled, settled) // without a server there is nothing to show
  const listener = await listenForHttp(address, {
    mostClients,
    answer: (request, response, reach) =>
      answer({ request, response, reach, token, files, opening }).catch(error => refuse(response, error)),
  }).catch(error => {
    shut()
    throw error
  })
  const { bound } = listener
  const end = async () => {
    listener.stop()
    const over = shut()
    if (isSettled) await opening.then(({ events }) => events.close(), ignore)
    listener.close()
    if (isSettled) await over // what comes later is closed then
  }
  let ended: Promise<void> | undefined
  const close = () => {
    ended ??= end()
    return ended
  }
  opening.then(({ page }) => page.shown.closed).then(close, close)
  return {
    ...{ address: bound, token, close, [Symbol.asyncDispose]: close, url: urlOf(bound, token) },
    log: (level: string, text: string) => void opening.then(({ page }) => page.lines.add(level, text), ignore),
  }
}

function urlOf(bound: HttpListener['bound'], token: string): string {
  return bound.family === 'unix' ? `unix:${bound.address}` : `${httpUrl(bound)}/#token=${token}`
}

function ignore(): void {}

interface Opened {
  readonly page: Page
  readonly events: Events
  readonly api: Api
}

async function open(given: Given | PromiseLike<Given>, options: PageOptions): Promise<Opened> {
  const about = await given
  const page = 'desk' in about ? openPageOver(about, options) : openPage(shownOf(about), options)
  const events = openEvents(page)
  return { page, events, api: openApi(page, events) }
}

interface Requested {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly reach: Reach
  readonly token: string
  readonly files: ReturnType<typeof pageFiles>
  readonly opening: Promise<Opened>
}

async function answer({ request, response, reach, token, files, opening }: Requested): Promise<void> {
  const rights = rightsOf(request, token, reach)
  const { pathname, searchParams: query } = urlOfRequest(request)
  if (pathname.startsWith('/api/')) {
    const { api } = await opening
    return api(pathname, { request, response, query, rights })
  }
  const file = files(pathname)
  if (!file) throw new Refusal(404, 'there is no such path')
  if (!reading.includes(request.method as string)) throw wrongMethod(request.method, reading)
  sendBytes(response, 200, file.type, file.body)
}

function urlOfRequest({ url = '/' }: IncomingMessage): URL {
  if (!url.startsWith('/')) throw new Refusal(400, 'the path of the request is not allowed') // `http://other/path`, `*`
  return new URL(`http://page${url}`)
}

function refuse(response: ServerResponse, error: unknown): void {
  const headers = error instanceof Refusal ? error.headers : {}
  sendJson(response, statusOf(error), { error: { message: errorMessage(error) } }, headers)
}

function statusOf(error: unknown): number {
  if (error instanceof Refusal) return error.status
  const code = errorCode(error)
  if (code === 'ERR_OPTION' || code === 'ERR_SPEC') return 400
  return code === 'ERR_STAGE' ? 409 : 500
}
