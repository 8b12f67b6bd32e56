import { EventEmitter, once } from 'node:events'
import { request } from 'node:http'
import t, { type Test } from 'tap'
import { eventParameters, openEvents } from '../../../lib/ui/events.js'
import { openPage } from '../../../lib/ui/page.js'
import { readQuery } from '../../../lib/ui/parameters.js'
import { Refusal } from '../../../lib/ui/refusal.js'
import { shownOf } from '../../../lib/ui/shown.js'
import { closed } from '../network.js'
import { stoppedClock, turns } from '../stats/stopped-clock.js'
import { ask, openProxy, openShown } from './support.js'

interface Heard {
  event: string
  // biome-ignore lint/suspicious/noExplicitAny: each event has other members
  data: any
}

function parsed(text: string): Heard[] {
  const blocks = text.split('\n\n').slice(0, -1)
  return blocks.flatMap(block => {
    const [, event, data] = /^event: (.*)\ndata: (.*)$/.exec(block) ?? []
    return event && data ? [{ event, data: JSON.parse(data) }] : []
  })
}

/** A page that listens by HTTP. */
async function listen(t: Test, port: number, query = '') {
  const asked = request({ host: '127.0.0.1', port, path: `/api/events?${query}`, agent: false })
  asked.end()
  const [response] = await once(asked, 'response')
  t.teardown(() => response.destroy())
  let text = ''
  response.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
  })
  response.on('error', () => {})
  const heard = (event: string) => parsed(text).filter(each => each.event === event)
  /** The first one that passes, as soon as it has come. */
  const next = async (event: string, passes: (data: Heard['data']) => boolean = () => true) => {
    for (;;) {
      const found = heard(event).find(({ data }) => passes(data))
      if (found) return found.data
      await once(response, 'data')
    }
  }
  return { response, heard, next, text: () => text }
}

t.test('what a page hears at once, and when something is new', async t => {
  const { port, connect, ui } = await openShown(t)
  const { client, target, connection } = await connect()
  const { id } = connection
  await client.say('ask')
  const { next, response, heard } = await listen(t, port, `connection=${id}&interval=200&limit=1`)
  t.equal(response.headers['content-type'], 'text/event-stream; charset=utf-8')
  t.match(await next('stats'), { stats: { accepted: 1 }, mayChange: false, pipeline: {} })
  t.match(await next('connections'), { open: 1, connections: [{ id }] })
  t.match(await next('bytes'), { id, next: 2, entries: [{ mark: 'opened' }, { way: 'in' }] })
  t.match(await next('log'), { lines: [{ text: 'memory connected' }], dropped: 0 })
  await target.say('answer')
  const { entries } = await next('bytes', ({ next }) => next === 3)
  t.same(entries.length, 1, 'only what is new')
  ui.log('warn', 'a line')
  const { lines } = await next('log', ({ lines }) => lines.at(-1).text === 'a line')
  t.equal(lines.length, 1, 'only what is new')
  t.match(await next('stats', ({ stats }) => stats.bytesOut === 6), { stats: { bytesIn: 3 } })
  const first = await next('history', ({ time }) => time.length === 1)
  await next('history', ({ time }) => time[0] > first.time[0])
  t.ok(heard('history').every(({ data }) => data.time.length === 1))
  await Promise.all([client.end(), target.end()])
  t.match(await next('bytes', ({ state }) => state === 'ended'), { entries: [{ mark: 'closed' }] })
})

t.test('the parameters of the list, and from where the bytes follow', async t => {
  const { port, connect, post } = await openShown(t)
  const { client, connection } = await connect()
  await connect()
  await client.say('1')
  await client.say('2')
  const { id } = connection
  const { next, heard } = await listen(t, port, `connection=${id}&after=2&sort=number&order=asc&limit=1`)
  t.match(await next('connections'), { matching: 2, connections: [{ number: 1 }] })
  t.same((await next('bytes')).entries.length, 1)
  t.match(heard('bytes'), [{ data: { entries: [{ sequence: 3 }], next: 3 } }])
  t.equal((await post('/api/events')).status, 405)
})

t.test('a connection that is not known has no bytes', async t => {
  const { port } = await openShown(t)
  const { next, heard } = await listen(t, port, 'connection=other&interval=200')
  await next('stats')
  await next('history')
  t.same(heard('bytes'), [])
})

t.test('the end of the server', async t => {
  const { port, link, ui } = await openShown(t)
  const listeners = [await listen(t, port), await listen(t, port)]
  await Promise.all(listeners.map(({ next }) => next('stats')))
  await link.close()
  for (const { response, next, heard } of listeners) {
    t.same(await next('end'), {})
    await closed(response)
    t.equal(heard('end').length, 1)
    t.ok(response.complete, 'no reset')
  }
  await ui.close()
  await t.rejects(ask({ port }, '/api/stats'), { code: 'ECONNREFUSED' })
})

