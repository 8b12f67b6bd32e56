import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import t from 'tap'
import type { EndNotice } from '../../../../lib/endpoints/endpoint.js'
import { resetOnError } from '../../../../lib/endpoints/reset.js'
import { pinOf } from '../../../../lib/endpoints/tls/certificate.js'
import { tlsAcceptor, tlsConnect } from '../../../../lib/endpoints/tls/handshake.js'
import { clientContext, serverContext } from '../../../../lib/endpoints/tls/secure-context.js'
import {
  clientOf,
  closed,
  collect,
  failOnWarning,
  listener,
  outcome,
  portOf,
  socketPair,
  unixPair,
} from '../../network.js'
import { handshakes, identity, stranger, tlsPair, tlsPairWithHop } from '../../tls.js'

const pin = pinOf(new X509Certificate(identity.cert))
const otherPin = pinOf(new X509Certificate(stranger.cert))
/** The name in errors, and the name that the certificate must have. */
const to = ['tls://127.0.0.1:1', '127.0.0.1'] as const

for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
  t.test(`${version}: half-close in both directions, every byte (A-01)`, async t => {
    failOnWarning(t)
    const { server, client, serverRaw, clientRaw } = await tlsPair(t, { version })
    const data = Buffer.alloc(3_000_000, 'x')
    client.end(data)
    t.equal((await collect(server)).length, data.length)
    server.write('after your end')
    server.end(', and to mine')
    t.equal(String(await collect(client)), 'after your end, and to mine')
    await Promise.all([serverRaw, clientRaw].map(raw => raw.closed || closed(raw)))
    t.equal(server.bytesRead, data.length, 'bytes are those of the data')
    t.equal(client.bytesWritten, data.length)
  })

  t.test(`${version}: a failure resets the socket below, whoever fails`, async t => {
    for (const side of ['server', 'client'] as const) {
      const pair = await tlsPair(t, { version })
      const [failing, other] = side === 'server' ? [pair.server, pair.client] : [pair.client, pair.server]
      resetOnError(failing)
      const seen = outcome(other as Socket)
      failing.write('a part')
      await once(other, 'data')
      failing.destroy(new Error('ours'))
      t.match(await seen, { ended: false, code: 'ECONNRESET' }, side)
    }
  })

  t.test(`${version}: an end that was not announced is a failure, and can be accepted`, async t => {
    const strict = await tlsPairWithHop(t, { version })
    const seen = outcome(strict.server as Socket)
    strict.client.write('a part')
    await once(strict.server, 'data')
    strict.cut()
    t.match(await seen, { ended: false, code: 'ERR_UNEXPECTED_EOF' })

    const tolerant = await tlsPairWithHop(t, { version, server: { ignoreUnexpectedEof: true } })
    tolerant.client.write('a part')
    await once(tolerant.server, 'readable')
    tolerant.cut()
    t.equal(String(await collect(tolerant.server)), 'a part')
    t.equal(tolerant.facts.server?.closeNotify, false)
  })

  t.test(`${version}: an end that leaves close_notify out, and one that accepts it (G-46)`, async t => {
    for (const side of ['server', 'client'] as const) {
      const pair = await tlsPair(t, { version })
      const [accepting, omitting] = [side, side === 'server' ? 'client' : 'server'] as const
      const notice = pair.notices[accepting] as EndNotice
      notice.acceptMissing = () => true
      pair.notices[omitting]?.omit()
      pair[omitting].end('all of it')
      t.equal(String(await collect(pair[accepting])), 'all of it')
      t.equal(pair.facts[accepting]?.closeNotify, false)
      pair[accepting].end('the answer')
      t.equal(String(await collect(pair[omitting])), 'the answer')
      t.equal(pair.facts[omitting]?.closeNotify, undefined, 'our own end has its notice')
    }
  })

  t.test(`${version}: what came before an end that was not announced is read first (G-26)`, async t => {
    const data = Buffer.alloc(300_000, 'x')
    for (const how of ['flow', 'read', 'iterate', 'late'] as const) {
      const { client, server, clientRaw } = await tlsPair(t, { version })
      const failed = new Promise<NodeJS.ErrnoException>(resolve => server.once('error', resolve))
      const chunks: Buffer[] = []
      const size = () => Buffer.concat(chunks).length
      const take = () => {
        for (let chunk = server.read(); chunk !== null; chunk = server.read()) chunks.push(chunk)
      }
      const iterate = async () => {
        for await (const chunk of server) chunks.push(chunk)
      }
      if (how === 'flow') server.on('data', chunk => chunks.push(chunk))
      if (how === 'read') server.on('readable', take)
      const iterated = how === 'iterate' ? iterate().catch(() => {}) : undefined
      client.write(how === 'late' ? data.subarray(0, 10_000) : data, () => clientRaw.end())
      if (how === 'late') {
        await new Promise(resolve => server.once('readable', resolve))
        for (let i = 0; i < 20; i++) await new Promise(setImmediate)
        chunks.push(server.read())
      }
      t.match(await failed, { code: 'ERR_UNEXPECTED_EOF' }, how)
      await iterated
      t.equal(size(), how === 'late' ? 10_000 : data.length, how)
    }
  })

  t.test(`${version}: the certificate of the client`, async t => {
    const server = { clientCa: identity.cert }
    const good = await tlsPair(t, { version, server, client: { ca: identity.cert, ...identity } })
    good.client.end('x')
    t.equal(String(await collect(good.server)), 'x')

    for (const [own, code, hint] of [
      [{}, 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE', /the client has no certificate/],
      [
        stranger,
        'DEPTH_ZERO_SELF_SIGNED_CERT',
        /^the client's certificate is refused: .*; no authority in clientCa has signed it/,
      ],
    ] as const) {
      const { server: refused, client } = await handshakes(t, {
        version,
        server,
        client: { ca: identity.cert, ...own },
      })
      t.match(refused, { reason: { code, message: hint } })
      if (client.status === 'rejected') t.match(client.reason, { code: /^ECONNRESET$|ALERT_HANDSHAKE_FAILURE$/ })
      else {
        const { code, ended } = await outcome(client.value as Socket)
        t.match(code, /^ECONNRESET$|ALERT_CERTIFICATE_REQUIRED$/, 'in TLS 1.3 the client is told when it is ready')
        t.notOk(ended && code === undefined)
      }
    }
  })
}

