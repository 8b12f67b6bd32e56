import t from 'tap'
import { toAddress } from '../../../lib/endpoints/address.js'
import { openTlsContexts } from '../../../lib/endpoints/tls/contexts.js'
import { type ListenOptions, listenAddress, withDefaults } from '../../../lib/server/listen-options.js'
import { checkTime, longestTime } from '../../../lib/text/quantities.js'

const contexts = await openTlsContexts(toAddress('0'), undefined, {})

t.test('what is wrong in the options of a server is told with its name', async t => {
  for (const [options, message] of [
    [{ port: -1 }, /port must be/],
    [{ idleTimeout: -1 }, /^idleTimeout: -1 is not allowed; expected milliseconds from 0 to 2147483647$/],
    [{ halfClosedTimeout: 2 ** 31 }, /^halfClosedTimeout/],
    [{ maxConnections: 0 }, /^maxConnections: 0 is not allowed/],
    [{ maxPerIp: 0 }, /^maxPerIp: 0 is not allowed/],
    [{ enter: 1 as never }, /^enter: 1 is not allowed; expected a function$/],
    [{ worker: { number: 3, of: 2 } }, /^worker: {"number":3,"of":2} is not allowed; expected { number, of }/],
    [{ cert: 'x' } as ListenOptions, /^cert belongs in tls or targetTls$/],
    [{ maxPerIp: 1.5 }, /^maxPerIp: 1.5 is not allowed; expected a whole number from 1$/],
    [{ idleTimeout: '5' as unknown as number }, /^idleTimeout: 5 is not allowed/],
    [{ maxBytes: Number.NaN }, /^maxBytes: NaN is not allowed/],
    [{ maxRecord: 0 }, /^maxRecord: 0 is not allowed; expected a whole number from 1$/],
    [{ firstByteTimeout: -1 }, /^firstByteTimeout: -1 is not allowed/],
    [{ allow: ['junk'] }, /^allow: 'junk'/],
    [{ path: '/tmp/a', deny: ['::1'] }, /^deny: the clients of unix:\/tmp\/a have no IP address$/],
    [{ listen: 'memory:a', allow: ['::1'] }, /^allow: the clients of memory:a have no IP address$/],
    [{ listen: 'memory:a', tls: 'auto' }, /^'memory:a' cannot be combined with TLS$/],
    [{ listen: 'file:a' }, /^'file:a' cannot be listened on; expected host:port/],
    [{ listen: 'memory:a', reliable: true }, /^'memory:a' cannot be combined with reliable sessions$/],
    [{ reliable: 1 as unknown as boolean }, /^reliable: 1 is not allowed; expected true or false$/],
    [{ window: 0 }, /^window: 0 is not allowed; expected a whole number from 1$/],
    [{ giveUpAfter: -1 }, /^giveUpAfter: -1 is not allowed/],
    [{ linkTimeout: Number.NaN }, /^linkTimeout: NaN is not allowed/],
    [{ listen: '-' }, /^'-' cannot be listened on/],
    [{ port: 1, socketMode: 0o600 }, /^socketMode: 127\.0\.0\.1:1 is not a unix socket$/],
    [{ path: '/tmp/a', socketMode: -1 }, /^socketMode: -1 is not allowed; expected permissions from 0 to 0o777$/],
    [
      { port: 1, ipv6Only: true },
      /^ipv6Only: 127\.0\.0\.1:1 is not an IPv6 address; expected one such as \[::\]:3099$/,
    ],
    [{ path: '/tmp/a', ipv6Only: true }, /^ipv6Only: unix:\/tmp\/a is not an IPv6 address/],
    [{ proxyProtocol: { from: [] } }, /^proxyProtocol\.from: an empty list would refuse everyone$/],
    [{ path: '/tmp/a', maxPerIp: 1 }, /^maxPerIp: the clients of unix:\/tmp\/a have no/],
  ] as [ListenOptions, RegExp][])
    t.throws(() => listenAddress(options), { message })
  const local = { scheme: 'tcp', host: '127.0.0.1' }
  t.same(listenAddress({}), { ...local, port: 3099 })
  t.same(listenAddress({ port: 1, tls: 'auto' }), { ...local, scheme: 'tls', port: 1 })
  t.same(listenAddress({ listen: 'tls://1', tls: 'auto' }), { ...local, scheme: 'tls', port: 1 })
  t.same(listenAddress({ listen: { scheme: 'tcp', host: '', port: 1 } }), { ...local, port: 1 }, 'never all interfaces')
  t.same(listenAddress({ path: '/tmp/a', idleTimeout: 0, maxConnections: 1 }), { scheme: 'unix', path: '/tmp/a' })
  const behind = { path: '/tmp/a', allow: ['::1'], proxyProtocol: { from: ['unix'] } }
  t.same(listenAddress(behind), { scheme: 'unix', path: '/tmp/a' }, 'a balancer names the addresses')
  t.same(listenAddress({ path: '/tmp/a', socketMode: 0 }), { scheme: 'unix', path: '/tmp/a', mode: 0 })
  t.same(listenAddress({ listen: '[::]:1', ipv6Only: true }), { ...local, host: '::', port: 1, ipv6Only: true })
  t.same(listenAddress({ listen: '[::]:1', ipv6Only: false }), { ...local, host: '::', port: 1 })
  t.same(listenAddress({ port: 1, reliable: true }), { ...local, scheme: 'reliable', port: 1 })
  t.same(listenAddress({ port: 1, reliable: true, tls: 'auto' }), { ...local, scheme: 'reliable', tls: true, port: 1 })
  t.same(listenAddress({ listen: 'reliable://1', reliable: false }), { ...local, scheme: 'reliable', port: 1 })
  t.same(listenAddress({ listen: 'memory:a' }), { scheme: 'memory', name: 'a' })
})

t.test('options that are not given have their defaults, and others stay', async t => {
  t.match(withDefaults({}, 1, contexts), { idleTimeout: 600_000, halfClosedTimeout: undefined, once: false })
  t.ok(withDefaults({}, 2, contexts).maxConnections <= withDefaults({}, 1, contexts).maxConnections)
  const proxyProtocol = { from: ['::1'] }
  const behind = withDefaults({ proxyProtocol }, 1, contexts)
  t.match(behind, { proxyProtocol, maxConnections: withDefaults({}, 2, contexts).maxConnections }, 'for those awaited')
  const { maxConnections, room } = withDefaults({}, 2, contexts)
  t.equal(room, maxConnections, 'as many as there is room for')
  t.equal(withDefaults({ maxConnections: 3 }, 2, contexts).room, room)
  const given = { idleTimeout: 1, halfClosedTimeout: 2, maxConnections: 3, once: true, maxRecord: 4 }
  t.match(withDefaults(given, 1, contexts), given)
  const session = { window: 5, giveUpAfter: 6, linkTimeout: 7 }
  t.same(withDefaults(session, 1, contexts).session, session)
  const none = { window: undefined, giveUpAfter: undefined, linkTimeout: undefined }
  t.same(withDefaults({}, 1, contexts).session, none, 'the defaults are those of sessions')
})

t.test('checkTime: a time is what a timer of Node takes', async t => {
  for (const time of [undefined, 0, 1.5, longestTime]) checkTime('wait', time)
  for (const time of [-1, longestTime + 1, Number.NaN])
    t.throws(
      () => checkTime('wait', time),
      { code: 'ERR_OPTION', message: `wait: ${time} is not allowed` },
      String(time),
    )
})
