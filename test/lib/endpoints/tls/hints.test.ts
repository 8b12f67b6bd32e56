import t from 'tap'
import { explain } from '../../../../lib/endpoints/tls/hints.js'

function explained(message: string, properties: object): string {
  return (explain(Object.assign(new Error(message), properties)) as Error).message
}

t.test('what can be done, and the code stays', async t => {
  const error = Object.assign(new Error('self-signed certificate'), { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' })
  t.equal(explain(error), error)
  t.equal(explain(error), error, 'once')
  t.match(error, {
    code: 'DEPTH_ZERO_SELF_SIGNED_CERT',
    message: 'self-signed certificate; if it is the right one, give it as ca or its pin as pin',
  })
})

t.test("OpenSSL's words without its addresses", async t => {
  const raw = '801CD0AEDF7F0000:error:0A00010B:SSL routines:ssl3_get_record:wrong version number:../deps/x.c:350:\n'
  t.equal(
    explained(raw, { code: 'ERR_SSL_WRONG_VERSION_NUMBER', reason: 'wrong version number' }),
    'TLS: wrong version number; the peer does not speak TLS',
  )
  t.equal(explained(raw, { code: 'ERR_SSL_X', reason: 'something rare' }), 'TLS: something rare', 'no hint')
  t.equal(explained('as it is', { code: 'ERR_SSL_X' }), 'as it is', 'no reason')
})

t.test("Node's advice about its own options is left out", async t => {
  const message =
    'self-signed certificate; if the root CA is installed locally, try running Node.js with --use-system-ca'
  t.equal(
    explained(message, { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' }),
    'self-signed certificate; if it is the right one, give it as ca or its pin as pin',
  )
})

t.test('other errors stay as they are', async t => {
  t.equal(explained('other', { code: 'ERR_OTHER' }), 'other')
  t.equal(explained('none', {}), 'none')
  t.equal(explain('no error'), 'no error')
  const { reason } = AbortSignal.abort()
  t.equal(explain(reason), reason, 'the message of a DOMException cannot be set')
})

t.test('the names that a certificate has', async t => {
  const cert = { subjectaltname: 'DNS:localhost' }
  const code = 'ERR_TLS_CERT_ALTNAME_INVALID'
  const hint = 'if it is the right server, give a name of its certificate as serverName'
  const message = "IP: 127.0.0.2 is not in the cert's list: "
  t.equal(explained(message, { code, cert }), `${message}DNS:localhost; ${hint}`)
  t.equal(explained(message, { code, cert: {} }), `${message}none; ${hint}`)
  t.equal(explained(message, { code }), `${message}none; ${hint}`)
  t.equal(explained('other', { code, cert }), `other; ${hint}`)
})

t.test('advice of somebody who knows more', async t => {
  const error = Object.assign(new Error('reset'), { code: 'ECONNRESET' })
  explain(error, 'ask the owner')
  explain(error)
  t.equal(error.message, 'reset; ask the owner')
})
