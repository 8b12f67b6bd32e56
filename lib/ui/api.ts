/** The paths of the API, and what they answer. */
import type { Asked } from './asked.js'
import { readObject, sendBytes, sendJson } from './body.js'
import { listParameters } from './connections.js'
import type { Desk } from './desk.js'
import { type Events, eventParameters } from './events.js'
import { statsOf } from './figures.js'
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
    const { changes: before } = page
    const result = await answer(asked, id)
    const changes = method === 'POST' ? ++page.changes : before
    if (result) sendJson(asked.response, 200, result, { 'tcp-pipe-changes': String(changes) })
  }
}

function reads(page: Page, events: Events): Routes {
  const { desk, recent, lines } = page
  return {
    '/api/stats': {
      GET: asked => statsOf(page, read(asked, { connection: anyText(undefined) }).connection, asked.rights.mayChange),
    },
    '/api/history': { GET: asked => read(asked, {}) && recent.after(0) },
    '/api/connections': { GET: asked => desk.list(read(asked, listParameters)) },
    '/api/connections/ID': { GET: (asked, id) => read(asked, {}) && desk.connection(id) },
    '/api/connections/ID/bytes': { GET: (asked, id) => sendKept(desk, asked, id) },
    '/api/events': { GET: asked => events.open(asked, read(asked, eventParameters)) },
    '/api/log': { GET: asked => read(asked, {}) && lines.after(0) },
    '/api/faults': {
      async GET(asked) {
        read(asked, {})
        const [available, { faults: on }] = await Promise.all([desk.faultKinds(), desk.state()])
        return { available, on }
      },
      POST: async asked => desk.switchOn(await readObject(asked.request)),
    },
    '/api/breakpoints': {
      async GET(asked) {
        read(asked, {})
        const { breakpoints, held } = await desk.state()
        return { breakpoints, held }
      },
      POST: async asked => desk.addBreakpoint(await readObject(asked.request)),
    },
    '/api/held/ID': { GET: (asked, id) => read(asked, {}) && desk.held(id) },
  }
}

function changes({ desk }: Page): Routes {
  const act = (work: (id: string, body: object) => unknown): { POST: Answer } => ({
    async POST({ request }, id) {
      const body = await readObject(request)
      await work(id, body)
      return {}
    },
  })
  const end = (how: 'close' | 'reset'): { POST: Answer } => ({
    async POST({ request }, id) {
      await readObject(request)
      await desk.end(id, how)
      return { connection: id }
    },
  })
  return {
    '/api/connections/ID/close': end('close'),
    '/api/connections/ID/reset': end('reset'),
    '/api/faults/ID/remove': act(id => desk.switchOff(id)),
    '/api/breakpoints/ID/remove': act(id => desk.removeBreakpoint(id)),
    '/api/held/ID/release': act((id, body) => desk.release(id, body)),
    '/api/held/ID/drop': act(id => desk.drop(id)),
    '/api/held/ID/reset': act(id => desk.reset(id)),
  }
}

function read<P extends Parameters>({ query }: Asked, parameters: P) {
  return readQuery(query, parameters)
}

const bytesParameters = {
  after: whole(0, Number.MAX_SAFE_INTEGER, 0),
  way: choice(['in', 'out'], undefined),
}

async function sendKept(desk: Desk, asked: Asked, id: string): Promise<object | undefined> {
  const { after, way } = read(asked, bytesParameters)
  if (way === undefined) return desk.bytes(id, after)
  if (asked.query.has('after'))
    throw new Refusal(400, 'after: not allowed with way, which returns all kept bytes of it')
  const { bytes, dropped } = await desk.raw(id, way)
  sendBytes(asked.response, 200, 'application/octet-stream', bytes, {
    'tcp-pipe-dropped': String(dropped),
    'content-disposition': `attachment; filename="${id.replace(/\W/g, '')}-${way}.bin"`,
  })
  return undefined
}
