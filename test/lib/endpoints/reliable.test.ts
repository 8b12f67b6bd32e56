import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import t, { type Test } from 'tap'
import { parseAddress } from '../../../lib/endpoints/address.js'
import { carrierOf, reliable, sessionsOver } from '../../../lib/endpoints/reliable.js'
import { type ProxyOptions, type ProxyServer, proxy } from '../../../lib/proxy.js'
import { serve } from '../../../lib/serve.js'
import { clientOf, collect, listener, memorySink, outcome, portOf, socketPath, until } from '../network.js'
import { type Relay, relay } from './session/relay.js'
import { dialled } from './session/sessions.js'

t.test('text → address, and back', async t => {
  for (const [text, address] of [
    ['reliable://example.org:80', { scheme: 'reliable', host: 'example.org', port: 80 }],
    ['reliable://80', { scheme: 'reliable', host: '127.0.0.1', port: 80 }],
    ['reliable://[::1]:80', { scheme: 'reliable', host: '::1', port: 80 }],
    ['reliable://unix:/run/x', { scheme: 'reliable', path: '/run/x' }],
    ['reliable://unix:80', { scheme: 'reliable', host: 'unix', port: 80 }],
    ['reliable+tls://example.org:80', { scheme: 'reliable', host: 'example.org', port: 80, tls: true }],
    ['reliable+tls://unix:/run/x', { scheme: 'reliable', path: '/run/x', tls: true }],
  ] as const) {
    t.strictSame(parseAddress(text), address)
    const written = reliable.format(address)
    t.strictSame(parseAddress(written), address, written)
    t.strictSame(reliable.complete(address), address)
  }
})

t.test('a text that is no address is refused, and so are parts', async t => {
  for (const text of [
    'reliable://',
    'reliable://host',
    'reliable://70000',
    'reliable://unix:',
    'reliable+://80',
    'reliable+ssl://80',
    'reliable+tls:',
    'reliable:x',
    'reliable://tls://80',
    'reliable://[]:80',
    'reliable://unix:a\0b',
    'reliable:// 80',
    'reliable://80\n',
  ])
    t.throws(() => parseAddress(text), { code: 'ERR_ADDRESS' }, JSON.stringify(text))
  for (const address of [
    { port: 70000, host: '' },
    { path: '' },
    { host: 5, port: 80 },
    { host: '', port: 80, tls: 'yes' },
  ])
    t.throws(() => reliable.complete({ scheme: 'reliable', ...address } as never), { code: 'ERR_ADDRESS' })
})

t.test('sessions over another address, and back', async t => {
  for (const [text, same] of [
    ['80', 'reliable://127.0.0.1:80'],
    ['tls://80', 'reliable+tls://127.0.0.1:80'],
    ['unix:/a', 'reliable://unix:/a'],
    ['tls://unix:/a', 'reliable+tls://unix:/a'],
  ] as const) {
    const carrier = parseAddress(text)
    t.equal(reliable.format(sessionsOver(carrier as never)), same)
    t.strictSame(carrierOf(parseAddress(same) as never), carrier)
  }
})

t.test('sessions over a unix socket', async t => {
  const path = socketPath(t)
  const server = await serve({ reliable: true, path, reply: true })
  t.teardown(() => server.close({ drain: 0 }))
  const leg = await reliable.dial?.({ scheme: 'reliable', path }, {})
  leg?.stream.end('x')
  t.equal(String(await collect(leg?.stream as never)), 'x')
})

/** A client, two proxies with a session between them over a relay, and a target. */
async function chain(t: Test, work: (socket: Socket) => void, far: Partial<ProxyOptions> = {}, near: object = {}) {
  const target = await listener(t, work)
  const listening = await proxy({ listen: 'reliable://0', to: { port: portOf(target) }, ...far })
  const path = await relay(t, listening.address.port)
  const dialling = await proxy({ port: 0, to: `reliable://127.0.0.1:${path.port}`, ...near })
  t.teardown(() => Promise.all([dialling.close({ drain: 0 }), listening.close({ drain: 0 })]))
  return { listening, dialling, path, client: () => clientOf(t, dialling.address) }
}

const cutLast = ({ links }: Relay) => links.at(-1)?.cut()

t.test(
  'two proxies with a session between them: whoever ends first, the other one goes on, though the link breaks (H-01)',
  async t => {
    const data = randomBytes(500_000)
    const { client, path } = await chain(t, socket => {
      socket.once('data', () => cutLast(path))
      void collect(socket).then(got => {
        cutLast(path)
        socket.write(got.subarray(0, 1000))
        setImmediate(() => {
          cutLast(path)
          socket.end(got.subarray(1000))
        })
      })
    })
    const socket = client()
    socket.end(data)
    t.ok((await collect(socket)).equals(data))
    t.ok(path.links.length > 1, `${path.links.length} links`)
  },
)

