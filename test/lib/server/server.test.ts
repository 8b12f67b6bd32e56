import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { PassThrough } from 'node:stream'
import { generate } from 'selfsigned'
import t, { type Test } from 'tap'
import type { OpenConnection } from '../../../lib/connection/connection.js'
import { type Address, toAddress } from '../../../lib/endpoints/address.js'
import type { Leg } from '../../../lib/endpoints/endpoint.js'
import { dial as dialLeg } from '../../../lib/endpoints/open.js'
import { openTlsContexts } from '../../../lib/endpoints/tls/contexts.js'
import { clientContext } from '../../../lib/endpoints/tls/secure-context.js'
import { send, serve } from '../../../lib/index.js'
import type { ServerOptions } from '../../../lib/server/listen-options.js'
import { openServer, type Work } from '../../../lib/server/server.js'
import type { Summary } from '../../../lib/stats/summary.js'
import {
  clientOf,
  collect,
  failOnWarning,
  handles,
  memorySink,
  outcome,
  recorder,
  socketPath,
  until,
} from '../network.js'
import { turns } from '../stats/stopped-clock.js'
import { identity, stranger } from '../tls.js'
import { defaults } from './states.js'

async function open(
  t: Test,
  options: Partial<ServerOptions> = {},
  work: Work = async () => {},
  address: Address = toAddress({ port: 0 }),
) {
  const server = await openServer(address, { ...defaults, ...options }, work)
  t.teardown(() => server.close({ drain: 0 }))
  return { server, dial: () => clientOf(t, 'path' in address ? address.path : server.address) }
}

/** A server with TLS, and what dials it. */
async function openSecure(t: Test, options: Partial<ServerOptions> = {}, work: Work = hello) {
  const contexts = await openTlsContexts(secure, undefined, { tls: identity })
  const opened = await open(t, { contexts, ...options }, work, secure)
  const to = toAddress({ port: opened.server.address.port, tls: true })
  const tls = clientContext({ ca: identity.cert })
  const shake = async () => {
    const { stream } = await dialLeg(to, { tls })
    t.teardown(() => stream.destroy())
    return stream
  }
  return { ...opened, contexts, shake }
}

const secure = toAddress({ port: 0, tls: true })

const hello = async (_: OpenConnection, { stream }: Leg) => void stream.end('hello')

const forever = () => new Promise<void>(() => {})

t.test('work that is done ends a connection, work that fails resets it', async t => {
  failOnWarning(t)
  const good = await open(t)
  const client = good.dial()
  t.equal((await collect(client)).length, 0)
  const bad = await open(t, {}, () => Promise.reject(new Error('bad')))
  t.match(await outcome(bad.dial()), { ended: false, code: 'ECONNRESET' })
})

t.test('a server tells its address, its connections and that it listens', async t => {
  const { log, lines } = recorder()
  const seen: unknown[] = []
  const { server, dial } = await open(t, { log, onConnection: connection => seen.push(connection) }, forever)
  t.match(server.address, { address: '127.0.0.1', family: 'IPv4' })
  t.match(lines, [{ msg: 'listening', address: '127.0.0.1', port: server.address.port, maxConnections: 100 }])
  dial()
  await until(() => server.connections.size === 1)
  t.same([...server.connections], seen)
})

t.test('close: running connections have time to end', async t => {
  let finish = () => {}
  const { server, dial } = await open(t, {}, () => new Promise(resolve => (finish = resolve)))
  const client = dial()
  const received = collect(client)
  await until(() => server.connections.size === 1)
  const closing = server.close()
  finish()
  await once(client, 'end')
  client.end()
  t.equal(await closing, 0)
  t.equal((await received).length, 0)
  await server.closed
  t.match(server.stats(), { accepted: 1, failed: 0, closed: { local: 1 } })
})

t.test('close: those that are left are reset, and their number is told', async t => {
  const { server, dial } = await open(t, {}, forever)
  const clients = [dial(), dial(), dial()].map(outcome)
  await until(() => server.connections.size === 3)
  const connections = [...server.connections]
  const closing = server.close({ drain: 10 })
  t.match(await Promise.all(clients), [{ code: 'ECONNRESET' }, { code: 'ECONNRESET' }, { code: 'ECONNRESET' }])
  t.match(await Promise.all(connections.map(each => each.closed)), [{ closedBy: 'timeout', timeout: 'drain' }, {}, {}])
  t.equal(await closing, 3, 'it does not wait for the work')
  t.match(server.stats(), { failed: 3, closed: { timeout: 3 }, connections: [] })
})