t.test('a refused client is told what may be wrong', async t => {
  const options = { server: { clientCa: identity.cert }, client: { ca: identity.cert } }
  const { client } = await handshakes(t, options)
  if (client.status === 'rejected') return t.match(client.reason.message, /certificate/)
  const [error] = await once(client.value, 'error')
  t.match(error.message, /the server wants a certificate|perhaps it does not accept the client/)
})

t.test('a server that is not verified gets no byte, and is reset', async t => {
  for (const [client, code, hint] of [
    [{}, 'DEPTH_ZERO_SELF_SIGNED_CERT', /or its pin as pin$/],
    [{ ca: stranger.cert }, 'DEPTH_ZERO_SELF_SIGNED_CERT', /./],
    [{ ca: identity.cert, serverName: 'other.example' }, 'ERR_TLS_CERT_ALTNAME_INVALID', /as serverName$/],
    [{ ca: identity.cert, serverName: '127.0.0.2' }, 'ERR_TLS_CERT_ALTNAME_INVALID', /./],
    [{ pin: otherPin }, 'ERR_PIN', `pin: the server's public key is ${pin}; expected ${otherPin}`],
    [{ ca: identity.cert, pin: otherPin }, 'ERR_PIN', /./],
    [{ ca: stranger.cert, pin }, 'DEPTH_ZERO_SELF_SIGNED_CERT', /./],
  ] as const) {
    const { client: refusing, clientRaw, server } = await handshakes(t, { client })
    t.match(refusing, { reason: { code, message: hint } })
    t.ok(clientRaw.destroyed)
    if (server.status === 'fulfilled')
      t.match(await outcome(server.value as Socket), { ended: false, data: Buffer.alloc(0) })
  }
})

