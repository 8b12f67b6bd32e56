import { generateKeyPairSync, X509Certificate } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import t from 'tap'
import { pinOf } from '../../../../lib/endpoints/tls/certificate.js'
import {
  type ClientTls,
  checkServerTls,
  clientContext,
  type ServerTls,
  serverContext,
} from '../../../../lib/endpoints/tls/secure-context.js'
import { identity, stranger } from '../../tls.js'

const { cert, key } = { cert: `${identity.cert}\n`, key: `${identity.key}\n` }
const locked = generateKeyPairSync('ec', {
  namedCurve: 'P-256',
  privateKeyEncoding: { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'secret' },
  publicKeyEncoding: { type: 'spki', format: 'pem' },
}).privateKey

t.test('serverContext: what Node is told', async t => {
  const pin = pinOf(new X509Certificate(cert))
  t.match(serverContext({ cert, key }), {
    pin,
    ignoreUnexpectedEof: false,
    options: { cert, key, minVersion: 'TLSv1.2' },
  })
  t.notOk('requestCert' in serverContext(identity).options)
  t.match(serverContext({ ...identity, minVersion: '1.3', ignoreUnexpectedEof: true, clientCa: stranger.cert }), {
    ignoreUnexpectedEof: true,
    options: { minVersion: 'TLSv1.3', ca: stranger.cert, requestCert: true, rejectUnauthorized: true },
  })
  t.ok(serverContext({ cert: Buffer.from(cert), key: Buffer.from(key) }), 'Buffers')
})

/** RSA of 512 bits, valid for a hundred years. */
const weak = {
  key: `-----BEGIN PRIVATE KEY-----
MIIBVQIBADANBgkqhkiG9w0BAQEFAASCAT8wggE7AgEAAkEA1+6nha6zDiI7Y4Fa
3KJlNYJ/nRqxCR6sKyLwRfUSZ7G1ofGAIxq558/OnhIEsEwi3wzZ0pBhTX3KQQSe
Uzi9YwIDAQABAkAfdyl2M4ToFFjvIRRqfkedSozqCc+ucofIKWk16IZsEZana0lf
g0gTbe37tvWDIWRrFf6QDeCgtOP9HBbJZBfBAiEA+1P8/taCmRoL805vkxnd0MWL
1/0ta7wbXK/ihx1ZpxECIQDb8jnAU34jFw2ksHy4nzL70v4KhHkwr9lt43rgN8cl
MwIgA6mOpzwC/S4m/G2pLJCU7eTjC8uxrL85+tjJSUTBOLECIQDb6aJSqWiKP0eV
7hyWIB9C6OC2tWPTCVA17mfyffKxPwIhAMsJY1RwcgIIykqSyKKeKPLVau06ekzD
gruMZZklmfwx
-----END PRIVATE KEY-----`,
  cert: `-----BEGIN CERTIFICATE-----
MIIBdzCCASGgAwIBAgIUejQ7+RWEgO7BhDiTNh6yaf6SWjIwDQYJKoZIhvcNAQEL
BQAwDzENMAsGA1UEAwwEd2VhazAgFw0yNjExMjMyMjA3MTRaGA8yMTI2MTAzMDIy
MDcxNFowDzENMAsGA1UEAwwEd2VhazBcMA0GCSqGSIb3DQEBAQUAA0sAMEgCQQDX
7qeFrrMOIjtjgVrcomU1gn+dGrEJHqwrIvBF9RJnsbWh8YAjGrnnz86eEgSwTCLf
DNnSkGFNfcpBBJ5TOL1jAgMBAAGjUzBRMB0GA1UdDgQWBBS2SaT0Nh98RSAFS980
PClAf6nn1jAfBgNVHSMEGDAWgBS2SaT0Nh98RSAFS980PClAf6nn1jAPBgNVHRMB
Af8EBTADAQH/MA0GCSqGSIb3DQEBCwUAA0EAC241sYzv7dRVCzcFReJTiyJA5sha
W98Y2ePbpzfw/qVaPl4gcH/fEtUqCfK4QQBvLsxUd0CBT7Pa2gRi07c/Ng==
-----END CERTIFICATE-----`,
}

