import t from 'tap'
import type { Leg } from '../../../lib/endpoints/endpoint.js'
import { defaultHost, formatHostAndPort, parseHostAndPort, tcp, tcpAddress } from '../../../lib/endpoints/tcp.js'
import { received } from '../network.js'

const host = '127.0.0.1'

t.test('text → address', async t => {
  for (const [text, address] of [
    ['example.org:80', { host: 'example.org', port: 80 }],
    [':80', { host, port: 80 }],
    ['80', { host, port: 80 }],
    ['[::1]:80', { host: '::1', port: 80 }],
    ['tcp://example.org:80', { host: 'example.org', port: 80 }],
    ['tcp://80', { host, port: 80 }],
  ] as const)
    t.strictSame(tcp.parse(text), { scheme: 'tcp', ...address }, text)
  t.strictSame(parseHostAndPort('a:1'), { scheme: 'tcp', host: 'a', port: 1 })
  t.ok(tcp.accepts('whatever'), 'it takes what no other endpoint takes')
})

t.test('what is wrong in a text', async t => {
  for (const [text, message] of [
    ['a:b:80', 'is not an address'],
    ['[]:80', 'the brackets are empty'],
    ['70000', 'the port must be a whole number from 0 to 65535'],
    ['-1', 'the port must be a whole number from 0 to 65535'],
    ['1.5', 'the port must be a whole number from 0 to 65535'],
    ['x:http', 'the port must be a whole number from 0 to 65535'],
    ['example.org', 'has no port'],
    ['127.0.0.1', 'has no port'],
    ['localhost:', 'has no port'],
    ['[::1]:', 'has no port'],
    ['', 'has no port'],
  ] as const)
    t.throws(() => tcp.parse(text), { code: 'ERR_ADDRESS', message }, text)
})

t.test('parts → address: without a host, or with an empty one, it is loopback and never all interfaces', async t => {
  for (const given of [undefined, '', defaultHost])
    t.strictSame(tcpAddress(given, 80), { scheme: 'tcp', host, port: 80 })
  t.strictSame(tcp.complete({ scheme: 'tcp', host: '', port: 80 }), { scheme: 'tcp', host, port: 80 })
  const only = { scheme: 'tcp', host: '::', port: 80, ipv6Only: true } as const
  t.strictSame(tcp.complete(only), only)
  for (const port of [-1, 65536, 1.5, Number.NaN, '80' as unknown as number])
    t.throws(() => tcp.complete({ scheme: 'tcp', host, port }), { code: 'ERR_ADDRESS' }, String(port))
  t.throws(() => tcpAddress(5 as never, 80), { code: 'ERR_ADDRESS', message: 'the host must be a text' })
})

t.test('address → text', async t => {
  t.equal(tcp.format({ scheme: 'tcp', host: '::1', port: 80 }), '[::1]:80')
  t.equal(formatHostAndPort({ host: 'example.org', port: 80 }), 'example.org:80')
})

t.test('it listens and dials', async t => {
  const server = await tcp.listen?.(
    { scheme: 'tcp', host, port: 0 },
    arrival => {
      const { stream } = arrival.open() as Leg
      stream.resume().end('hello')
    },
    { accept: undefined },
  )
  t.teardown(() => void server?.close())
  const port = server?.bound.port as number
  const leg = (await tcp.dial?.({ scheme: 'tcp', host, port }, {})) as Leg
  t.same([leg.remote, leg.port], [host, port])
  t.equal(await received(leg.stream), 'hello')
  leg.stream.end()
})
