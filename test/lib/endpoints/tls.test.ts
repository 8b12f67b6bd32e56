import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { Duplex } from 'node:stream'
import { connect } from 'node:tls'
import t from 'tap'
import type { Arrival, Leg } from '../../../lib/endpoints/endpoint.js'
import { openTlsContexts } from '../../../lib/endpoints/tls/contexts.js'
import { clientContext } from '../../../lib/endpoints/tls/secure-context.js'
import { type TlsAddress, tls } from '../../../lib/endpoints/tls.js'
import { clientOf, outcome, received, socketPath, until } from '../network.js'
import { identity, stranger } from '../tls.js'
import { contexts, listenAt, ownAddress } from './legs.js'

const host = '127.0.0.1'
const trusting = clientContext({ ca: identity.cert })

const dial = (to: unknown, options: Parameters<NonNullable<typeof tls.dial>>[1] = { tls: trusting }) =>
  Promise.resolve(tls.dial?.(to as TlsAddress, options)) as Promise<Leg>

const hello = async ({ open }: Arrival) => {
  const leg = await Promise.resolve(open()).catch(() => undefined)
  leg?.stream.resume().end('hello')
}

/** What the server says to its end; ours comes behind it. */
async function heard({ stream }: Leg): Promise<string> {
  const text = await received(stream)
  stream.end()
  return text
}

t.test('text ⇄ address', async t => {
  for (const [text, address] of [
    ['tls://example.org:443', { host: 'example.org', port: 443 }],
    ['tls://443', { host, port: 443 }],
    ['tls://[::1]:443', { host: '::1', port: 443 }],
    ['tls://unix:443', { host: 'unix', port: 443 }],
    ['tls://unix:/run/x', { path: '/run/x' }],
  ] as const) {
    t.strictSame(tls.parse(text), { ...address, scheme: 'tls' }, text)
    t.strictSame(tls.parse(tls.format(tls.parse(text))), tls.parse(text), text)
  }
  t.equal(tls.format({ scheme: 'tls', path: '/run/x' }), 'tls://unix:/run/x')
  t.throws(() => tls.parse('tls:443'), { code: 'ERR_ADDRESS', message: 'is not an address' })
  t.same(['tls://443', 'tls:443', 'tls.example:443'].map(tls.accepts), [true, true, false])
})

t.test('parts → address: without a host it is loopback, and a path is one of a unix socket', async t => {
  t.strictSame(tls.complete({ scheme: 'tls', host: '', port: 443 }), { scheme: 'tls', host, port: 443 })
  t.strictSame(tls.complete({ scheme: 'tls', path: '/run/x' }), { scheme: 'tls', path: '/run/x' })
  t.throws(() => tls.complete({ scheme: 'tls', host, port: -1 }), { code: 'ERR_ADDRESS' })
  t.throws(() => tls.complete({ scheme: 'tls', path: '' }), { code: 'ERR_ADDRESS' })
})

t.test('the server is verified, and a handshake that fails is not tried again', async t => {
  const { to } = await listenAt(t, ownAddress(t, 'tls'), hello)
  const leg = await dial(to)
  t.match(leg.facts.tls, { protocol: 'TLSv1.3' })
  t.equal(await heard(leg), 'hello')
  let attempts = 0
  const onRetry = () => attempts++
  const refused = dial(to, { tls: clientContext({}), retry: 3, onRetry })
  await t.rejects(refused, { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' })
  t.equal(attempts, 0)
})

t.test('the handshake comes when the client is admitted, and within its time', async t => {
  const arrivals: Arrival[] = []
  const { to } = await listenAt(t, ownAddress(t, 'tls'), arrival => arrivals.push(arrival))
  const client = clientOf(t, to as { port: number })
  const seen = outcome(client)
  await once(client, 'connect')
  while (arrivals.length === 0) await new Promise(setImmediate)
  const [arrival] = arrivals as [Arrival]
  t.same([arrival.remote, arrival.port], [host, client.localPort])
  await t.rejects(Promise.resolve(arrival.open({ handshakeTimeout: 20 })), {
    code: 'ERR_TIMEOUT',
    timeout: 'handshake',
  })
  t.match(await seen, { ended: false, code: 'ECONNRESET' })
})

t.test('a client that is refused is reset without a handshake', async t => {
  const { to } = await listenAt(t, ownAddress(t, 'tls'), ({ refuse }) => refuse(new Error('no')))
  await t.rejects(dial(to), { code: 'ECONNRESET' })
})

t.test('each client gets the certificate of its time', async t => {
  const changing = await openTlsContexts({ scheme: 'tls' }, undefined, { tls: identity })
  const { to } = await listenAt(t, ownAddress(t, 'tls'), hello, changing)
  t.equal(await heard(await dial(to)), 'hello')
  await changing.setSecureContext({ tls: stranger })
  await t.rejects(dial(to), { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' })
  t.equal(await heard(await dial(to, { tls: clientContext({ ca: stranger.cert }) })), 'hello')
})

t.test(
  'over a unix socket: the certificate is that of localhost, and a path that was left behind is taken over',
  async t => {
    const path = socketPath(t)
    const leave = `require('net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))`
    t.throws(() => execFileSync(process.execPath, ['-e', leave, path], { stdio: 'ignore' }))
    t.ok(existsSync(path))
    const { to } = await listenAt(t, { scheme: 'tls', path }, hello, contexts)
    const leg = await dial(to)
    t.same([leg.remote, leg.port], ['unix', undefined])
    t.equal(await received(leg.stream), 'hello')
    leg.stream.end()
    await t.rejects(dial({ scheme: 'tls', path: socketPath(t) }), { code: 'ENOENT' })
  },
)

t.test('behind a balancer: the handshake may come in one chunk with the header, or never', async t => {
  const legs: Leg[] = []
  const errors: Error[] = []
  const listener = await tls.listen?.(
    { scheme: 'tls', host, port: 0 },
    ({ open }) =>
      void Promise.resolve(open()).then(
        leg => leg && legs.push(leg),
        error => errors.push(error),
      ),
    {
      accept: contexts.accept,
      balancers: { believes: () => true, timeout: 60_000, max: 9, refused: (_, error) => t.fail(error.message) },
    },
  )
  t.teardown(() => void listener?.close())
  const header = Buffer.from('PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n')
  const port = Number(listener?.bound.port)
  const raw = clientOf(t, { port })
  let isFirst = true
  const below = new Duplex({
    read() {},
    write(chunk, _, callback) {
      raw.write(isFirst ? Buffer.concat([header, chunk]) : chunk, callback)
      isFirst = false
    },
  })
  raw.on('data', chunk => below.push(chunk))
  const socket = connect({ socket: below, ca: identity.cert, servername: 'localhost' })
  socket.write('hello')
  await once(socket, 'secureConnect')
  await until(() => legs.length === 1)
  const [leg] = legs as [Leg]
  t.match(leg, {
    remote: '192.0.2.1',
    port: 1,
    local: { address: '192.0.2.2', port: 2 },
    facts: { via: /^127/, tls: {} },
  })
  const [chunk] = await once(leg.stream, 'data')
  t.equal(String(chunk), 'hello')
  t.same([leg.bytes.in, leg.bytes.out], [5, 0], 'the header is none of its bytes')
  leg.stream.destroy()
  clientOf(t, { port }).end(header)
  await until(() => errors.length === 1)
  t.match(errors[0], { code: 'ECONNRESET', message: /closed the connection during the TLS handshake/ })
})
