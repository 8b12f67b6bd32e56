import { once } from 'node:events'
import type { Socket } from 'node:net'
import t, { type Test } from 'tap'
import { tlsAcceptor } from '../../lib/endpoints/tls/handshake.js'
import { type ClientTls, serverContext } from '../../lib/endpoints/tls/secure-context.js'
import { type ProxyOptions, type ProxyServer, proxy } from '../../lib/proxy.js'
import { send } from '../../lib/send.js'
import { serve } from '../../lib/serve.js'
import type { Summary } from '../../lib/stats/summary.js'
import { delay } from '../../transforms/delay.js'
import { limit } from '../../transforms/limit.js'
import { slice } from '../../transforms/slice.js'
import { throttle } from '../../transforms/throttle.js'
import { relay } from './endpoints/session/relay.js'
import { clientOf, listener, memorySink, outcome, portOf, received, recorder, silentPort, until } from './network.js'
import { identity, stranger } from './tls.js'

interface Started {
  link: ProxyServer
  client(): Socket
  /** The summary of each connection. */
  ends: Promise<Summary>[]
}

async function open(t: Test, options: ProxyOptions): Promise<Started> {
  const ends: Promise<Summary>[] = []
  const link = await proxy({ port: 0, ...options, onConnection: ({ closed }) => ends.push(closed) })
  t.teardown(() => link.close({ drain: 0 }))
  return { link, ends, client: () => clientOf(t, link.address) }
}

/** A server that gives back what it gets, and ends when the client does. */
async function echo(t: Test): Promise<{ port: number }> {
  return { port: portOf(await listener(t, socket => socket.pipe(socket))) }
}

const upper = (chunk: Buffer) => chunk.toString().toUpperCase()

t.test('client → transforms → target, and target → reply transforms → client', async t => {
  const got: Promise<string>[] = []
  const server = await listener(t, socket => {
    got.push(received(socket))
    socket.end('World')
  })
  const { client, ends } = await open(t, {
    to: { port: portOf(server) },
    transforms: () => [upper],
    replyTransforms: ({ direction }) => [chunk => `${direction}: ${chunk}`],
  })
  const socket = client()
  socket.end('Hello')
  t.equal(await received(socket), 'reply: World')
  t.equal(await got[0], 'HELLO')
  t.match(await ends[0], {
    number: 1,
    bytesIn: 5,
    bytesOut: 12,
    closedBy: 'peer',
    target: { to: `127.0.0.1:${portOf(server)}`, bytesIn: 5, bytesOut: 5 },
    directions: [
      { direction: 'forward', segments: [{ name: 'transforms', runs: { length: 1 } }] },
      { direction: 'reply', segments: [{ name: 'transforms', runs: { length: 1 } }] },
    ],
  })
})

t.test('who ends first, and the other one goes on', async t => {
  const server = await listener(t, socket => {
    socket.once('data', () => socket.end('from the target'))
    socket.resume()
  })
  const { client, ends } = await open(t, { to: { port: portOf(server) } })
  const socket = client()
  socket.write('go on')
  t.equal(await received(socket), 'from the target')
  socket.end('more, and the end')
  t.match(await ends[0], { closedBy: 'peer', side: 'target', bytesIn: 22, bytesOut: 15 })
  const late = await listener(t, socket => void received(socket).then(got => socket.end(`got ${got}`)))
  const second = await open(t, { to: { port: portOf(late) } })
  const other = second.client()
  other.end('all')
  t.equal(await received(other), 'got all')
  t.match(await second.ends[0], { closedBy: 'peer', side: 'client' })
})

