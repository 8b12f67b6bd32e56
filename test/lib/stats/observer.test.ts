import { once } from 'node:events'
import { PassThrough, Readable } from 'node:stream'
import t from 'tap'
import { proxy, send, serve } from '../../../lib/index.js'
import { type ObservedConnection, type Observer, observers } from '../../../lib/stats/observer.js'
import { clientOf, memorySink, outcome, recorder, until } from '../network.js'
import { turns } from './stopped-clock.js'

const names = ['listening', 'opened', 'refused', 'handshakeFailed', 'closed', 'stopped'] as const

const allNames = [...names, 'passed', 'faulted'] as const

/** What all methods of an observer have been called with. */
function spy(heard: unknown[], more: Observer = {}): Observer {
  const methods = Object.fromEntries(allNames.map(name => [name, (event: unknown) => void heard.push([name, event])]))
  return { ...methods, ...more }
}

function tellAll(observer: Required<Observer>): unknown[] {
  const events = allNames.map(name => ({ of: name }))
  for (const [i, name] of allNames.entries()) (observer[name] as (event: unknown) => void)(events[i])
  return allNames.map((name, i) => [name, events[i]])
}

t.test('every observer hears every event, in the order of the list', async t => {
  const heard: unknown[] = []
  const told = tellAll(observers([spy(heard), undefined, spy(heard)]))
  t.strictSame(
    heard,
    told.flatMap(event => [event, event]),
  )
  const [[, event], [, same]] = heard as [[string, unknown], [string, unknown]]
  t.equal(event, same, 'the very event')
})

t.test('every method is optional', async t => {
  const heard: unknown[] = []
  tellAll(observers([{}, { closed: summary => heard.push(summary) }]))
  t.strictSame(heard, [{ of: 'closed' }])
  t.doesNotThrow(() => tellAll(observers([])))
})

t.test('an observer that throws disturbs nobody', async t => {
  const heard: unknown[] = []
  let thrown = 0
  const broken = Object.fromEntries(
    allNames.map(name => [
      name,
      () => {
        if (thrown++ % 2 > 0) throw new Error(name)
        return Promise.reject(new Error(name))
      },
    ]),
  )
  const told = tellAll(observers([broken, spy(heard)]))
  t.strictSame(heard, told)
  t.equal(thrown, allNames.length)
})

t.test('an observer is called as a method of its own', async t => {
  class Counter implements Observer {
    count = 0
    refused(): void {
      this.count++
    }
  }
  const counter = new Counter()
  tellAll(observers([counter]))
  t.equal(counter.count, 1)
})

t.test('an observer comes and goes; one that was added twice is removed once', async t => {
  const heard: unknown[] = []
  const all = observers([])
  t.equal(all.takesBytes, false)
  const observer = { passed: (_: unknown, way: string) => void heard.push(way) }
  const remove = all.add(observer)
  all.add(observer)
  t.equal(all.takesBytes, true)
  all.passed({} as never, 'in', Buffer.from('x'))
  t.same(heard, ['in', 'in'])
  remove()
  remove()
  all.passed({} as never, 'out', Buffer.from('x'))
  t.same(heard, ['in', 'in', 'out'])
})

t.test('an observer of bytes that throws disturbs nobody', async t => {
  let heard = 0
  const fail = () => {
    throw new Error('broken')
  }
  const all = observers([{ passed: fail }, { passed: () => void heard++ }])
  all.passed({} as never, 'in', Buffer.from('x'))
  t.equal(heard, 1)
})

/** What an observer hears of a server, by the names of the events. */
function listenTo(more: Observer = {}) {
  const heard: [string, Record<string, unknown>][] = []
  const observer: Observer = Object.fromEntries(
    names.map(name => [
      name,
      (event: Record<string, unknown>) => {
        heard.push([name, event])
        ;(more[name] as ((event: object) => void) | undefined)?.(event)
      },
    ]),
  )
  return { observer, heard, events: () => heard.map(([name]) => name) }
}

