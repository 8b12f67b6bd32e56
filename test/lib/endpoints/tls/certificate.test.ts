import { execFileSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import t, { type Test } from 'tap'
import { certificateOf, peerCertificate, pinOf } from '../../../../lib/endpoints/tls/certificate.js'
import type { ClientTls } from '../../../../lib/endpoints/tls/secure-context.js'
import { needs } from '../../../laws/support.js'
import { identity, tlsPair } from '../../tls.js'

async function factsWith(t: Test, client: ClientTls) {
  const pair = await tlsPair(t, { client })
  return certificateOf(pair.client)
}

t.test('the facts of a certificate that verifies', async t => {
  const expected = new X509Certificate(identity.cert)
  t.match(await factsWith(t, { ca: identity.cert }), {
    subject: 'CN=tcp-pipe',
    issuer: 'CN=tcp-pipe',
    names: /DNS:localhost/,
    validFrom: new Date(expected.validFrom),
    validTo: new Date(expected.validTo),
    pin: pinOf(expected),
    problem: undefined,
  })
})

t.test('why a certificate does not verify, with advice', async t => {
  const unknown = await factsWith(t, { insecure: true })
  t.match(unknown?.problem, { code: 'DEPTH_ZERO_SELF_SIGNED_CERT', message: /give it as ca or its pin/ })
})

t.test('the certificate is the same at each call, though Node forgets it', async t => {
  const pin = pinOf(new X509Certificate(identity.cert))
  const { client, facts } = await tlsPair(t, { client: { ca: identity.cert, pin } })
  t.equal(facts.client?.subject, 'CN=tcp-pipe', 'both the pin and the subject are known')
  t.equal(peerCertificate(client), peerCertificate(client))
})

t.test('a certificate without names', needs('openssl'), async t => {
  const [keyFile, certFile] = [join(t.testdir(), 'key.pem'), join(t.testdir(), 'cert.pem')]
  const words = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', '/CN=plain']
  execFileSync('openssl', [...words, '-keyout', keyFile, '-out', certFile], { stdio: 'ignore' })
  const [key, cert] = [readFileSync(keyFile, 'utf8'), readFileSync(certFile, 'utf8')]
  const { client } = await tlsPair(t, { server: { key, cert }, client: { insecure: true } })
  t.match(certificateOf(client), { subject: 'CN=plain', names: '' })
})

t.test('without TLS, and without a certificate, there are no facts', async t => {
  t.equal(certificateOf(new PassThrough()), undefined)
  const { server } = await tlsPair(t)
  t.equal(certificateOf(server), undefined, 'the client has none')
})

t.test('pinOf is what curl and openssl make of the public key', needs('openssl'), async t => {
  const script =
    'openssl x509 -pubkey -noout | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | base64'
  const hash = String(execFileSync('sh', ['-c', script], { input: identity.cert })).trim()
  t.equal(pinOf(new X509Certificate(identity.cert)), `sha256//${hash}`)
})
