import { createPrivateKey, X509Certificate } from 'node:crypto'
import t from 'tap'
import { selfSigned } from '../../../../lib/endpoints/tls/self-signed.js'

t.test('a key and its certificate, for loopback, for ten years', async t => {
  const { cert, key } = await selfSigned()
  const certificate = new X509Certificate(cert)
  t.ok(certificate.checkPrivateKey(createPrivateKey(key)))
  t.match(certificate.publicKey, { asymmetricKeyType: 'ec', asymmetricKeyDetails: { namedCurve: 'prime256v1' } })
  t.ok(certificate.verify(certificate.publicKey), 'signed by itself')
  t.ok(certificate.checkHost('localhost'))
  t.ok(certificate.checkIP('127.0.0.1'))
  t.ok(certificate.checkIP('::1'))
  const years = (Date.parse(certificate.validTo) - Date.now()) / (365 * 24 * 60 * 60 * 1000)
  t.ok(Math.abs(years - 10) < 0.1)
  t.not((await selfSigned()).key, key, 'another one each time')
})