t.test('what a server tells, in its order', async t => {
  const { observer, heard, events } = listenTo()
  const server = await serve({ listen: 'memory:order', to: () => memorySink(), maxConnections: 7, observer })
  t.match(heard, [['listening', { address: 'order', family: 'memory', port: 0, maxConnections: 7 }]])
  const source = new PassThrough()
  const sent = send({ to: 'memory:order', from: source, output: memorySink() })
  source.write('abc')
  await turns()
  t.same(events(), ['listening', 'opened'])
  const connection = heard[1]?.[1] as unknown as ObservedConnection
  t.match(connection, { number: 1, remote: 'memory', port: undefined, id: /^\w+$/ })
  t.match(connection.stats(), { bytesIn: 3, id: connection.id })
  source.end('d')
  await sent
  await server.close()
  t.same(events(), ['listening', 'opened', 'closed', 'stopped'])
  t.match(heard[2]?.[1], { id: connection.id, bytesIn: 4, closedBy: 'peer' })
  t.match(heard[3]?.[1], { accepted: 1, closed: { peer: 1 }, bytesIn: 4, connections: [] })
})

t.test('a proxy tells of its target', async t => {
  const { observer, heard } = listenTo()
  const server = await proxy({ listen: 'memory:proxied', to: 'memory:nobody', observer })
  t.teardown(() => server.close({ drain: 0 }))
  t.match(heard, [['listening', { address: 'proxied', to: 'memory:nobody' }]])
  await t.rejects(send({ to: 'memory:proxied', from: Readable.from([]), output: memorySink() }), { code: 'ECONNRESET' })
  t.match(heard.slice(1), [
    ['opened', { number: 1 }],
    ['closed', { closedBy: 'error', error: { code: 'ECONNREFUSED' } }],
  ])
})

t.test('a client that is turned away, and one whose handshake fails', async t => {
  const denied = listenTo()
  const server = await serve({ port: 0, deny: ['127.0.0.1'], to: () => memorySink(), observer: denied.observer })
  t.teardown(() => server.close({ drain: 0 }))
  t.match(await outcome(clientOf(t, { port: server.address.port })), { code: 'ECONNRESET' })
  t.same(denied.heard.slice(1), [['refused', { reason: 'access', remote: '127.0.0.1' }]])
  const secured = listenTo()
  const secure = await serve({ port: 0, tls: 'auto', to: () => memorySink(), observer: secured.observer })
  t.teardown(() => secure.close({ drain: 0 }))
  const client = clientOf(t, { port: secure.address.port })
  await once(client, 'connect')
  const remote = `127.0.0.1:${client.localPort}`
  client.end('this is no TLS')
  await outcome(client)
  await until(() => secured.heard.length === 2)
  t.match(secured.heard, [
    ['listening', { pin: /^sha256/ }],
    ['handshakeFailed', { remote, error: Error }],
  ])
  t.match(secure.stats(), { handshakeFailures: 1, accepted: 0 })
})

t.test('a send tells that its connection is open, and how it ends', async t => {
  const server = await serve({ listen: 'memory:sends', to: () => memorySink() })
  t.teardown(() => server.close({ drain: 0 }))
  const { observer, heard, events } = listenTo()
  const summary = await send({
    to: 'memory:sends',
    from: Readable.from([Buffer.from('a')]),
    output: memorySink(),
    observer,
  })
  t.same(events(), ['opened', 'closed'])
  t.equal(heard[1]?.[1], summary)
})

t.test('an observer that throws disturbs neither the server nor a send', async t => {
  const error = () => {
    throw new Error('observer')
  }
  const throwing = { listening: error, opened: error, closed: error, stopped: error }
  const [mine, theirs] = [listenTo(throwing), listenTo(throwing)]
  const { log, lines } = recorder()
  const sink = memorySink()
  const server = await serve({ listen: 'memory:throws', to: () => sink, observer: theirs.observer, log })
  const from = Readable.from([Buffer.from('hello')])
  await send({ to: 'memory:throws', from, output: memorySink(), observer: mine.observer })
  await server.close()
  t.equal(String(sink.data), 'hello')
  t.same(theirs.events(), ['listening', 'opened', 'closed', 'stopped'])
  t.same(mine.events(), ['opened', 'closed'])
  t.match(lines, [{ msg: 'listening' }, { msg: 'connection closed' }], 'nor the log')
})
