import dns from 'node:dns'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import t from 'tap'
import { firstToAnswer, type Target, targetsOf } from '../../../lib/endpoints/attempts.js'
import { closed, handles, listener, portOf, silentPort, until } from '../network.js'

const host = '127.0.0.1'
const never = new AbortController().signal

t.test('the addresses of a host: the families in turn, the first one first', async t => {
  await t.rejects(targetsOf({ host: 'nowhere.invalid', port: 7 }, {}), { code: /^E/ })
  const ip = (address: string) => ({ address, family: address.includes(':') ? 6 : 4 })
  for (const [found, order] of [
    [[], []],
    [['127.0.0.1'], ['127.0.0.1']],
    [
      ['127.0.0.1', '127.0.0.2', '127.0.0.3', '::1'],
      ['127.0.0.1', '::1', '127.0.0.2', '127.0.0.3'],
    ],
    [
      ['::1', '127.0.0.1', '127.0.0.2', '127.0.0.3', '::2'],
      ['::1', '127.0.0.1', '::2', '127.0.0.2', '127.0.0.3'],
    ],
  ] as const) {
    const lookup = t.capture(dns.promises, 'lookup', async () => found.map(ip))
    const targets = await targetsOf({ host: 'multi.test', port: 7 }, {})
    t.same(
      targets,
      order.map(address => ({ host: address, port: 7 })),
    )
    await targetsOf({ host: 'multi.test', port: 7 }, { family: 6 })
    t.match(lookup(), [
      { args: ['multi.test', { all: true, hints: dns.ADDRCONFIG }] },
      { args: ['multi.test', { all: true, family: 6 }] },
    ])
  }
  const lookup = t.capture(dns.promises, 'lookup')
  t.same(await targetsOf({ host: '::1', port: 7 }, { family: 4 }), [{ host: '::1', port: 7 }])
  t.equal(lookup().length, 0, 'an address is not looked up')
})

t.test('a source address is one of the family of the target, and may be a name (G-24)', async t => {
  const both = async () => [
    { address: '::1', family: 6 },
    { address: '127.0.0.1', family: 4 },
  ]
  t.intercept(dns.promises, 'lookup', { value: both })
  const targets = (bind: string, to = 'multi.test') =>
    targetsOf({ host: to, port: 7 }, { bind: { host: bind, port: 0 } })
  const four = { host: '127.0.0.1', port: 7, localAddress: '127.0.0.1', localPort: 0 }
  const six = { host: '::1', port: 7, localAddress: '::1', localPort: 0 }
  t.same(await targets('localhost'), [six, four])
  t.same(await targets('localhost', '127.0.0.1'), [four])
  t.same(await targets('127.0.0.9'), [{ ...four, localAddress: '127.0.0.9' }])
  const message = 'bind: ::1 has no address of the family of 127.0.0.1'
  await t.rejects(targets('::1', '127.0.0.1'), { code: 'ERR_ADDRESS', message })
})

t.test('the first that answers is used, the others are closed', async t => {
  const answering = await listener(t, socket => void socket.end('here'))
  const silent: Target = { host, port: await silentPort(t) }
  const target: Target = { host, port: portOf(answering) }
  const { TCPSocketWrap: before } = handles()
  const started = performance.now()
  const reached = await firstToAnswer([silent, silent, target, target], never)
  const time = performance.now() - started
  t.ok(time >= 480 && time < 5000, `${time} ms: a head start of 250 ms for each`)
  t.equal(reached.target, target)
  reached.socket.destroy(new Error('of nobody yet'))
  await closed(reached.socket)
  await until(() => !('TCPConnectWrap' in handles()) && handles().TCPSocketWrap === before)
})

t.test('one that is slow is not given up while others fail', async t => {
  const accepted: Socket[] = []
  const slow = await listener(t, socket => accepted.push(socket))
  const refused: Target = { host, port: await unusedPort() }
  const { target } = await firstToAnswer([refused, refused, { host, port: portOf(slow) }], never)
  t.match(target, { port: portOf(slow) })
})

t.test('if none answers: the error of the only one, or all of them', async t => {
  const refused: Target = { host, port: await unusedPort() }
  await t.rejects(firstToAnswer([refused], never), { code: 'ECONNREFUSED', syscall: 'connect' })
  await t.rejects(firstToAnswer([refused, refused], never), {
    name: 'AggregateError',
    code: 'ECONNREFUSED',
    errors: [{ code: 'ECONNREFUSED' }, { code: 'ECONNREFUSED' }],
  })
})

t.test('an abort, before and during: the reason, and no socket is left', async t => {
  const silent: Target = { host, port: await silentPort(t) }
  const reason = new Error('enough')
  await t.rejects(firstToAnswer([silent], AbortSignal.abort(reason)), reason)
  const abort = new AbortController()
  const reached = firstToAnswer([silent, silent], abort.signal)
  abort.abort(reason)
  await t.rejects(reached, reason)
})

/** A port that refuses, for now. */
async function unusedPort(): Promise<number> {
  const server = (await import('node:net')).createServer().listen(0, host)
  await once(server, 'listening')
  const port = portOf(server)
  await new Promise(resolve => server.close(resolve))
  return port
}