t.test('alpn: a list of names, on both sides (G-29)', async t => {
  const alpn = ['h2', 'http/1.1']
  t.match(serverContext({ ...identity, alpn }), { options: { ALPNProtocols: alpn } })
  t.notOk('ALPNProtocols' in serverContext(identity).options)
  t.match(clientContext({ alpn }), { alpn })
  for (const [wrong, message] of [
    [[], "alpn: '' is not allowed; expected a list, such as ['h2', 'http/1.1']"],
    ['h2', "alpn: 'h2' is not allowed; expected a list, such as ['h2', 'http/1.1']"],
    [null, 'alpn: null is not allowed; expected a list'],
    [['h2', ''], "alpn: '' is not allowed; expected names of 1 to 255 bytes, such as h2"],
    [[2], "alpn: '2' is not allowed; expected names of 1 to 255 bytes"],
    [['ä'.repeat(128)], 'is not allowed; expected names of 1 to 255 bytes'],
  ] as [string[], string][]) {
    t.throws(() => serverContext({ ...identity, alpn: wrong }), { code: 'ERR_OPTION', message })
    t.throws(() => clientContext({ alpn: wrong }), { code: 'ERR_OPTION', message })
  }
})

t.test('what OpenSSL does not take as a whole is told in its words', async t => {
  t.throws(() => serverContext(weak), { code: 'ERR_OPTION', message: /^tls: .*key too small/ })
})

t.test('a file may have several certificates, with words between', async t => {
  const chain = `# ours\n${cert}\n# another\n${stranger.cert}\n`
  t.equal(serverContext({ cert: chain, key, clientCa: chain }).pin, serverContext(identity).pin)
})

t.test('a PEM file is taken as OpenSSL takes it (G-27)', async t => {
  const parameters = '-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n'
  const dh = '-----BEGIN DH PARAMETERS-----\nMAYCAQUCAQI=\n-----END DH PARAMETERS-----\n'
  const words = 'Bag Attributes\n    friendlyName: -----BEGIN of ours\n'
  const trusted = cert.replaceAll(' CERTIFICATE', ' TRUSTED CERTIFICATE')
  const old = cert.replaceAll(' CERTIFICATE', ' X509 CERTIFICATE')
  const { pin } = serverContext(identity)
  for (const [title, file] of [
    ['the key first', key + cert],
    ['the key behind it', cert + key],
    ['parameters', parameters + dh + cert + dh],
    ['comments', `${words}${cert}${words}`],
    ['several certificates', `${cert}${key}${stranger.cert}`],
    ['CRLF', (key + cert).replaceAll('\n', '\r\n')],
    ['a byte order mark', `\uFEFF${cert}${key}`],
    ['trusted', trusted],
    ['x509', old],
  ] as const) {
    t.equal(serverContext({ cert: file, key: title.includes('mark') ? file : key }).pin, pin, title)
    t.ok(clientContext({ ca: file }), title)
    t.ok(serverContext({ ...identity, clientCa: Buffer.from(file) }), title)
  }
  t.equal(serverContext({ cert: key + cert, key: cert + key }).pin, pin, 'one file for both')
  for (const [file, content] of [
    [key + dh, 'it contains PRIVATE KEY, DH PARAMETERS'],
    ['words', 'it has no line -----BEGIN CERTIFICATE-----'],
    [` ${cert}`, 'it has no line -----BEGIN CERTIFICATE-----'],
  ] as const) {
    const message = `cert: this is no certificate (${content}); expected PEM`
    t.throws(() => serverContext({ cert: file, key }), { code: 'ERR_OPTION', message })
    t.throws(() => createSecureContext({ cert: file, key }), 'nor does OpenSSL')
  }
})

t.test('checkServerTls: auto has no certificate yet', async t => {
  t.equal(checkServerTls({ auto: true, clientCa: cert }), undefined)
  t.ok(checkServerTls(identity) instanceof X509Certificate)
})

t.test('serverContext: what is wrong is told with its name', async t => {
  for (const [tls, message] of [
    [{}, 'tls needs cert and key, or auto'],
    [{ cert }, 'cert needs key'],
    [{ ...identity, clientCas: cert }, "tls: unknown option 'clientCas'; did you mean 'clientCa'?"],
    [{ ...identity, insecure: true }, /^tls: unknown option 'insecure'; expected auto, clientCa, cert, /],
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
    [{ ...identity, clientCa: `${cert}\n-----BEGIN CERTIFICATE-----\nxx` }, /^clientCa: this is no certificate/],
    [{ ...identity, minVersion: '1.1' }, 'minVersion: 1.1 is not allowed; expected 1.2 or 1.3'],
    [{ cert: `${cert}\n-----BEGIN CERTIFICATE-----\n`, key }, /^cert: this is no certificate/],
  ] as [ServerTls, string | RegExp][])
    t.throws(() => serverContext(tls), { code: 'ERR_OPTION', message }, String(message))
})

t.test('clientContext: whom it verifies, and what is wrong in it', async t => {
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
    [{ pinn: 'x' }, "tls: unknown option 'pinn'; did you mean 'pin'?"],
    [{ ca: '' }, /^ca: this is no certificate/],
    [{ pin: 'x' }, /^'x' is not a pin/],
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