t.test('the page is closed while the server goes on', async t => {
  const { port, ui } = await openShown(t)
  const { next } = await listen(t, port)
  await next('stats')
  await ui.close()
  t.same(await next('end'), {})
})

class FakeResponse extends EventEmitter {
  writableLength = 0
  destroyed = false
  readonly req = { method: 'GET' }
  status = 0
  text = ''
  isEnded = false

  writeHead(status: number): this {
    this.status = status
    return this
  }

  write(text: string): void {
    if (this.isEnded) throw new Error('write after end')
    this.text += text
  }

  end(text: string): this {
    this.write(text)
    this.isEnded = true
    return this
  }

  destroy(): void {
    this.destroyed = true
    this.emit('close')
  }

  take(): Heard[] {
    const heard = parsed(this.text)
    this.text = ''
    return heard
  }
}

/** Events whose time the test makes. */
async function openStopped(t: Test) {
  const opened = await openProxy(t)
  const clock = stoppedClock(t, { timers: true })
  const keep = { perConnection: 1e6, total: 1e7, tls: false }
  const page = openPage(shownOf(opened.link), { about: {}, keep, faults: [], ownLog: true })
  t.teardown(() => page.close())
  const events = openEvents(page)
  const begin = async (query = '', response = new FakeResponse()) => {
    const parameters = readQuery(new URLSearchParams(query), eventParameters)
    events.open({ response, rights: { mayRead: true, mayChange: true } } as never, parameters)
    await turns(2)
    return response
  }
  const names = (response: FakeResponse) => response.take().map(({ event }) => event)
  /** Passes time in steps of 250 ms, and sends what is due after each. */
  const pass = async (milliseconds: number) => {
    for (let i = 0; i < milliseconds; i += 250) {
      clock.pass(250)
      await turns(2)
    }
  }
  return { ...opened, pass, page, events, begin, names }
}

t.test('figures come after each interval, history each second', async t => {
  const { pass, begin, names } = await openStopped(t)
  const slow = await begin('interval=3000')
  const fast = await begin('interval=500')
  for (const response of [slow, fast]) t.same(names(response), ['stats', 'connections'])
  await pass(3000)
  const count = (all: string[], name: string) => all.filter(each => each === name).length
  const [seldom, often] = [names(slow), names(fast)]
  t.same([count(seldom, 'stats'), count(seldom, 'connections')], [1, 1])
  t.same([count(often, 'stats'), count(often, 'connections')], [6, 6])
  t.same([count(seldom, 'history'), count(often, 'history')], [3, 3])
})

t.test('a client that does not read misses figures, and gets bytes and lines later', async t => {
  const { pass, begin, connect, page, names } = await openStopped(t)
  const { client, connection } = await connect()
  const response = await begin(`connection=${connection.id}`)
  response.take()
  response.writableLength = 64 * 1024 + 1
  for (let i = 0; i < 10; i++) {
    await client.say(String(i))
    page.lines.add('info', String(i))
    await pass(1000)
  }
  t.same(response.take(), [])
  response.writableLength = 0
  await pass(250)
  const heard = response.take()
  t.same(
    heard.map(({ event }) => event),
    ['stats', 'connections', 'history', 'bytes', 'log'],
    'one of each',
  )
  t.equal(heard[2]?.data.time.length, 10)
  t.equal(heard[3]?.data.entries.length, 10)
  t.equal(heard[4]?.data.lines.length, 10)
  await pass(250)
  t.notOk(
    names(response).some(name => ['bytes', 'log'].includes(name)),
    'nothing twice',
  )
})

t.test('an event reports what was dropped meanwhile', async t => {
  const { pass, begin, connect, page } = await openStopped(t)
  const { client, connection } = await connect()
  const response = await begin(`connection=${connection.id}`)
  response.take()
  response.writableLength = 1e6
  for (let i = 0; i < 30; i++) await client.say(Buffer.alloc(64 * 1024))
  for (let i = 0; i < 250; i++) page.lines.add('info', 'x')
  response.writableLength = 0
  await pass(250)
  const [bytes, log] = response.take().filter(({ event }) => ['bytes', 'log'].includes(event))
  const { dropped, entries, more } = bytes?.data ?? {}
  t.ok(dropped.in > 0)
  t.equal(entries[0].offset, dropped.in)
  t.equal(more, true)
  t.equal(log?.data.dropped, 50)
  const rest = []
  for (let i = 0; i < 10; i++) {
    await pass(250)
    rest.push(...response.take().filter(({ event }) => event === 'bytes'))
  }
  const last = rest.at(-1)?.data.entries.at(-1)
  t.equal(last.offset + Buffer.from(last.data, 'base64').length, 30 * 64 * 1024, 'all that is kept comes')
})

t.test('a stream in which nothing happens shows that it is alive', async t => {
  const { pass, begin, page } = await openStopped(t)
  page.recent.stop() // no history
  const response = await begin('interval=60000')
  response.take()
  await pass(1750)
  t.equal(response.text, '')
  await pass(250)
  t.equal(response.text, ': alive\n\n')
  await pass(4000)
  t.equal(response.text, ': alive\n\n'.repeat(3))
})

