import { execFileSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import t from 'tap'
import { parsePins, pinOf } from '../../../../lib/endpoints/tls/pin.js'
import { selfSigned } from '../../../../lib/endpoints/tls/self-signed.js'
import { needs } from '../../../laws/support.js'

const { cert } = await selfSigned()

t.test('pinOf is what curl and openssl make of the public key', needs('openssl'), async t => {
  const script =
    'openssl x509 -pubkey -noout | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | base64'
  const hash = String(execFileSync('sh', ['-c', script], { input: cert })).trim()
  t.equal(pinOf(new X509Certificate(cert)), `sha256//${hash}`)
})

t.test('one pin or several are read, and what is not a pin is told', async t => {
  const pin = pinOf(new X509Certificate(cert))
  t.same(parsePins(pin), [pin])
  t.same(parsePins(`${pin};${pin}`), [pin, pin])
  for (const text of ['', 'x', `${pin};`, pin.slice(0, -1), pin.replace('sha256', 'sha512'), ` ${pin}`, `${pin}\n`])
    t.throws(
      () => parsePins(text),
      { code: 'ERR_OPTION', message: /is not a pin; expected 'sha256/ },
      JSON.stringify(text),
    )
  t.throws(() => parsePins(5 as unknown as string), { code: 'ERR_OPTION' })
})