t.test('listening: until it is closed, and not while it is disabled', async t => {
  const { server } = await open(t, {}, forever)
  t.equal(server.listening, true)
  await server.disable()
  t.equal(server.listening, false)
  await server.enable()
  t.equal(server.listening, true)
  const closing = server.close()
  t.equal(server.listening, false, 'at once')
  await closing
})

t.test('once: the server is closed behind its first connection', async t => {
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

t.test(
  'the server warns at its start if there is room for few connections, or for fewer than are allowed (G-32)',
  async t => {
    const warned = async (options: Partial<ServerOptions>) => {
      const { log, lines } = recorder()
      await open(t, { ...options, log })
      return lines.slice(1)
    }
    const msg = 'the limit of open files has room for few connections; raise it with ulimit -n'
    t.match(await warned({ maxConnections: 31, room: 31 }), [{ level: 40, msg, maxConnections: 31, room: 31 }])
    t.match(await warned({ maxConnections: 5000, room: 480 }), [{ level: 40, msg, maxConnections: 5000, room: 480 }])
    t.same(await warned({ maxConnections: 1, room: 31 }), [], 'its owner wants no more')
    t.same(await warned({ maxConnections: 32, room: 32 }), [])
    t.same(await warned({ maxConnections: 1, room: 1, once: true }), [], 'one is enough')
    for (const number of [1, 2]) {
      const { log, lines } = recorder()
      await open(t, { maxConnections: 31, room: 31, worker: { number, of: 2 }, log })
      t.equal(lines.length, number === 1 ? 1 : 0, 'the first of several processes')
    }
    await open(t, { maxConnections: 1, room: 1 })
  },
)

t.test('maxConnections: one too many is reset, counted and told once', async t => {
  const { log, lines } = recorder()
  for (const address of [toAddress({ port: 0 }), toAddress({ path: socketPath(t) })]) {
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
    t.match(
      lines.filter(line => line.msg === 'connections refused').map(line => line.refused),
      [{ maxConnections: 1 }],
      'told once',
    )
    await server.close({ drain: 0 })
  }
})

t.test('a client that is gone before it is accepted does no harm', async t => {
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

t.test('an abort resets the connections, whenever it comes', async t => {
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

t.test('await using leaves nothing open', async t => {
  const { server } = await open(t)
  await server[Symbol.asyncDispose]()
  await until(() => !('TCPServerWrap' in handles()))
  t.notOk('TCPServerWrap' in handles())
})

t.test('disable and enable: the port is closed for a while, connections are reset', async t => {
  for (const address of [toAddress({ port: 0 }), toAddress(`unix:${socketPath(t)}`)]) {
    const { server, dial } = await open(t, {}, forever, address)
    const client = dial()
    client.once('end', () => client.end()) // a unix socket knows no reset
    const seen = outcome(client)
    await until(() => server.connections.size === 1)
    const [connection] = server.connections
    await server.disable()
    t.match(await seen, { code: 'path' in address ? undefined : 'ECONNRESET' })
    t.match(await connection?.closed, { closedBy: 'signal', error: { message: 'the server was disabled' } })
    t.match(await outcome(dial()), { code: /ECONNREFUSED|ENOENT/ })
    await server.enable()
    const again = dial()
    await once(again, 'connect')
    await server.close({ drain: 0 })
    await t.rejects(server.enable(), { code: 'ERR_CLOSED' })
    await server.disable()
  }
})

t.test('disable and enable are done in the order of the calls', async t => {
  const { server, dial } = await open(t)
  void server.disable()
  void server.disable()
  const enabled = server.enable()
  await enabled
  await server.enable()
  t.equal((await collect(dial())).length, 0)
})

t.test('it can be closed while it is disabled, or while it is being enabled', async t => {
  const { server } = await open(t)
  await server.disable()
  await server.close()
  await server.closed
  const other = await open(t)
  await other.server.disable()
  const enabled = other.server.enable()
  await null // it has begun to listen
  await null
  const closing = other.server.close({ drain: 0 })
  await Promise.allSettled([enabled, closing])
  await other.server.closed
  t.match(await outcome(other.dial()), { code: 'ECONNREFUSED' })
})

t.test('the port is somebody else’s by then: that is told, and it can be tried again', async t => {
  const { server, dial } = await open(t)
  await server.disable()
  const thief = createServer().listen(server.address.port, '127.0.0.1')
  await once(thief, 'listening')
  await t.rejects(server.enable(), { code: 'EADDRINUSE' })
  thief.close()
  await once(thief, 'close')
  await server.enable()
  t.equal((await collect(dial())).length, 0)
})

t.test('connections are numbered, and counted by what closed them', async t => {
  const numbers: number[] = []
  const { server, dial } = await open(t, { maxConnections: 1 }, async connection => {
    numbers.push(connection.number)
    if (numbers.length === 2) throw new Error('bad')
  })
  for (let i = 0; i < 3; i++) {
    const client = dial()
    client.once('end', () => client.end())
    await outcome(client)
    await until(() => server.connections.size === 0)
  }
  t.same(numbers, [1, 2, 3])
  t.match(server.stats(), {
    age: Number,
    accepted: 3,
    failed: 1,
    closed: { peer: 0, local: 2, error: 1, reset: 0, timeout: 0, limit: 0, signal: 0 },
    refused: { access: 0, maxConnections: 0, maxPerIp: 0, proxyProtocol: 0 },
    handshakeFailures: 0,
    connections: [],
  })
})

t.test('access lists: who is denied is reset before anything is read', async t => {
  const { log, lines } = recorder()
  const { server, dial } = await open(t, { allow: ['127.0.0.0/8'], deny: ['127.0.0.1'], log }, forever)
  t.match(await outcome(dial()), { ended: false, code: 'ECONNRESET' })
  t.match(lines.at(-1), { refused: { access: 1 }, remote: '127.0.0.1', msg: 'connections refused' })
  t.match(server.stats(), { accepted: 0, failed: 0, refused: { access: 1 }, handshakeFailures: 0 })
})

t.test('behind a balancer: limits, lists and the log see its client; others are refused (E-08)', async t => {
  const { log, lines } = recorder()
  const proxyProtocol = { from: ['127.0.0.1'] }
  const { server, dial } = await open(t, { deny: ['192.0.2.9'], maxPerIp: 1, log, proxyProtocol }, forever)
  const header = (client: string) => `PROXY TCP4 ${client} 198.51.100.1 4711 80\r\n`
  dial().write(header('192.0.2.1'))
  dial().write(header('192.0.2.2'))
  await until(() => server.connections.size === 2)
  t.same([...server.connections].map(({ remote, port }) => `${remote}:${port}`).sort(), [
    '192.0.2.1:4711',
    '192.0.2.2:4711',
  ])
  for (const { via } of server.stats().connections) t.match(via, /^127\.0\.0\.1:\d+$/)
  for (const client of ['192.0.2.1', '192.0.2.9']) {
    const socket = dial()
    socket.write(header(client))
    t.match(await outcome(socket), { ended: false, code: 'ECONNRESET' })
  }
  const plain = dial()
  plain.write('hello')
  t.match(await outcome(plain), { ended: false, code: 'ECONNRESET' })
  t.match(server.stats(), { accepted: 2, refused: { access: 1, maxPerIp: 1, maxConnections: 0, proxyProtocol: 1 } })
  await server.close({ drain: 0 })
  const warnings = lines.filter(({ level }) => level >= 40)
  t.match(warnings, [
    { msg: 'connections refused', refused: { maxPerIp: 1 }, remote: '192.0.2.1' },
    { msg: 'connection failed', remote: /^192/, via: /^127\.0\.0\.1:\d+$/ },
    { msg: 'connection failed', remote: /^192/, via: /^127\.0\.0\.1:\d+$/ },
    {
      ...{ msg: 'connections refused', refused: { access: 1, proxyProtocol: 1 } },
      ...{ remote: '127.0.0.1', error: /begins with 'hello'/ },
    },
    { msg: 'connections refused in total', total: 3 },
  ])
})

t.test('maxPerIp: one address has so many connections, and room again when one has ended', async t => {
  const { server, dial } = await open(t, { maxPerIp: 2 }, forever)
  const first = dial()
  dial()
  await until(() => server.connections.size === 2)
  t.match(await outcome(dial()), { code: 'ECONNRESET' })
  first.resetAndDestroy()
  await until(() => server.connections.size === 1)
  dial()
  await until(() => server.connections.size === 2)
  t.match(server.stats(), { accepted: 3, refused: { maxPerIp: 1 } })
})

t.test('TLS: a connection begins behind the handshake; one that fails is told, and no connection', async t => {
  const { log, lines } = recorder()
  const { server, dial, shake, contexts } = await openSecure(t, { log })
  t.match(lines[0], { msg: 'listening', pin: server.pin })
  t.equal(server.pin, contexts.pin)
  t.equal(String(await collect(await shake())), 'hello')
  const plain = dial()
  plain.write('GET / HTTP/1.0\r\n\r\n')
  await outcome(plain)
  t.match(server.stats(), { accepted: 1, failed: 0, handshakeFailures: 1 })
  const failed = lines.find(({ msg }) => msg === 'TLS handshake failed')
  t.match(failed, {
    level: 40,
    remote: /^127\.0\.0\.1:\d+$/,
    code: 'ERR_SSL_HTTP_REQUEST',
    error: /does not speak TLS/,
  })
  const { pin } = server
  await server.setSecureContext({ tls: stranger })
  t.not(server.pin, pin)
  await t.rejects(shake(), { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' })
})

t.test('TLS: handshakes count for the limits, and do not hold up the end', async t => {
  const { log, lines } = recorder()
  const { server, dial } = await openSecure(t, { log, maxConnections: 1, handshakeTimeout: 0 }, forever)
  const silent = dial()
  const seen = outcome(silent)
  await once(silent, 'connect')
  t.match(await outcome(dial()), { code: 'ECONNRESET' })
  t.match(server.stats(), { accepted: 0, refused: { maxConnections: 1 } })
  t.equal(await server.close(), 0)
  t.match(await seen, { code: 'ECONNRESET' })
  t.match(
    lines.find(({ msg }) => msg === 'TLS handshake failed'),
    { code: 'ERR_CLOSED' },
  )
})

t.test('TLS: with once the first one that has shaken hands is served', async t => {
  const { server, shake } = await openSecure(t, { once: true })
  const shaken = [1, 2, 3].map(async () => collect(await shake()))
  const results = await Promise.allSettled(shaken)
  t.equal(results.filter(({ status }) => status === 'fulfilled').length, 1)
  await server.closed
  t.equal(server.stats().accepted, 1)
})

t.test('onConnection that throws fails the connection', async t => {
  const onConnection = () => {
    throw new Error('no')
  }
  const { server, dial } = await open(t, { onConnection }, forever)
  t.match(await outcome(dial()), { code: 'ECONNRESET' })
  t.match(server.stats(), { accepted: 1, failed: 1 })
})

t.test('TLS: a certificate that has expired is told', async t => {
  const notBeforeDate = new Date('2020-01-01')
  const notAfterDate = new Date('2020-02-01')
  const made = await generate([{ name: 'commonName', value: 'old' }], { keyType: 'ec', notBeforeDate, notAfterDate })
  const expired = { cert: made.cert, key: made.private }
  const { log, lines } = recorder()
  const contexts = await openTlsContexts(secure, undefined, { tls: expired })
  const { server } = await open(t, { contexts, log }, hello, secure)
  const warning = { level: 40, validTo: '2020-02-01T00:00:00.000Z', msg: 'the certificate has expired' }
  t.match(lines, [{ msg: 'listening' }, warning])
  await server.setSecureContext({ tls: identity })
  t.equal(lines.length, 2)
  await server.setSecureContext({ tls: expired })
  t.match(lines[2], warning)
})

t.test('the figures while connections are open: what they have had so far counts', async t => {
  const { server, dial } = await open(t, {}, async (_, { stream }) => void (await collect(stream)))
  const first = dial()
  first.end('12345')
  await collect(first)
  await until(() => server.connections.size === 0)
  const second = dial()
  second.write('678')
  await until(() => server.stats().bytesIn === 8)
  t.match(server.stats(), {
    accepted: 2,
    closed: { peer: 1 },
    bytesIn: 8,
    bytesOut: 0,
    connections: [{ number: 2, remote: '127.0.0.1', port: second.localPort, bytesIn: 3, directions: [] }],
  })
})

t.test('an observer hears everything that happens, in its order; what it throws is kept from the server', async t => {
  const events: string[] = []
  const hear = (name: string) => () => {
    events.push(name)
    throw new Error('on purpose')
  }
  const names = ['listening', 'opened', 'refused', 'closed', 'stopped'] as const
  const observer = Object.fromEntries(names.map(name => [name, hear(name)]))
  const { server, dial } = await open(t, { observer, maxConnections: 1 }, forever)
  const first = dial()
  await until(() => server.connections.size === 1)
  t.match(await outcome(dial()), { code: 'ECONNRESET' })
  first.resetAndDestroy()
  await until(() => server.connections.size === 0)
  await server.close()
  t.same(events, ['listening', 'opened', 'refused', 'closed', 'stopped'])
})

t.test('an observer that comes later hears of new connections, until it goes', async t => {
  const heard: unknown[] = []
  const server = await serve({ listen: 'memory:later', reply: true })
  t.teardown(() => server.close({ drain: 0 }))
  const stop = server.observe({
    opened: ({ number }) => void heard.push(number),
    passed: ({ number }, way, chunk) => void heard.push([number, way, String(chunk)]),
  })
  const talk = () => send({ to: 'memory:later', from: 'hi', output: memorySink() })
  await talk()
  t.same(heard, [1, [1, 'in', 'hi'], [1, 'out', 'hi']])
  stop()
  await talk()
  t.equal(heard.length, 3)
  t.throws(() => server.observe({ opened: 'x' } as never), { code: 'ERR_OPTION', message: /^observer: / })
})

t.test('measure: of open connections, and of new ones until it is switched off', async t => {
  const server = await serve({ listen: 'memory:measured', reply: true })
  t.teardown(() => server.close({ drain: 0 }))
  const sources: PassThrough[] = []
  const talk = async () => {
    const from = new PassThrough()
    sources.push(from)
    send({ to: 'memory:measured', from, output: memorySink() }).catch(() => {})
    from.write('x')
    await turns(5)
  }
  const measured = () => server.stats().connections.map(({ directions }) => directions[0]?.source !== undefined)
  await talk()
  t.same(measured(), [false])
  server.measure()
  t.same(measured(), [true])
  await talk()
  server.measure(false)
  await talk()
  t.same(measured(), [true, true, false])
  for (const source of sources) source.end()
})

t.test('measure: the option stays', async t => {
  const server = await serve({ listen: 'memory:option', reply: true, measure: true })
  t.teardown(() => server.close({ drain: 0 }))
  server.measure(false)
  const from = new PassThrough()
  const sent = send({ to: 'memory:option', from, output: memorySink() })
  from.write('x')
  await turns(5)
  t.match(server.stats().connections, [{ directions: [{ source: { name: 'client' } }] }])
  from.end()
  await sent
})

t.test('it serves legs of any kind', async t => {
  const { server } = await open(t, {}, hello, toAddress('memory:server'))
  t.match(server.address, { address: 'server', family: 'memory', port: 0 })
  const { stream } = await dialLeg(toAddress('memory:server'))
  t.equal(String(await collect(stream)), 'hello')
  stream.end()
  t.equal(await server.close(), 0)
})

t.test('whoever is asked decides about each client; one that leaves meanwhile is nobody else’s failure', async t => {
  const answers: ((answer: (() => void) | 'maxConnections') => void)[] = []
  const enter = () => new Promise<(() => void) | 'maxConnections'>(resolve => answers.push(resolve))
  let left = 0
  const leave = () => void left++
  const { server, dial } = await open(t, { enter }, hello)
  const asked = async () => {
    const count = answers.length
    const client = dial()
    await until(() => answers.length > count)
    return { client, answer: answers.at(-1) as (typeof answers)[number] }
  }
  const welcome = await asked()
  welcome.client.once('end', () => welcome.client.end())
  welcome.answer(leave)
  t.match(await outcome(welcome.client), { ended: true, data: Buffer.from('hello') })
  const unwelcome = await asked()
  unwelcome.answer('maxConnections')
  t.match(await outcome(unwelcome.client), { code: 'ECONNRESET' })
  const gone = await asked()
  gone.client.resetAndDestroy()
  await outcome(gone.client)
  gone.answer(leave)
  const late = await asked()
  const closing = server.close({ drain: 0 })
  late.answer(leave)
  t.match(await outcome(late.client), { code: 'ECONNRESET' })
  t.equal(await closing, 0)
  t.equal(left, 3)
  t.match(server.stats(), { refused: { maxConnections: 1 } })
})