t.test('figures that cannot be made end the stream, and nothing else', async t => {
  const { begin, pass, page, events } = await openStopped(t)
  const response = await begin()
  const { snapshots } = page
  Object.assign(snapshots, {
    now() {
      throw new Error('a mistake')
    },
  })
  await pass(1000)
  t.ok(response.destroyed)
  Reflect.deleteProperty(snapshots, 'now')
  t.notOk((await begin()).destroyed)
  void events.close()
})

t.test('there is a timer only while somebody listens', async t => {
  const begun: unknown[] = []
  const ended: unknown[] = []
  const { begin, events } = await openStopped(t)
  const { setInterval: set, clearInterval: clear } = globalThis
  t.intercept(globalThis, 'setInterval', {
    value: (...given: Parameters<typeof set>) => {
      const timer = set(...given)
      begun.push(timer)
      return timer
    },
  })
  t.intercept(globalThis, 'clearInterval', {
    value: (timer: NodeJS.Timeout) => {
      ended.push(timer)
      clear(timer)
    },
  })
  const [one, other] = [await begin(), await begin()]
  t.equal(begun.length, 1)
  one.emit('close')
  t.equal(ended.length, 0)
  other.emit('close')
  t.same(ended, begun)
  await begin()
  t.equal(begun.length, 2)
  const over = events.close()
  t.same(ended, begun)
  await turns(1)
  void over
})

t.test('a request that comes with the end, after its client, or for the headers only', async t => {
  const { begin, events, pass } = await openStopped(t)
  const listening = await begin()
  const late = events.close()
  t.ok(listening.isEnded)
  listening.emit('close')
  await late
  const after = await begin()
  t.same([after.text, after.isEnded], ['event: end\ndata: {}\n\n', true])
  const left = Object.assign(new FakeResponse(), { destroyed: true })
  await begin('', left)
  t.same([left.status, left.text], [0, ''])
  await pass(2000)
  t.equal(left.text, '', 'nothing is sent after the end')
})

t.test('a mistake while bytes are read, and an answer that comes after the client has left', async t => {
  const { begin, page, pass } = await openStopped(t)
  const broken = Object.assign(new Proxy(page.desk, {}))
  Object.assign(page, { desk: broken })
  Object.assign(broken, {
    bytes() {
      throw new Error('a mistake')
    },
  })
  t.ok((await begin('connection=x')).destroyed)
  const asked: ((list: object) => void)[] = []
  Object.assign(broken, { list: () => new Promise(resolve => asked.push(resolve)) })
  const left = await begin()
  await pass(1000)
  t.equal(asked.length, 1, 'it is asked again only after its answer')
  left.destroy()
  const { text } = left
  asked[0]?.({})
  await pass(250)
  t.equal(left.text, text)
})

t.test('a connection that is gone with its process', async t => {
  const { begin, page, pass, connect } = await openStopped(t)
  const { connection } = await connect()
  const { id } = connection
  const response = await begin(`connection=${id}`)
  t.match(response.take().find(({ event }) => event === 'bytes')?.data, { state: 'open', next: 1 })
  const { desk } = page
  const gone = Object.assign(Object.create(desk), {
    bytes() {
      throw new Refusal(404, 'unknown')
    },
  })
  Object.assign(page, { desk: gone })
  await pass(250)
  const ended = { state: 'ended', next: 2, entries: [{ sequence: 2, mark: 'closed', text: 'with its process' }] }
  t.match(response.take().find(({ event }) => event === 'bytes')?.data, ended)
  await pass(1000)
  t.notOk(
    response.take().some(({ event }) => event === 'bytes'),
    'once',
  )
  gone.bytes = () => {
    throw new Refusal(409, 'worker 1 does not answer')
  }
  const other = await begin(`connection=${id}`)
  t.notOk(other.destroyed)
})

t.test('only the headers', async t => {
  const { begin, pass } = await openStopped(t)
  const response = Object.assign(new FakeResponse(), { req: { method: 'HEAD' } })
  await begin('', response)
  t.ok(response.isEnded)
  await pass(2000)
  t.equal(response.status, 200)
})

t.test('the end does not wait for a client that does not read', async t => {
  const { link } = await openProxy(t)
  const page = openPage(shownOf(link), {
    ...{ about: {}, keep: { perConnection: 0, total: 0, tls: false }, faults: [], ownLog: false },
  })
  t.teardown(() => page.close())
  const events = openEvents(page)
  const response = new FakeResponse()
  const rights = { mayRead: true, mayChange: true }
  events.open({ response, rights } as never, readQuery(new URLSearchParams(), eventParameters))
  const alive = setTimeout(() => {}, 60_000)
  await events.close()
  clearTimeout(alive)
  t.ok(response.isEnded)
})
