import { networkInterfaces } from 'node:os'
import t from 'tap'
import { parseAddress } from '../../../lib/endpoints/address.js'
import { checkOwnAddress } from '../../../lib/endpoints/own-address.js'

const check = (listen: string, target: string) => checkOwnAddress(parseAddress(listen), parseAddress(target))

t.test("the proxy's own address is refused as its target, whatever it is called", async t => {
  const own = Object.values(networkInterfaces())
    .flatMap(each => each ?? [])
    .filter(({ family, internal }) => family === 'IPv4' && !internal)
    .map(({ address }) => [`0.0.0.0:7`, `${address}:7`] as const)
  for (const [listen, target] of [
    ['7', '127.0.0.1:7'],
    ['7', 'localhost:7'],
    ['localhost:7', '7'],
    ['7', '0.0.0.0:7'],
    ['7', '[::ffff:127.0.0.1]:7'],
    ['0.0.0.0:7', '127.0.0.2:7'],
    ['0.0.0.0:7', '0.0.0.0:7'],
    ['[::]:7', '[::1]:7'],
    ['[::]:7', '0.0.0.0:7'],
    ['[::]:7', '[::ffff:0.0.0.0]:7'],
    ['[::1]:7', '[::]:7'],
    ['[::1]:7', '[0:0:0:0:0:0:0:1]:7'],
    ['unix:/tmp/a', 'unix:/tmp/../tmp/a'],
    ['tls://7', '127.0.0.1:7'],
    ['7', 'tls://localhost:7'],
    ['memory:a', 'memory:a'],
    ...own,
  ] as const)
    await t.rejects(check(listen, target), { code: 'ERR_ADDRESS', message: /own address/ }, `${listen} ${target}`)
})

t.test('another one is not', async t => {
  for (const [listen, target] of [
    ['7', '8'],
    ['0', '0'],
    ['7', '127.0.0.2:7'],
    ['127.0.0.2:7', '0.0.0.0:7'],
    ['[::1]:7', '0.0.0.0:7'],
    ['7', '[::]:7'],
    ['0.0.0.0:7', '[::1]:7'],
    ['0.0.0.0:7', '192.0.2.1:7'],
    ['7', 'no-such-host.invalid:7'],
    ['unix:/tmp/a', 'unix:/tmp/b'],
    ['unix:/tmp/a', '7'],
    ['7', 'unix:/tmp/a'],
    ['memory:a', 'memory:b'],
    ['memory:/tmp/a', 'unix:/tmp/a'],
    ['7', 'memory:7'],
  ] as const)
    await t.resolves(check(listen, target), `${listen} ${target}`)
  const only = { scheme: 'tcp', host: '::', port: 7, ipv6Only: true } as const
  await t.resolves(checkOwnAddress(only, parseAddress('7')), 'IPv4 does not reach what listens on IPv6 only')
  await t.rejects(checkOwnAddress(only, parseAddress('[::1]:7')), { code: 'ERR_ADDRESS' })
})
