import t from 'tap'
import { toAddress } from '../../../../lib/endpoints/address.js'
import { openTrust, targetContext } from '../../../../lib/endpoints/tls/contexts.js'
import { identity, stranger } from '../../tls.js'

const plain = toAddress({ port: 1 })
const secure = toAddress({ port: 1, tls: true })

t.test('without TLS there is nothing', async t => {
  const trust = await openTrust(plain, undefined, {})
  t.match(trust, { accept: undefined, pin: undefined, validTo: undefined, target: undefined })
  await t.rejects(trust.setSecureContext({ tls: identity }), { code: 'ERR_OPTION', message: /listens without TLS/ })
  await t.rejects(trust.setSecureContext({ targetTls: {} }), { message: /^targetTls needs an address with TLS/ })
  await t.rejects(trust.setSecureContext({}), {
    code: 'ERR_OPTION',
    message: 'setSecureContext needs tls or targetTls',
  })
})

t.test('what is missing or too much', async t => {
  for (const tls of [undefined, true, {}])
    await t.rejects(openTrust(secure, undefined, { tls }), {
      code: 'ERR_OPTION',
      message: 'tls needs cert and key, or auto',
    })
  await t.rejects(openTrust(plain, plain, { targetTls: {} }), { code: 'ERR_OPTION', message: /^targetTls needs/ })
  await t.rejects(openTrust(plain, undefined, { targetTls: {} }), { code: 'ERR_OPTION', message: /^targetTls needs/ })
  await t.rejects(targetContext(plain, {}, 'tls'), { message: /^tls needs an address with TLS/ })
})

t.test('both sides, and new certificates', async t => {
  const trust = await openTrust(secure, secure, { tls: identity })
  const { accept, pin, target, validTo } = trust
  t.ok(validTo && validTo.getTime() > Date.now())
  t.match(pin, /^sha256\/\//)
  t.match(target, { verify: true })
  await trust.setSecureContext({ tls: stranger, targetTls: { ca: identity.cert } })
  t.not(trust.pin, pin)
  t.not(trust.accept, accept)
  t.not(trust.target, target)
})

t.test('if one of them cannot be used, both stay', async t => {
  const trust = await openTrust(secure, secure, { tls: identity })
  const { accept, target } = trust
  await t.rejects(trust.setSecureContext({ tls: stranger, targetTls: { ca: 'x' } }), { code: 'ERR_OPTION' })
  await t.rejects(trust.setSecureContext({ tls: { cert: 'x', key: 'x' }, targetTls: {} }), { code: 'ERR_OPTION' })
  t.equal(trust.accept, accept)
  t.equal(trust.target, target)
})

t.test('auto goes with no certificate of ours', async t => {
  await t.rejects(openTrust(secure, undefined, { tls: { auto: true, ...identity } }), {
    message: /^auto and cert exclude/,
  })
})

t.test('auto: one certificate, as long as it runs', async t => {
  const trust = await openTrust(secure, undefined, { tls: 'auto' })
  const { pin } = trust
  await trust.setSecureContext({ tls: { auto: true, minVersion: '1.3' } })
  t.equal(trust.pin, pin)
  t.not((await openTrust(secure, undefined, { tls: { auto: true } })).pin, pin)
})