t.test('a reset on one side is one on the other', async t => {
  const accepted: Socket[] = []
  const server = await listener(t, socket => accepted.push(socket.resume()))
  const { client, ends, link } = await open(t, { to: { port: portOf(server) } })
  const [first, second] = [client(), client()]
  for (const socket of [first, second]) socket.write('a')
  await new Promise<void>(resolve => {
    server.on('connection', () => accepted.length === 2 && resolve())
    if (accepted.length === 2) resolve()
  })
  const onTarget = Promise.race(accepted.map(outcome))
  first.resetAndDestroy()
  t.match(await onTarget, { code: 'ECONNRESET' })
  t.match(await ends[0], { closedBy: 'reset', side: 'client', error: { code: 'ECONNRESET' } })
  const onClient = outcome(second)
  for (const socket of accepted) if (!socket.destroyed) socket.resetAndDestroy()
  t.match(await onClient, { code: 'ECONNRESET' })
  t.match(await ends[1], { closedBy: 'reset', side: 'target' })
  t.match(link.stats(), { accepted: 2, failed: 2, handshakeFailures: 0 })
})

t.test('a stage that stops half-closes its direction', async t => {
  const server = await listener(t, socket => void received(socket).then(got => socket.end(`got ${got}`)))
  const { client, ends } = await open(t, { to: { port: portOf(server) }, transforms: () => [limit({ size: 3 })] })
  const socket = client()
  socket.write('abcdef')
  t.equal(await received(socket), 'got abc')
  t.match(await ends[0], { closedBy: 'local', side: undefined, error: undefined, target: { bytesOut: 3 } })
})

t.test('a stage that fails resets both', async t => {
  const broken = () => {
    throw new Error('broken')
  }
  const server = await listener(t, socket => void outcome(socket).then(({ code }) => codes.push(code)))
  const codes: (string | undefined)[] = []
  const { client, ends } = await open(t, { to: { port: portOf(server) }, transforms: () => [broken] })
  const socket = client()
  socket.write('a')
  t.match(await outcome(socket), { code: 'ECONNRESET' })
  t.match(await ends[0], { closedBy: 'error', side: undefined, error: { message: 'broken' } })
  t.same(codes, ['ECONNRESET'])
})

t.test('a target that cannot be reached resets the client, and the proxy lives (A-11)', async t => {
  const server = await listener(t, () => {})
  const to = { port: portOf(server) }
  server.close()
  const { client, ends, link } = await open(t, { to })
  for (const number of [1, 2]) {
    t.match(await outcome(client()), { code: 'ECONNRESET', ended: false })
    t.match(await ends[number - 1], { number, closedBy: 'error', error: { code: 'ECONNREFUSED' } })
  }
  t.match(link.stats(), { accepted: 2, failed: 2, handshakeFailures: 0 })
})

t.test('a target that does not answer', async t => {
  const to = { port: await silentPort(t) }
  const { client, ends } = await open(t, { to, connectTimeout: 30 })
  t.match(await outcome(client()), { code: 'ECONNRESET', ended: false })
  t.match(await ends[0], {
    closedBy: 'timeout',
    error: { message: /^connect timeout: no answer from 127.0.0.1:\d+ in 30ms$/ },
  })
  const patient = await open(t, { to, connectTimeout: 0 })
  const socket = patient.client()
  await once(socket, 'connect')
  socket.resetAndDestroy() // it has gone before the target is there
  t.match(await patient.ends[0], { closedBy: 'reset', side: undefined, bytesOut: 0 })
})

t.test('words that are numbered, through transforms that change while they run (A-16)', async t => {
  const { link, client } = await open(t, { to: await echo(t) })
  const socket = client()
  const words = Array.from({ length: 50_000 }, (_, i) => `${i} `).join('')
  const answer = received(socket)
  socket.end(words)
  const chains = [
    () => [delay({ latency: 3, jitter: 2 })],
    () => [throttle({ rate: 50_000_000, burst: 10_000 })],
    () => [slice({ size: 7 }), (chunk: Buffer) => chunk],
    () => [],
  ]
  let over = false
  void answer.then(() => {
    over = true
  })
  let changes = 0
  while (!over) {
    const transforms = chains[changes++ % chains.length] as () => []
    await Promise.all([link.forward.use(transforms), link.reply.use(transforms)])
    await new Promise(resolve => setImmediate(resolve))
  }
  t.ok((await answer) === words, 'no gap, nothing twice, nothing moved')
  t.ok(changes > 3)
})