t.test('a server can be verified by its authority, its name, its pin, or not at all', async t => {
  for (const client of [
    { ca: identity.cert },
    { ca: identity.cert, serverName: 'localhost' },
    { ca: identity.cert, serverName: '::1' },
    { pin },
    { pin: `${otherPin};${pin}` },
    { ca: identity.cert, pin },
    { insecure: true },
  ]) {
    const pair = await tlsPair(t, { client })
    pair.client.end('x')
    t.equal(String(await collect(pair.server)), 'x')
  }
})

t.test('a peer that speaks no TLS, or no version that fits, is told in words', async t => {
  const [raw, plain] = await socketPair(t)
  const seen = outcome(plain)
  plain.write('GET / HTTP/1.1\r\n\r\n')
  const accept = tlsAcceptor(serverContext(identity))
  await t.rejects(accept(raw), { code: 'ERR_SSL_HTTP_REQUEST', message: /the peer does not speak TLS$/ })
  t.notOk((await seen).code === undefined && (await seen).ended && (await seen).data.length === 0, 'no clean end')

  const server = await listener(t, socket => void socket.once('data', () => socket.write('SSH-2.0-x\r\n')))
  const client = clientOf(t, { port: portOf(server) })
  await once(client, 'connect')
  const failed = tlsConnect(client, ...to, clientContext({ insecure: true }))
  await t.rejects(failed, { code: 'ERR_SSL_WRONG_VERSION_NUMBER', message: /the peer does not speak TLS$/ })

  const old = await handshakes(t, { version: 'TLSv1.2', client: { ca: identity.cert, minVersion: '1.3' } })
  t.match(
    [old.client, old.server],
    [{ reason: { message: /see minVersion/ } }, { reason: { message: /see minVersion/ } }],
  )
})

t.test('the handshake timeout is absolute, on both sides', async t => {
  const [raw, dripping] = await socketPair(t)
  dripping.write(Buffer.of(0x16))
  const timer = setInterval(() => dripping.write(Buffer.of(3)), 20) // it does go on
  t.teardown(() => clearInterval(timer))
  const seen = outcome(dripping)
  const accept = tlsAcceptor(serverContext(identity))
  await t.rejects(accept(raw, { handshakeTimeout: 60 }), {
    code: 'ERR_TIMEOUT',
    timeout: 'handshake',
    message: 'handshake timeout: no TLS with the client in 60ms',
  })
  clearInterval(timer)
  t.match(await seen, { code: /ECONNRESET|EPIPE/ })

  const [client] = await socketPair(t)
  await t.rejects(tlsConnect(client, ...to, clientContext({}), { handshakeTimeout: 20 }), {
    message: 'handshake timeout: no TLS with tls://127.0.0.1:1 in 20ms',
  })
})

t.test('a handshake timeout of 0 is without limit, and a signal ends the handshake', async t => {
  const [raw] = await socketPair(t)
  const abort = new AbortController()
  const accepted = tlsAcceptor(serverContext(identity))(raw, { handshakeTimeout: 0, signal: abort.signal })
  abort.abort(new Error('enough'))
  await t.rejects(accepted, { message: 'enough' })
  t.ok(raw.destroyed)
})

t.test('an abort in the handshake rejects with an AbortError, whatever the reason is (G-20)', async t => {
  for (const reason of [undefined, new Error('enough'), 'enough']) {
    for (const isBefore of [true, false]) {
      const [raw] = await socketPair(t)
      const abort = new AbortController()
      if (isBefore) abort.abort(reason)
      const connected = tlsConnect(raw, ...to, clientContext({}), { signal: abort.signal })
      if (!isBefore) abort.abort(reason)
      const error = await connected.catch(error => error)
      t.match(error, { name: 'AbortError', code: 'ABORT_ERR', message: 'The operation was aborted' })
      t.equal(error.cause, abort.signal.reason)
      t.ok(raw.destroyed)
    }
  }
})

