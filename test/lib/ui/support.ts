/** A proxy within the process whose connections a page holds and bends. */
import { once } from 'node:events'
import { type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http'
import { connect } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Test } from 'tap'
import type { Leg } from '../../../lib/endpoints/endpoint.js'
import { memory } from '../../../lib/endpoints/memory.js'
import type { Connection } from '../../../lib/index.js'
import { type ProxyOptions, proxy } from '../../../lib/proxy.js'
import { serve } from '../../../lib/serve.js'
import type { Summary } from '../../../lib/stats/summary.js'
import { openBreakpoints } from '../../../lib/ui/breakpoints.js'
import type { Connections, Mark } from '../../../lib/ui/holds.js'
import { type ShownServer, serveUi, type UiOptions } from '../../../lib/ui.js'
import { turns } from '../stats/stopped-clock.js'

/** One end of a conversation: what it says, and what it has been told. */
export interface End {
  readonly stream: Duplex
  say(bytes: string | Buffer): Promise<void>
  /** Ends its side. */
  end(bytes?: string | Buffer): Promise<void>
  heard(): string
  bytes(): Buffer
}

export interface Conversation {
  readonly client: End
  readonly target: End
  readonly connection: Connection
}

let names = 0

export async function openProxy(t: Test, options: Partial<ProxyOptions> = {}) {
  const [from, to] = [`memory:page-${++names}`, `memory:target-${names}`]
  const accepted: Leg[] = []
  const target = await memory.listen?.(
    memory.parse(to),
    arrival => void Promise.resolve(arrival.open({} as never)).then(leg => accepted.push(leg as Leg)),
    {} as never,
  )
  const opened: Connection[] = []
  const ends: Promise<Summary>[] = []
  const link = await proxy({
    listen: from,
    to,
    ...options,
    onConnection(connection) {
      opened.push(connection as Connection)
      ends.push(connection.closed)
    },
  })
  t.teardown(async () => {
    await link.close({ drain: 0 })
    for (const { stream } of accepted) stream.destroy()
    await target?.close()
  })
  const connections: Connections = { find: id => [...link.connections].find(each => each.id === id) }

  async function connect(): Promise<Conversation> {
    const leg = (await memory.dial?.(memory.parse(from), {})) as Leg
    t.teardown(() => leg.stream.destroy())
    await turns()
    return {
      client: endOf(leg.stream),
      target: endOf((accepted.at(-1) as Leg).stream),
      connection: opened.at(-1) as Connection,
    }
  }

  return { link, ends, connections, connect }
}

/** The same with breakpoints, and the marks that they have made. */
export async function openHeld(t: Test, options?: Partial<ProxyOptions>) {
  const opened = await openProxy(t, options)
  const marks: (Mark & { connection: string })[] = []
  const breakpoints = openBreakpoints(opened.link, opened.connections, (connection, mark) =>
    marks.push({ connection, ...mark }),
  )
  t.teardown(() => breakpoints.close())
  const held = () => breakpoints.list().held
  const data = () => held().map(({ id }) => String(Buffer.from(breakpoints.held(id).data, 'base64')))
  return { ...opened, breakpoints, marks, held, data }
}

function endOf(stream: Duplex): End {
  const chunks: Buffer[] = []
  let isOver = false
  stream.on('error', () => {})
  stream.on('data', chunk => chunks.push(chunk))
  stream.on('end', () => {
    isOver = true
  })
  return {
    stream,
    async say(bytes) {
      stream.write(bytes)
      await turns()
    },
    async end(bytes = '') {
      stream.end(bytes)
      await turns()
    },
    heard: () => `${Buffer.concat(chunks)}${isOver ? '.' : ''}`,
    bytes: () => Buffer.concat(chunks),
  }
}

/** Where a page is served: a port of 127.0.0.1, or the path of a unix socket. */
export type Place = { port: number } | { socketPath: string }

export interface Question {
  method?: string
  headers?: Record<string, string>
  body?: string | Buffer
  token?: string
}

export interface Answered {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
  // biome-ignore lint/suspicious/noExplicitAny: an answer has whatever members it has
  readonly json: any
}

/** Asks, and waits for the whole answer. */
export async function ask(place: Place, path: string, question: Question = {}): Promise<Answered> {
  const { method = 'GET', headers, body = '', token } = question
  const given = { ...(token && { authorization: `Bearer ${token}` }), ...headers }
  const asked = request({ host: '127.0.0.1', ...place, path, method, headers: given, agent: false })
  asked.end(body)
  const [answer] = (await once(asked, 'response')) as [IncomingMessage]
  const chunks: Buffer[] = []
  for await (const chunk of answer) chunks.push(chunk)
  const all = Buffer.concat(chunks)
  const isJson = answer.headers['content-type']?.startsWith('application/json') && all.length > 0
  const json = isJson ? JSON.parse(String(all)) : undefined
  return { status: Number(answer.statusCode), headers: answer.headers, body: all, json }
}

/** What comes of these bytes on a connection of their own, to its end: also if that is a reset. */
export async function exchange(t: Test, port: number, text: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  socket.on('error', () => {})
  const chunks: Buffer[] = []
  socket.on('data', chunk => chunks.push(chunk))
  socket.write(text)
  await new Promise(resolve => socket.once('close', resolve))
  return String(Buffer.concat(chunks))
}

export const token = 'a-token-of-the-test'

/** A page of a proxy within the process, by HTTP. */
export async function openShown(t: Test, options: UiOptions = {}, proxied: Partial<ProxyOptions> = {}) {
  const opened = await openProxy(t, proxied)
  const ui = await serveUi(opened.link, { listen: '127.0.0.1:0', token, ...options })
  t.teardown(() => ui.close())
  const { port } = ui.address
  return {
    ...{ ...opened, ui, port },
    get: (path: string, question?: Question) => ask({ port }, path, question),
    post: (path: string, body: object = {}) =>
      ask({ port }, path, { method: 'POST', token, body: JSON.stringify(body) }),
  }
}

/** A server whose stages nobody can change. */
export async function bareServer(t: Test): Promise<ShownServer> {
  const server = await serve({ listen: '127.0.0.1:0', reply: true })
  t.teardown(() => server.close())
  const { address, closed, observe, measure, stats, connections } = server
  return { address, closed, observe, measure, stats, connections }
}
