import { generateKeyPairSync, X509Certificate } from 'node:crypto'
import t from 'tap'
import { pinOf } from '../../lib/pin.js'
import {
  type ClientTls,
  checkServerTls,
  clientContext,
  type ServerTls,
  serverContext,
} from '../../lib/secure-context.js'
import { identity, stranger } from './tls.js'

const { cert, key } = identity
const locked = generateKeyPairSync('ec', {
  namedCurve: 'P-256',
  privateKeyEncoding: { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'secret' },
  publicKeyEncoding: { type: 'spki', format: 'pem' },
}).privateKey

t.test('serverContext: what Node is told', async t => {
  const pin = pinOf(new X509Certificate(cert))
  t.match(serverContext(identity), { pin, ignoreUnexpectedEof: false, options: { cert, key, minVersion: 'TLSv1.2' } })
  t.notOk('requestCert' in serverContext(identity).options)
  t.match(serverContext({ ...identity, minVersion: '1.3', ignoreUnexpectedEof: true, clientCa: stranger.cert }), {
    ignoreUnexpectedEof: true,
    options: { minVersion: 'TLSv1.3', ca: stranger.cert, requestCert: true, rejectUnauthorized: true },
  })
  t.ok(serverContext({ cert: Buffer.from(cert), key: Buffer.from(key) }), 'Buffers')
})

t.test('checkServerTls: auto has no certificate yet', async t => {
  t.equal(checkServerTls({ auto: true, clientCa: cert }), undefined)
  t.ok(checkServerTls(identity) instanceof X509Certificate)
})

t.test('serverContext: what is wrong is told with its name', async t => {
  for (const [tls, message] of [
    [{}, 'tls needs cert and key, or auto'],
    [{ cert }, 'cert needs key'],
    [{ key }, 'key needs cert'],
    [{ passphrase: 'secret' }, 'passphrase needs key'],
    [{ ...identity, auto: true }, 'auto and cert exclude each other'],
    [{ cert, key: stranger.key }, 'key: it is not the key of cert'],
    [{ cert: 'x', key }, /^cert: this is no certificate \(.*\); expected PEM$/],
    [{ cert: key, key }, /^cert: this is no certificate/],
    [{ cert, key: cert }, /^key: it cannot be read \([^)]*\)$/],
    [{ cert, key: locked }, 'key: it is encrypted; expected its passphrase, too'],
    [{ cert, key: locked, passphrase: 'guess' }, /^key: it cannot be read \(.*\); is the passphrase right\?$/],
    [{ cert, key: locked, passphrase: 'secret' }, 'key: it is not the key of cert'],
    [{ ...identity, clientCa: 'x' }, /^clientCa: this is no certificate/],
    [{ ...identity, minVersion: '1.1' }, 'minVersion: 1.1 is not allowed; expected 1.2 or 1.3'],
    [{ cert: `${cert}\n-----BEGIN CERTIFICATE-----\n`, key }, /^tls: ./],
  ] as [ServerTls, string | RegExp][])
    t.throws(() => serverContext(tls), { code: 'ERR_OPTION', message }, String(message))
})

t.test('clientContext', async t => {
  const pin = pinOf(new X509Certificate(cert))
  t.match(clientContext({}), { verify: true, pins: undefined, serverName: undefined, ignoreUnexpectedEof: false })
  t.match(clientContext({ ca: cert, pin }), { verify: true, pins: [pin] })
  t.match(clientContext({ pin }), { verify: false, pins: [pin] })
  t.match(clientContext({ insecure: true, serverName: 'x', ignoreUnexpectedEof: true }), {
    verify: false,
    serverName: 'x',
    ignoreUnexpectedEof: true,
  })
  t.ok(clientContext(identity), 'a certificate of our own')
  for (const [tls, message] of [
    [{ cert }, 'cert needs key'],
    [{ ca: '' }, /^ca: this is no certificate/],
    [{ pin: 'x' }, /^'x' is no pin/],
    [{ serverName: '' }, "serverName: '' is not allowed"],
    [{ insecure: true, pin }, 'insecure and pin exclude each other'],
    [{ insecure: true, ca: cert }, 'insecure and ca exclude each other'],
    [{ minVersion: 1.3 }, undefined],
    [{ minVersion: 'TLSv1.2' }, 'minVersion: TLSv1.2 is not allowed'],
  ] as unknown as [ClientTls, string | RegExp | undefined][]) {
    if (message) t.throws(() => clientContext(tls), { code: 'ERR_OPTION', message }, String(message))
    else t.throws(() => clientContext(tls), { code: 'ERR_OPTION' })
  }
})
