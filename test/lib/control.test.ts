import { once } from 'node:events'
import { statSync } from 'node:fs'
import type { Socket } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { control } from '../../lib/control.js'
import { type PipeServer, type ServeOptions, serve } from '../../lib/serve.js'
import type { Server } from '../../lib/server/server.js'
import { fakeServer } from './fake-server.js'
import { clientOf, outcome, received, socketPath } from './network.js'

interface Started {
  server: PipeServer
  path: string
  controller: Server
}

async function open(t: Test, options: ServeOptions = {}): Promise<Started> {
  const path = socketPath(t)
  const server = await serve({ port: 0, reply: true, ...options })
  t.teardown(() => server.close({ drain: 0 }))
  const controller = await control(server, { listen: `unix:${path}`, about: { name: 'ours' } })
  t.teardown(() => controller.close({ drain: 0 }))
  return { server, path, controller }
}

/** The answers to these lines, as long as the connection lasts. */
async function asked(t: Test, path: string, ...lines: string[]): Promise<unknown[]> {
  const client = clientOf(t, path)
  client.end(lines.map(line => `${line}\n`).join(''))
  const answers = (await received(client)).split('\n')
  t.equal(answers.pop(), '')
  return answers.map(answer => JSON.parse(answer))
}

async function connected(t: Test, server: Server): Promise<Socket> {
  const client = clientOf(t, server.address)
  client.write('hello')
  await once(client, 'data')
  return client
}

t.test('stats are the figures of the server, what it is about, and its address', async t => {
  const { server, path } = await open(t)
  await connected(t, server)
  const [answer] = await asked(t, path, '{"id":1,"method":"stats"}')
  t.match(answer, {
    id: 1,
    result: { name: 'ours', address: `127.0.0.1:${server.address.port}`, accepted: 1, bytesIn: 5, bytesOut: 5 },
  })
  t.match(answer, { result: { connections: [{ number: 1, remote: '127.0.0.1', bytesIn: 5 }] } })
})

t.test('the socket is of its owner alone, unless the address says otherwise', async t => {
  const { server, path } = await open(t)
  t.equal(statSync(path).mode & 0o777, 0o600)
  const other = socketPath(t)
  const shared = await control(server, { listen: { scheme: 'unix', path: other, mode: 0o660 } })
  t.equal(statSync(other).mode & 0o777, 0o660)
  t.match(await asked(t, other, '{"method":"stats"}'), [{ id: null, result: { accepted: 0 } }])
  await shared.close()
  t.notOk(statSync(other, { throwIfNoEntry: false }))
})

t.test('the address of a server on a unix socket', async t => {
  const own = socketPath(t)
  const { path } = await open(t, { path: own })
  t.match(await asked(t, path, '{"id":"a","method":"stats"}'), [{ id: 'a', result: { address: `unix:${own}` } }])
})

t.test('it also listens within the process', async t => {
  const { server } = await open(t)
  const controller = await control(server, { listen: 'memory:control' })
  t.match(controller.address, { address: 'control', family: 'memory' })
  await controller.close()
})

t.test('close ends a connection, reset resets it', async t => {
  const { server, path } = await open(t)
  const first = clientOf(t, server.address)
  await once(first, 'connect')
  const [one] = await opened(server, 1)
  t.same(await asked(t, path, '{"id":7,"method":"close","connection":1}'), [{ id: 7, result: { connection: 1 } }])
  first.end()
  t.match(await one?.closed, { closedBy: 'local', reason: 'closed through the control socket' })

  const second = clientOf(t, server.address)
  const gone = outcome(second)
  await once(second, 'connect')
  const [two] = await opened(server, 2)
  t.same(await asked(t, path, '{"id":8,"method":"reset","connection":2}'), [{ id: 8, result: { connection: 2 } }])
  t.match(await two?.closed, { error: { message: 'reset through the control socket' } })
  t.match(await gone, { ended: false, code: 'ECONNRESET' })
})

async function opened(server: Server, number: number) {
  for (;;) {
    const found = [...server.connections].filter(each => each.number === number)
    if (found.length > 0) return found
    await new Promise(setImmediate)
  }
}

t.test('a line that is no request is answered with an error, and the next ones as usual', async t => {
  const { path } = await open(t)
  const what = 'a request is a JSON object, such as {"id":1,"method":"stats"}'
  const method = 'is not allowed; expected stats, close or reset'
  const number = 'is not the number of an open connection'
  for (const [line, id, message] of [
    ['nonsense', null, what],
    ['', null, what],
    ['[]', null, what],
    ['null', null, what],
    ['7', null, what],
    ['{"id":1}', 1, `method: undefined ${method}`],
    ['{"id":2,"method":"toString"}', 2, `method: "toString" ${method}`],
    ['{"id":3,"method":"close"}', 3, `connection: undefined ${number}`],
    ['{"id":{},"method":"reset","connection":"1"}', {}, `connection: "1" ${number}`],
    [`{"id":4,"x":"${'x'.repeat(70_000)}"}`, null, 'a request is longer than 65536 bytes'],
  ] as const) {
    const [bad, good] = await asked(t, path, line, '{"id":"next","method":"stats"}')
    t.same(bad, { id, error: { message } })
    t.match(good, { id: 'next', result: { accepted: 0 } })
  }
})

