/** The paths of the API, and what they answer. */
import type { ServerResponse } from 'node:http'
import type { Connection } from '../connection/connection.js'
import type { Way } from '../stats/observer.js'
import type { Asked } from './asked.js'
import { readObject, sendBytes, sendJson } from './body.js'
import { connectionOf, listParameters, unknownConnection } from './connections.js'
import { type Events, eventParameters } from './events.js'
import { bytesOf, heldIn, listOf, statsOf } from './figures.js'
import type { Page } from './page.js'
import { anyText, choice, type Parameters, readQuery, whole } from './parameters.js'
import { Refusal, unauthorized, wrongMethod } from './refusal.js'

type Answer = (asked: Asked, id: string) => object | undefined | Promise<object | undefined>

/** The methods that change nothing. */
export const reading = ['GET', 'HEAD']

/** `/api/held/7/drop`: the words of the path, `ID` for what differs. */
type Routes = Readonly<Record<string, { readonly GET?: Answer; readonly POST?: Answer }>>

export type Api = (path: string, asked: Asked) => Promise<void>

/** Returns a function that answers a path. Rejects with a Refusal, or another error of the request. */
export function openApi(page: Page, events: Events): Api {
  const routes = { ...reads(page, events), ...changes(page) }
  return async (path, asked) => {
    const [, , , id = ''] = path.split('/')
    const route = routes[path] ?? routes[path.replace(/^(\/api\/\w+\/)[^/]+/, '$1ID')]
    if (!route) throw new Refusal(404, 'there is no such path')
    const method = asked.request.method === 'HEAD' ? 'GET' : asked.request.method
    const answer = method === 'GET' ? route.GET : method === 'POST' ? route.POST : undefined
    if (!answer)
      throw wrongMethod(asked.request.method, [...(route.GET ? reading : []), ...(route.POST ? ['POST'] : [])])
    if (!asked.rights.mayRead) throw unauthorized('the token is missing')
    if (method === 'POST' && !asked.rights.mayChange) throw unauthorized('the token is missing; changes need it')
    const result = await answer(asked, id)
    if (method === 'POST') page.changes++
    if (result) sendJson(asked.response, 200, result, { 'tcp-pipe-changes': String(page.changes) })
  }
}

function reads(page: Page, events: Events): Routes {
  const { record, lines, faults, breakpoints, snapshots } = page
  return {
    '/api/stats': {
      GET: asked => statsOf(page, read(asked, { connection: anyText(undefined) }).connection, asked.rights.mayChange),
    },
    '/api/history': { GET: asked => read(asked, {}) && record.recent.after(0) },
    '/api/connections': { GET: asked => listOf(page, read(asked, listParameters)) },
    '/api/connections/ID': {
      GET: (asked, id) => read(asked, {}) && connectionOf(record, snapshots.now(), heldIn(page), id),
    },
    '/api/connections/ID/bytes': { GET: (asked, id) => sendKept(page, asked, id) },
    '/api/events': { GET: asked => events.open(asked, read(asked, eventParameters)) },
    '/api/log': { GET: asked => read(asked, {}) && lines.after(0) },
    '/api/faults': {
      GET: asked => read(asked, {}) && { available: faults.available(), on: faults.on() },
      POST: async asked => faults.switchOn(await readObject(asked.request)),
    },
    '/api/breakpoints': {
      GET: asked => read(asked, {}) && breakpoints.list(),
      POST: async asked => breakpoints.add(await readObject(asked.request)),
    },
    '/api/held/ID': { GET: (asked, id) => read(asked, {}) && breakpoints.held(id) },
  }
}

function changes(page: Page): Routes {
  const { faults, breakpoints } = page
  const act = (work: (id: string, body: object) => unknown): { POST: Answer } => ({
    async POST({ request }, id) {
      const body = await readObject(request)
      await work(id, body)
      return {}
    },
  })
  const withConnection = (work: (connection: Connection) => void): { POST: Answer } => ({
    async POST({ request }, id) {
      await readObject(request)
      work(openConnection(page, id))
      return { connection: id }
    },
  })
  return {
    '/api/connections/ID/close': withConnection(connection => void connection.close('closed on the page')),
    '/api/connections/ID/reset': withConnection(connection => connection.reset('reset on the page')),
    '/api/faults/ID/remove': act(id => faults.switchOff(id)),
    '/api/breakpoints/ID/remove': act(id => breakpoints.remove(id)),
    '/api/held/ID/release': act((id, body) => breakpoints.release(id, body)),
    '/api/held/ID/drop': act(id => breakpoints.drop(id)),
    '/api/held/ID/reset': act(id => breakpoints.reset(id)),
  }
}

function read<P extends Parameters>({ query }: Asked, parameters: P) {
  return readQuery(query, parameters)
}

function openConnection({ find, record }: Page, id: string): Connection {
  const connection = find(id)
  if (connection) return connection
  throw record.conversations.has(id) ? new Refusal(409, 'the connection has ended') : unknownConnection(id)
}

const bytesParameters = {
  after: whole(0, Number.MAX_SAFE_INTEGER, 0),
  way: choice(['in', 'out'], undefined),
}

function sendKept(page: Page, asked: Asked, id: string): object | undefined {
  const { after, way } = read(asked, bytesParameters)
  if (way === undefined) return bytesOf(page, id, after)
  if (asked.query.has('after'))
    throw new Refusal(400, 'after: not allowed with way, which returns all kept bytes of it')
  sendRaw(page, asked.response, id, way)
  return undefined
}

function sendRaw({ record }: Page, response: ServerResponse, id: string, way: Way): void {
  const conversation = record.conversations.get(id)
  if (!conversation) throw unknownConnection(id)
  const { kept } = conversation
  sendBytes(response, 200, 'application/octet-stream', Buffer.concat(kept.ofWay(way)), {
    'tcp-pipe-dropped': String(kept.dropped[way]),
    'content-disposition': `attachment; filename="${id.replace(/\W/g, '')}-${way}.bin"`,
  })
}
