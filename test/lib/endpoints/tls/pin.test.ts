import { X509Certificate } from 'node:crypto'
import t from 'tap'
import { pinOf } from '../../../../lib/endpoints/tls/certificate.js'
import { parsePins } from '../../../../lib/endpoints/tls/pin.js'
import { selfSigned } from '../../../../lib/endpoints/tls/self-signed.js'

const { cert } = await selfSigned()

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