t.test('a request has at most 65536 bytes, however they come', async t => {
  const { path } = await open(t)
  const empty = '{"id":1,"method":"stats","x":""}'
  for (const size of [65_536, 65_537]) {
    const client = clientOf(t, path)
    const line = `${empty.slice(0, -2)}${'x'.repeat(size - empty.length)}"}`
    for (let at = 0; at < size; at += 9_999) {
      client.write(line.slice(at, at + 9_999))
      await new Promise(setImmediate)
    }
    client.end('\n{"id":2}')
    const [first, second] = (await received(client))
      .trim()
      .split('\n')
      .map(each => JSON.parse(each))
    t.match(first, size === 65_536 ? { id: 1, result: {} } : { id: null, error: {} })
    t.match(second, { id: 2, error: {} })
  }
})

t.test('a client that reads nothing holds no other, nor much memory', async t => {
  const { path } = await open(t)
  const slow = clientOf(t, path)
  slow.pause()
  slow.write('{"id":1,"method":"stats"}\n'.repeat(50_000))
  await once(slow, 'connect')
  for (let i = 0; i < 20; i++) t.match(await asked(t, path, `{"id":${i},"method":"stats"}`), [{ id: i }])
})

t.test('answers that nobody reads are not made', async t => {
  let made = 0
  const stats = () => {
    made++
    return { text: 'x'.repeat(1_000_000) }
  }
  const server = { address: { family: 'memory', address: 'x', port: 0 }, connections: [], measure() {}, stats } as never
  const path = socketPath(t)
  const controller = await control(server, { listen: { path } })
  t.teardown(() => controller.close({ drain: 0 }))
  const slow = clientOf(t, path)
  slow.pause()
  slow.write('{"id":1,"method":"stats"}\n'.repeat(500))
  for (let before = -1; before < made || made === 0; await setTimeout(200)) before = made
  t.ok(made < 20, `${made} answers`)
  slow.resume().end()
  await once(slow, 'close')
  t.equal(made, 500)
})

t.test('a server is measured from the first request for its figures on', async t => {
  const { path, server } = await open(t)
  await connected(t, server)
  t.notMatch(server.stats().connections, [{ directions: [{ source: {} }] }])
  const [answer] = await asked(t, path, '{"id":1,"method":"stats"}')
  t.match(answer, { result: { connections: [{ directions: [{ source: { name: 'client' }, sink: {} }] }] } })
})

t.test('requests wait for a server that is yet to listen', async t => {
  const path = socketPath(t)
  const { promise, resolve } = withResolvers<PipeServer>()
  const controller = await control(promise, { listen: { path } })
  t.teardown(() => controller.close({ drain: 0 }))
  const answers = asked(t, path, '{"id":1,"method":"stats"}')
  const server = await serve({ port: 0 })
  t.teardown(() => server.close({ drain: 0 }))
  resolve(server)
  t.match(await answers, [{ id: 1, result: { accepted: 0 } }])
})

function withResolvers<T>() {
  let resolve!: (value: T) => void
  const promise = new Promise<T>(done => {
    resolve = done
  })
  return { promise, resolve }
}

t.test('it listens where only this host can reach it', async t => {
  const server = {} as Server
  for (const listen of [':3099', 'tls://127.0.0.1:1', { port: 0 }])
    await t.rejects(control(server, { listen }), { code: 'ERR_ADDRESS', message: /is not allowed; expected unix:path/ })
  await t.rejects(control(server, {} as never), { code: 'ERR_ADDRESS' })
  await t.rejects(control(server, { listen: 'memory:x', about: 7 as never }), {
    code: 'ERR_OPTION',
    message: /about: /,
  })
})

t.test('figures that come from elsewhere are brought up to date', async t => {
  const server = fakeServer()
  const connections = new Set<{ number: number; close(): void; reset(): void }>()
  const ended: string[] = []
  const refresh = async () => {
    server.set({ accepted: 7 })
    connections.add({ number: 3, close: () => void ended.push('close'), reset: () => void ended.push('reset') })
  }
  const address = { address: '127.0.0.1', family: 'IPv4', port: 1 }
  const path = socketPath(t)
  const controlled = { ...server, address, connections, refresh, measure() {} }
  const controller = await control(controlled, { listen: `unix:${path}` })
  t.teardown(() => controller.close({ drain: 0 }))
  const end = '{"id":2,"method":"close","connection":3}'
  t.match(await asked(t, path, end, '{"id":1,"method":"stats"}'), [
    { id: 2, result: { connection: 3 } },
    { id: 1, result: { accepted: 7 } },
  ])
  t.same(ended, ['close'])
})