t.test('disabled it is as if the server were down, and enabled again it has the same port', async t => {
  const { link, client, ends } = await open(t, { to: await echo(t) })
  const { port } = link.address
  const socket = client()
  socket.write('a')
  await once(socket, 'data')
  await link.disable()
  t.match(await outcome(socket), { code: 'ECONNRESET' })
  t.match(await ends[0], { closedBy: 'signal', error: { code: 'ERR_CLOSED' } })
  t.match(await outcome(client()), { code: 'ECONNREFUSED' })
  void link.disable()
  await link.enable()
  await link.enable()
  t.equal(link.address.port, port)
  const again = client()
  again.end('b')
  t.equal(await received(again), 'b')
})

t.test('nothing is opened for options that are wrong', async t => {
  const to = { port: 1 }
  for (const [options, message] of [
    [{ to: 'nowhere' }, /^'nowhere'/],
    [{}, /^proxy needs to: the address of the target/],
    [{ to: { port: 0 } }, /^'127.0.0.1:0': port 0 cannot be dialled/],
    [{ to, connectTimeout: -1 }, /^connectTimeout: -1 is not allowed/],
    [{ to, idleTimeout: -1 }, /^idleTimeout: -1 is not allowed/],
    [{ to, transforms: [] }, /^transforms must be a function/],
    [{ to, replyTransforms: 1 }, /^replyTransforms must be a function/],
    [{ port: 1, to }, /^'127.0.0.1:1' is the proxy's own address/],
  ] as [ProxyOptions, RegExp][])
    await t.rejects(proxy({ port: 0, ...options }), { message }, String(message))
})

t.test('TLS on both sides, each for itself, and new certificates', async t => {
  const accept = tlsAcceptor(serverContext(identity))
  const server = await listener(t, async raw => {
    const secure = await accept(raw).catch(() => undefined)
    secure?.socket.pipe(secure.socket)
  })
  const to = `tls://127.0.0.1:${portOf(server)}`
  const { link, ends } = await open(t, { to, tls: stranger, targetTls: { ca: identity.cert }, transforms: () => upper })
  const exchange = async () => {
    const output = memorySink()
    await send({ port: link.address.port, tls: { pin: link.pin }, from: 'hello', output })
    return String(output.data)
  }
  t.equal(await exchange(), 'HELLO')
  t.match(await ends[0], { tls: { protocol: 'TLSv1.3' }, target: { to, tls: { protocol: 'TLSv1.3' } } })
  const { pin } = link
  await link.setSecureContext({ tls: identity })
  t.not(link.pin, pin)
  t.equal(await exchange(), 'HELLO')
  await link.setSecureContext({ targetTls: { ca: stranger.cert } })
  await t.rejects(exchange(), { code: 'ECONNRESET' })
  t.match(await ends[2], { closedBy: 'error', error: { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' } })
})

t.test('ALPN: the target is offered what the client has been promised (G-29)', async t => {
  const alpn = ['h2', 'http/1.1']
  const target = await serve({ port: 0, tls: { ...identity, alpn }, reply: true })
  t.teardown(() => target.close({ drain: 0 }))
  const to = `tls://127.0.0.1:${target.address.port}`
  const targetTls = { ca: identity.cert, alpn }
  const chosen = async (tls: ProxyOptions['tls'], client: ClientTls | undefined) => {
    const { link, ends } = await open(t, { to, tls, targetTls })
    await send({ port: link.address.port, tls: client, from: 'hello', output: memorySink() })
    const summary = await ends[0]
    return [summary?.tls?.alpn, summary?.target?.tls?.alpn]
  }
  const ca = identity.cert
  t.same(await chosen({ ...identity, alpn }, { ca, alpn }), ['h2', 'h2'])
  t.same(await chosen({ ...identity, alpn }, { ca, alpn: ['http/1.1'] }), ['http/1.1', 'http/1.1'])
  t.same(await chosen({ ...identity, alpn }, { ca }), [undefined, undefined])
  t.same(await chosen({ ...identity }, { ca }), [undefined, 'h2'], 'the client was promised nothing')
  t.same(await chosen(undefined, undefined), [undefined, 'h2'])
})

t.test('close while the target is being reached ends the dial, and is a success', async t => {
  const target = await listener(t, socket => void socket.resume().once('end', () => socket.end())) // no handshake
  const { link, client } = await open(t, { to: `tls://127.0.0.1:${portOf(target)}`, handshakeTimeout: 0 })
  const dialled = once(target, 'connection') as Promise<[Socket]>
  client()
  const [socket] = await dialled
  const [connection] = link.connections
  const gone = outcome(socket)
  t.match(await connection?.close(), { closedBy: 'local', error: undefined })
  await gone
  t.equal(await link.close(), 0)
})

t.test('a session with the target survives a broken link, and the log says so (H-01)', async t => {
  const target = await serve({ reliable: true, port: 0, reply: true })
  t.teardown(() => target.close({ drain: 0 }))
  const path = await relay(t, (target.address as { port: number }).port)
  const { log, lines } = recorder()
  const { client } = await open(t, { to: `reliable://127.0.0.1:${path.port}`, log })
  const socket = client()
  socket.write('before')
  await once(socket, 'data')
  path.links.at(-1)?.cut()
  await until(() => lines.some(({ msg }) => msg === 'connected again'))
  socket.end('after')
  t.equal(await received(socket), 'after')
  t.match(
    lines.filter(({ msg }) => /connect(ed|ing) again/.test(msg)),
    [
      { level: 40, error: /./, msg: 'the connection is lost, connecting again' },
      { level: 30, msg: 'connected again' },
    ],
  )
  const silent = await open(t, { to: `reliable://127.0.0.1:${path.port}` })
  const other = silent.client()
  other.write('before')
  await once(other, 'data')
  const { length } = path.links
  path.links.at(-1)?.cut()
  await until(() => path.links.length > length)
  other.end('after')
  t.equal(await received(other), 'after')
})

t.test('a reliable transfer to a target gets its receipt when the target has taken everything', async t => {
  const target = await listener(t, socket => {
    socket.end('a reply before that')
    socket.resume()
  })
  const { link } = await open(t, { listen: 'reliable://127.0.0.1:0', to: { port: portOf(target) } })
  const { port } = link.address
  const output = memorySink()
  const { bytes } = await send({ reliable: true, port, from: 'x'.repeat(3_000_000), output })
  t.equal(bytes, 3_000_000)
  t.equal(String(output.data), 'a reply before that')
})

t.test('a chain that passes on who the client is: before TLS, and on every link of a session', async t => {
  const seen: Summary[] = []
  const proxyProtocol = { from: ['127.0.0.1'] }
  const onConnection = ({ closed }: { closed: Promise<Summary> }) => void closed.then(summary => seen.push(summary))
  for (const [listen, to, tls] of [
    ['tls://0', 'tls', identity],
    ['reliable://0', 'reliable', undefined],
    ['reliable+tls://0', 'reliable+tls', identity],
  ] as const)
    for (const sendProxyProtocol of ['v1', 'v2'] as const) {
      const server = await serve({ listen, reply: true, proxyProtocol, onConnection, ...(tls && { tls }) })
      t.teardown(() => server.close({ drain: 0 }))
      const targetTls = tls && { ca: identity.cert }
      const target = `${to}://127.0.0.1:${server.address.port}`
      const { client, ends } = await open(t, { to: target, targetTls, sendProxyProtocol, proxyProtocol })
      const socket = client()
      const answer = received(socket)
      socket.write('PROXY TCP6 2001:db8::1 2001:db8::2 4711 80\r\nhello')
      socket.end()
      t.equal(await answer, 'hello')
      t.match(await ends[0], { remote: '2001:db8::1', bytesIn: 5, bytesOut: 5 }, 'the header is not counted')
      await until(() => seen.length === 1)
      t.match(seen.pop(), { remote: '2001:db8::1', port: 4711, via: /^127\.0\.0\.1:\d+$/, bytesIn: 5, bytesOut: 5 })
    }
})
