import t from 'tap'
import { toAddress } from '../../../../lib/endpoints/address.js'
import { checkSending, preambleFor } from '../../../../lib/endpoints/proxy-protocol/sending.js'

t.test('the header names the client and where it has connected to', async t => {
  const local = { address: '10.0.0.2', port: 80 }
  const client = { remote: '10.0.0.1', port: 1, local }
  t.equal(String(preambleFor('v1', client)), 'PROXY TCP4 10.0.0.1 10.0.0.2 1 80\r\n')
  t.equal(String(preambleFor('v1', { remote: 'unix', port: undefined })), 'PROXY UNKNOWN\r\n')
  t.equal(preambleFor(undefined, client), undefined)
})

t.test('the version and the target are checked', async t => {
  for (const address of ['1', 'tls://1', 'unix:/tmp/a', 'reliable://1', undefined])
    for (const version of ['v1', 'v2', undefined])
      t.doesNotThrow(() => checkSending(version, address === undefined ? undefined : toAddress(address)))
  for (const [version, address, message] of [
    ['v3', '1', /^sendProxyProtocol: v3 is not allowed; expected v1 or v2$/],
    [2, undefined, /^sendProxyProtocol: a number is not allowed; expected v1 or v2$/],
    ['v1', 'memory:a', /^sendProxyProtocol: memory:a is not an address of sockets$/],
    ['v2', 'file:a', /^sendProxyProtocol: file:a is not an address of sockets$/],
  ] as const)
    t.throws(() => checkSending(version, address && toAddress(address)), { code: 'ERR_OPTION', message })
})
