/** Server-sent events (WHATWG HTML, section 9.2): what pages hear while they are open. */
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { setTimeout } from 'node:timers/promises'
import type { Asked } from './asked.js'
import { listParameters } from './connections.js'
import type { Desk, KeptBytes } from './desk.js'
import { statsOf } from './figures.js'
import { securityHeaders } from './guard.js'
import type { Page } from './page.js'
import { anyText, type ValuesOf, whole } from './parameters.js'
import { Refusal } from './refusal.js'

export const eventParameters = {
  ...listParameters,
  connection: anyText(undefined),
  after: whole(0, Number.MAX_SAFE_INTEGER, 0),
  interval: whole(200, 60_000, 1000),
}

type Query = ValuesOf<typeof eventParameters>

export interface Events {
  /** Begins a stream. */
  open(asked: Pick<Asked, 'response' | 'rights'>, query: Query): undefined
  /** Tells all that the server has ended, and ends their streams. Resolves when they have got it, or do not read. */
  close(): Promise<void>
}

/** A page that listens. */
interface Listener {
  readonly response: ServerResponse
  readonly query: Query
  readonly mayChange: boolean
  /** When the next figures are due: a timestamp of `performance.now()`. */
  due: number
  /** When something was sent last. */
  sent: number
  bytesAfter: number
  bytesState: string
  linesAfter: number
  samplesAfter: number
  isTelling: boolean
}

/** Milliseconds between two looks for something new. */
const tick = 250

/** Milliseconds after which a silent stream is shown to be alive: less than those after which the server gives it up. */
const heartbeat = 2000

/** The bytes that a page may leave unread before it misses figures. */
const mostUnread = 64 * 1024

/** Milliseconds for a page to read what is left when the server has ended. */
const patience = 1000

const end = 'event: end\ndata: {}\n\n'

/** One timer serves all pages, and only while there are any. */
export function openEvents(page: Page): Events {
  const listeners = new Set<Listener>()
  let timer: NodeJS.Timeout | undefined
  let isOver = false

  function rest(listener: Listener): void {
    listeners.delete(listener)
    if (listeners.size > 0) return
    clearInterval(timer)
    timer = undefined
  }

  return {
    open({ response, rights }, query) {
      if (response.destroyed) return // its client has left before there was a server
      response.writeHead(200, { ...securityHeaders, 'content-type': 'text/event-stream; charset=utf-8' })
      if (isOver || response.req.method === 'HEAD') return void response.end(end)
      const listener: Listener = {
        ...{ response, query, mayChange: rights.mayChange, due: performance.now(), sent: 0 },
        ...{ bytesAfter: query.after, bytesState: '', linesAfter: 0, samplesAfter: 0, isTelling: false },
      }
      listeners.add(listener)
      response.once('close', () => rest(listener))
      void tell(page, listener)
      timer ??= setInterval(() => {
        for (const each of listeners) void tell(page, each)
      }, tick).unref()
    },
    async close() {
      isOver = true
      clearInterval(timer)
      const told = [...listeners].map(({ response }) => once(response.end(end), 'close'))
      await Promise.race([Promise.all(told), setTimeout(patience, undefined, { ref: false })])
    },
  }
}

/** Nothing is owed to a page that does not read: it gets what is new when it has read the rest. */
async function tell(page: Page, listener: Listener): Promise<void> {
  const now = performance.now()
  if (listener.isTelling || listener.response.writableLength > mostUnread) return
  listener.isTelling = true
  try {
    await tellFigures(page, listener, now)
    tellHistory(page, listener)
    await tellBytes(page, listener)
    tellLines(page, listener)
    if (now - listener.sent >= heartbeat) write(listener, ': alive\n\n')
  } catch {
    listener.response.destroy() // the server goes on
  } finally {
    listener.isTelling = false
  }
}

async function tellFigures(page: Page, listener: Listener, now: number): Promise<void> {
  if (now < listener.due) return
  const { query, mayChange } = listener
  listener.due = Math.max(listener.due + query.interval, now + tick)
  const list = async () => page.desk.list(query)
  const [stats, connections] = await Promise.all([statsOf(page, query.connection, mayChange), list()])
  send(listener, 'stats', stats)
  send(listener, 'connections', connections)
}

function tellHistory({ recent }: Page, listener: Listener): void {
  if (recent.count === listener.samplesAfter) return
  send(listener, 'history', recent.after(listener.samplesAfter))
  listener.samplesAfter = recent.count
}

async function tellBytes({ desk }: Page, listener: Listener): Promise<void> {
  const { connection: id } = listener.query
  const bytes = id === undefined ? undefined : await bytesOf(desk, id, listener)
  if (!bytes) return
  const state = `${bytes.state} ${bytes.keeps}`
  if (bytes.entries.length === 0 && listener.bytesState === state) return
  send(listener, 'bytes', bytes)
  listener.bytesAfter = bytes.next
  listener.bytesState = state
}

/** Undefined for a connection that is not known yet, or is known to have ended. */
async function bytesOf(desk: Desk, id: string, listener: Listener): Promise<KeptBytes | undefined> {
  const { bytesAfter: next, bytesState } = listener
  try {
    return await desk.bytes(id, next)
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    return error.status === 404 && bytesState.startsWith('open') ? goneFrom(id, next) : undefined
  }
}

/** The process that had it has died. */
function goneFrom(id: string, next: number): KeptBytes {
  const mark = { sequence: next + 1, time: Date.now(), mark: 'closed', text: 'with its process' }
  const dropped = { in: 0, out: 0, marks: 0 }
  return { id, state: 'ended', keeps: 'no', dropped, next: next + 1, more: false, entries: [mark] }
}

function tellLines({ lines }: Page, listener: Listener): void {
  if (lines.last === listener.linesAfter) return
  send(listener, 'log', lines.after(listener.linesAfter))
  listener.linesAfter = lines.last
}

function send(listener: Listener, event: string, data: object): void {
  write(listener, `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`)
}

function write(listener: Listener, text: string): void {
  if (listener.response.writableEnded || listener.response.destroyed) return // it has been closed while an answer was awaited
  listener.sent = performance.now()
  listener.response.write(text)
}
