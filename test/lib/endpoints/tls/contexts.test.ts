import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { parseAddress, toAddress } from '../../../../lib/endpoints/address.js'
import { openTlsContexts, targetContext, usesTls } from '../../../../lib/endpoints/tls/contexts.js'
import { identity, stranger } from '../../tls.js'
import { listenAt, ownAddress } from '../legs.js'

const plain = toAddress({ port: 1 })
const secure = toAddress({ port: 1, tls: true })

t.test('without TLS there is no context, and none can be set', async t => {
  const contexts = await openTlsContexts(plain, undefined, {})
  t.match(contexts, { accept: undefined, pin: undefined, validTo: undefined, target: undefined })
  await t.rejects(contexts.setSecureContext({ tls: identity }), { code: 'ERR_OPTION', message: /listens without TLS/ })
  await t.rejects(contexts.setSecureContext({ targetTls: {} }), { message: /^targetTls needs an address with TLS/ })
  await t.rejects(contexts.setSecureContext({}), {
    code: 'ERR_OPTION',
    message: 'setSecureContext needs tls or targetTls',
  })
})

t.test('an address with TLS needs a certificate, and one without TLS takes no TLS options', async t => {
  for (const tls of [undefined, true, {}])
    await t.rejects(openTlsContexts(secure, undefined, { tls }), {
      code: 'ERR_OPTION',
      message: 'tls needs cert and key, or auto',
    })
  await t.rejects(openTlsContexts(plain, plain, { targetTls: {} }), { code: 'ERR_OPTION', message: /^targetTls needs/ })
  await t.rejects(openTlsContexts(plain, undefined, { targetTls: {} }), {
    code: 'ERR_OPTION',
    message: /^targetTls needs/,
  })
  await t.rejects(targetContext(plain, {}, 'tls'), { message: /^tls needs an address with TLS/ })
})

t.test('both sides have their contexts, and get new ones', async t => {
  const contexts = await openTlsContexts(secure, secure, { tls: identity })
  const { accept, pin, target, validTo } = contexts
  t.ok(validTo && validTo.getTime() > Date.now())
  t.match(pin, /^sha256\/\//)
  t.match(target, { verify: true })
  await contexts.setSecureContext({ tls: stranger, targetTls: { ca: identity.cert } })
  t.not(contexts.pin, pin)
  t.not(contexts.accept, accept)
  t.not(contexts.target, target)
})

t.test('if one of them cannot be used, both stay', async t => {
  const contexts = await openTlsContexts(secure, secure, { tls: identity })
  const { accept, target } = contexts
  await t.rejects(contexts.setSecureContext({ tls: stranger, targetTls: { ca: 'x' } }), { code: 'ERR_OPTION' })
  await t.rejects(contexts.setSecureContext({ tls: { cert: 'x', key: 'x' }, targetTls: {} }), { code: 'ERR_OPTION' })
  t.equal(contexts.accept, accept)
  t.equal(contexts.target, target)
})

t.test('auto goes with no certificate of ours', async t => {
  await t.rejects(openTlsContexts(secure, undefined, { tls: { auto: true, ...identity } }), {
    message: /^auto and cert exclude/,
  })
})

t.test('auto: one certificate, as long as it runs', async t => {
  const contexts = await openTlsContexts(secure, undefined, { tls: 'auto' })
  const { pin } = contexts
  await contexts.setSecureContext({ tls: { auto: true, minVersion: '1.3' } })
  t.equal(contexts.pin, pin)
  t.not((await openTlsContexts(secure, undefined, { tls: { auto: true } })).pin, pin)
})

/** Makes the context, takes all descriptors but the one of a socket, and dials. */
const dialInNeed = `
const [contexts, open, port] = process.argv.slice(1)
const { openSync } = await import('node:fs')
const { targetContext } = await import(contexts)
const { dial } = await import(open)
const to = { scheme: 'tls', host: '127.0.0.1', port: Number(port) }
const tls = await targetContext(to, { insecure: true })
process.stdout.write('') // libuv takes a descriptor for itself with its first stream
const taken = []
try { for (;;) taken.push(openSync('/dev/null')) } catch {}
(await import('node:fs')).closeSync(taken.pop())
const leg = await dial(to, { tls })
console.log(leg.facts.tls.protocol)
leg.stream.destroy()
`

t.test('all that a dial needs is loaded with the context: it opens no file (G-21)', async t => {
  const { to } = await listenAt(t, ownAddress(t, 'tls'), ({ open }) => void Promise.resolve(open()).catch(() => {}))
  const path = (name: string) => fileURLToPath(new URL(`../../../../lib/endpoints/${name}`, import.meta.url))
  const words = [path('tls/contexts.js'), path('open.js'), String((to as { port: number }).port)]
  const line = ['-c', 'ulimit -n 100; exec "$@"', 'sh', process.execPath, '--input-type=module', '-e', dialInNeed]
  const { stdout } = await promisify(execFile)('sh', [...line, ...words], { env: {}, timeout: 20_000 })
  t.match(stdout, /^TLSv1/)
})

t.test('which addresses use TLS', async t => {
  for (const [text, expected] of [
    ['tls://a:1', true],
    ['reliable+tls://a:1', true],
    ['reliable://a:1', false],
    ['a:1', false],
  ] as const)
    t.equal(usesTls(parseAddress(text)), expected, text)
})