t.test('a peer that leaves in the middle of the handshake is told', async t => {
  for (const leave of ['destroy', 'resetAndDestroy'] as const) {
    const [raw, client] = await socketPair(t)
    const accepted = tlsAcceptor(serverContext(identity))(raw, { handshakeTimeout: 300 })
    client.write(Buffer.of(0x16, 3, 1))
    client[leave]()
    await t.rejects(accepted, {
      message: /^the client closed the connection during the TLS handshake; it may not |in 300ms/,
    })
  }
})

t.test('over a unix socket a handshake succeeds and fails in the same way', async t => {
  const good = await tlsPair(t, { client: { ca: identity.cert, serverName: 'localhost' } }, unixPair(t))
  good.client.end('x')
  t.equal(String(await collect(good.server)), 'x')
  const bad = await handshakes(t, { client: {} }, unixPair(t))
  t.match(bad.client, { reason: { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' } })
  const [raw, client] = await unixPair(t)
  client.end()
  await t.rejects(tlsConnect(raw, 'tls://unix:/run/x', 'localhost', clientContext({}), { handshakeTimeout: 50 }), {
    message: /unix:\/run\/x|during the TLS handshake/,
  })
})

t.test('the facts of both sides: what they know of each other', async t => {
  const { facts } = await tlsPair(t, {
    server: { clientCa: identity.cert },
    client: { ...identity, ca: identity.cert, serverName: 'localhost' },
  })
  const known = { protocol: 'TLSv1.3', cipher: /^TLS_AES/, subject: 'CN=tcp-pipe' }
  t.match(facts.server, { ...known, serverName: 'localhost' })
  t.match(facts.client, known)

  const unverified = (await tlsPair(t, { client: { insecure: true }, version: 'TLSv1.2' })).facts
  t.match(unverified.client, { protocol: 'TLSv1.2' })
  t.same(Object.keys(unverified.client ?? {}), ['protocol', 'cipher'], 'a name that nobody has verified is not told')
  t.same(Object.keys(unverified.server ?? {}), ['protocol', 'cipher'], 'nor one that was not asked for')
})

t.test(
  'ALPN: the first of the server that the client offers, or none; without a common one there is no TLS (G-29)',
  async t => {
    const both = ['h2', 'http/1.1']
    for (const [server, client, chosen] of [
      [both, both, 'h2'],
      [both, ['http/1.1', 'h2'], 'h2'],
      [both, ['x', 'http/1.1'], 'http/1.1'],
      [both, undefined, undefined],
      [undefined, both, undefined],
    ] as const) {
      const { facts } = await tlsPair(t, { server: { alpn: server }, client: { ca: identity.cert, alpn: client } })
      t.same([facts.server?.alpn, facts.client?.alpn], [chosen, chosen])
    }
    const alpn = both
    for (const [offered, chosen] of [
      [['http/1.1'], 'http/1.1'],
      [[], undefined],
    ] as const) {
      const handshake = { alpn: offered }
      const { facts } = await tlsPair(t, { server: { alpn }, client: { ca: identity.cert, alpn }, handshake })
      t.equal(facts.server?.alpn, chosen, 'the offer of one connection')
    }
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      const failed = await handshakes(t, { version, server: { alpn }, client: { ca: identity.cert, alpn: ['x'] } })
      const hint = /no application protocol is common to both; see alpn$/
      t.match(failed.server, { reason: { message: hint } }, version)
      t.match(failed.client, { reason: { message: hint } }, version)
    }
  },
)

t.test('one that fails has no facts', async t => {
  const { facts, client } = await handshakes(t, { client: {} })
  t.equal(client.status, 'rejected')
  t.equal(facts.client, undefined)
})