t.test('the target of two proxies ends first, and the client goes on over another link', async t => {
  const data = randomBytes(500_000)
  let got: Promise<Buffer> | undefined
  const { client, path } = await chain(t, socket => {
    got = collect(socket)
    socket.end('the end')
  })
  const socket = client()
  t.equal(String(await collect(socket)), 'the end')
  cutLast(path)
  socket.end(data)
  await until(() => got !== undefined)
  t.ok((await got)?.equals(data))
})

t.test('a reset on one side of two proxies is one on the other side', async t => {
  const { client } = await chain(t, socket => socket.once('data', () => socket.resetAndDestroy()))
  const socket = client()
  socket.write('x')
  t.match(await outcome(socket), { code: 'ECONNRESET' })
})

async function open(t: Test, options: Partial<ProxyOptions>): Promise<{ server: ProxyServer; path: Relay }> {
  const target = await listener(t, socket => socket.pipe(socket))
  const server = await proxy({ listen: 'reliable://0', to: { port: portOf(target) }, ...options })
  t.teardown(() => server.close({ drain: 0 }))
  return { server, path: await relay(t, server.address.port) }
}

for (const limits of [{ maxConnections: 1 }, { maxPerIp: 1 }])
  t.test(`${Object.keys(limits)}: who comes back to a session needs no room, a new one has none (H-07)`, async t => {
    const { server, path } = await open(t, limits)
    const leg = await dialled(t, path.port)
    cutLast(path)
    await until(() => leg.session?.reconnects === 1)
    leg.stream.write('still there')
    const [chunk] = await once(leg.stream, 'data')
    t.equal(String(chunk), 'still there')
    const words = 'refused: the server has no room for another client'
    await t.rejects(dialled(t, path.port), { code: 'ERR_SESSION', message: words })
    t.match(server.stats(), { accepted: 1 })
    leg.stream.end()
    await collect(leg.stream)
    await until(() => server.connections.size === 0)
    await dialled(t, path.port)
  })

t.test('who may not connect gets no answer', async t => {
  const { path } = await open(t, { deny: ['127.0.0.1'] })
  await t.rejects(dialled(t, path.port, {}, { connectTimeout: 2000 }))
})

t.test('handshakeTimeout and idleTimeout are those of sessions', async t => {
  const { server } = await open(t, { handshakeTimeout: 40, idleTimeout: 80 })
  const silent = clientOf(t, server.address)
  await outcome(silent)
  const leg = await dialled(t, server.address.port, { linkTimeout: 30 })
  await outcome(leg.stream)
  t.match(leg.stream.errored, { code: 'ERR_SESSION', message: /^the receiver failed: idle timeout/ })
})

t.test('a server drains while a session has no link, and it comes back (H-07)', async t => {
  const { server, path } = await open(t, {})
  const leg = await dialled(t, path.port, {}, { retryInterval: 20 })
  path.isDown = true
  cutLast(path)
  await until(() => path.links[0]?.client.destroyed === true)
  const over = server.close({ drain: 5000 })
  path.isDown = false
  leg.stream.end('late')
  t.equal(String(await collect(leg.stream)), 'late')
  t.equal(await over, 0)
})

t.test('a drain that is over resets a session without a link', async t => {
  const { server, path } = await open(t, {})
  await dialled(t, path.port, { giveUpAfter: 50 })
  path.isDown = true
  cutLast(path)
  t.equal(await server.close({ drain: 20 }), 1)
})

t.test('a proxy that is disabled and enabled again: its sessions have failed, new ones begin (H-07)', async t => {
  const { server, path } = await open(t, {})
  const leg = await dialled(t, path.port)
  const failed = outcome(leg.stream)
  await server.disable()
  t.match(await failed, { code: 'ERR_SESSION' })
  t.equal(leg.stream.errored?.message, 'the receiver failed: the server was disabled')
  await t.rejects(dialled(t, path.port))
  await server.enable()
  const next = await dialled(t, path.port)
  next.stream.end('anew')
  t.equal(String(await collect(next.stream)), 'anew')
})

t.test('a client that says nothing does not keep a server from closing', async t => {
  const { server } = await open(t, { handshakeTimeout: 0 })
  const silent = clientOf(t, server.address)
  await once(silent, 'data')
  await server.close()
  await outcome(silent)
})

t.test('a transfer to a server that is no file is delivered as it is', async t => {
  const sink = memorySink()
  const server = await serve({ reliable: true, port: 0, to: () => sink, once: true })
  const path = await relay(t, server.address.port)
  const leg = await dialled(t, path.port, { kind: 'transfer' })
  leg.stream.resume().write('a')
  cutLast(path)
  leg.stream.end('b')
  await once(leg.stream, 'end')
  t.match(leg.session?.receipt, { bytes: 2 })
  await server.closed
  t.equal(String(sink.data), 'ab')
})
