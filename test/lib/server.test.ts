import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import t, { type Test } from 'tap'
import { toAddress } from '../../lib/address.js'
import type { OpenConnection, Summary } from '../../lib/connection.js'
import { openServer, type ServerOptions } from '../../lib/server.js'
import { clientOf, collect, failOnWarning, handles, outcome, recorder, socketPath, until } from './network.js'

const defaults: ServerOptions = {
  log: undefined,
  maxLine: undefined,
  idleTimeout: 0,
  halfClosedTimeout: 0,
  maxConnections: 100,
  once: false,
  signal: undefined,
  onConnection: undefined,
}

async function open(
  t: Test,
  options: Partial<ServerOptions> = {},
  work: (connection: OpenConnection) => Promise<void> = async () => {},
  address = toAddress({ port: 0 }),
) {
  const server = await openServer(address, { ...defaults, ...options }, work)
  t.teardown(() => server.close({ drain: 0 }))
  return { server, dial: () => clientOf(t, 'path' in address ? address.path : server.address) }
}

const forever = () => new Promise<void>(() => {})

t.test('work that is done ends a connection, work that fails resets it', async t => {
  failOnWarning(t)
  const good = await open(t)
  const client = good.dial()
  t.equal((await collect(client)).length, 0)
  const bad = await open(t, {}, () => Promise.reject(new Error('bad')))
  t.match(await outcome(bad.dial()), { ended: false, code: 'ECONNRESET' })
})

t.test('the address, the connections, the log', async t => {
  const { log, lines } = recorder()
  const seen: unknown[] = []
  const { server, dial } = await open(t, { log, onConnection: connection => seen.push(connection) }, forever)
  t.match(server.address, { address: '127.0.0.1', family: 'IPv4' })
  t.match(lines, [{ msg: 'listening', address: '127.0.0.1', port: server.address.port, maxConnections: 100 }])
  dial()
  await until(() => server.connections.size === 1)
  t.same([...server.connections], seen)
})

t.test('close: the running ones have time', async t => {
  const { server, dial } = await open(t, {}, () => new Promise(resolve => setTimeout(resolve, 30)))
  const client = dial()
  const received = collect(client)
  await until(() => server.connections.size === 1)
  const closing = server.close()
  await once(client, 'end')
  client.end()
  t.equal(await closing, 0)
  await received
  await server.closed
})

t.test('close: those that are left are reset, and their number is told', async t => {
  const { server, dial } = await open(t, {}, forever)
  const clients = [dial(), dial(), dial()].map(outcome)
  await until(() => server.connections.size === 3)
  const connections = [...server.connections]
  const closing = server.close({ drain: 10 })
  t.match(await Promise.all(clients), [{ code: 'ECONNRESET' }, { code: 'ECONNRESET' }, { code: 'ECONNRESET' }])
  t.match(await Promise.all(connections.map(each => each.closed)), [{ closedBy: 'signal' }, {}, {}])
  t.equal(await Promise.race([closing, new Promise(resolve => setTimeout(resolve, 500, 'it waits for the work'))]), 3)
})

t.test('once', async t => {
  const { server, dial } = await open(t, { once: true })
  const client = dial()
  await collect(client)
  client.end()
  await server.closed
  t.match(await outcome(dial()), { code: 'ECONNREFUSED' })
})

t.test('once: one that came at the same time is refused', async t => {
  const { log, lines } = recorder()
  const { server, dial } = await open(t, { once: true, log })
  const clients = [dial(), dial(), dial()]
  const ended = clients.map(client => outcome(client.once('end', () => client.end())))
  const codes = (await Promise.all(ended)).map(({ code }) => code)
  t.equal(codes.filter(code => code === undefined).length, 1, 'one was served')
  await server.closed
  t.equal(lines.filter(line => line.msg === 'connection closed').length, 1)
})

t.test('maxConnections', async t => {
  const { log, lines } = recorder()
  for (const address of [toAddress({ port: 0 }), { path: socketPath(t) }]) {
    lines.length = 0
    const { server, dial } = await open(t, { maxConnections: 2, log }, forever, address)
    dial()
    dial()
    await until(() => server.connections.size === 2)
    for (let i = 0; i < 3; i++) {
      const client = dial()
      const refused = await outcome(client.once('end', () => client.end()))
      t.ok(refused.ended === 'path' in address, 'reset, where there is a reset')
      t.equal(server.connections.size, 2)
    }
    t.equal(lines.filter(line => line.msg === 'connection refused, the limit is reached').length, 1, 'told once')
    void server.close({ drain: 0 })
  }
})

t.test('a client that is gone before it is accepted', async t => {
  const { server, dial } = await open(t)
  const hit = `const s = require('net').connect(${server.address.port}, '127.0.0.1', () => s.resetAndDestroy())`
  execFileSync(process.execPath, ['-e', hit])
  const client = dial()
  await collect(client)
  client.end()
  t.equal(await server.close(), 0)
})

t.test('a client that is gone before it is accepted is the only one of `once`', async t => {
  const summaries: Promise<Summary>[] = []
  const { server } = await open(t, { once: true, onConnection: ({ closed }) => void summaries.push(closed) })
  const hit = `const s = require('net').connect(${server.address.port}, '127.0.0.1', () => s.resetAndDestroy())`
  execFileSync(process.execPath, ['-e', hit])
  await server.closed
  t.equal(summaries.length, 1)
})

t.test('signal', async t => {
  const controller = new AbortController()
  const { signal } = controller
  const { server, dial } = await open(t, { signal }, connection => connection.closed.then(() => {}))
  t.ok(server)
  const received = outcome(dial())
  await until(() => server.connections.size === 1)
  controller.abort()
  t.match(await received, { ended: false, code: 'ECONNRESET' })
  await t.rejects(openServer(toAddress({ port: 0 }), { ...defaults, signal }, forever), { name: 'AbortError' })
  const late = new AbortController()
  const opened = openServer(toAddress({ port: 0 }), { ...defaults, signal: late.signal }, forever)
  late.abort()
  await t.rejects(opened, { name: 'AbortError' }, 'aborted while it is being opened')
})

t.test('nothing is left open', async t => {
  const { server } = await open(t)
  await server[Symbol.asyncDispose]()
  await until(() => !('TCPServerWrap' in handles()))
  t.pass()
})
