import { once } from 'node:events'
import { type AddressInfo, connect } from 'node:net'
import t, { type Test } from 'tap'
import { type Address, endpointFor, formatAddress, parseAddress, toAddress } from '../../../lib/endpoints/address.js'
import type { Bound, DialOptions } from '../../../lib/endpoints/endpoint.js'
import { tcp } from '../../../lib/endpoints/tcp.js'
import { send } from '../../../lib/send.js'
import { clientOf, closed, memorySink, received, socketPath } from '../network.js'

/** Waits for a client, who then connects. */
async function first(t: Test, address: Address, options: DialOptions = {}) {
  let heard!: (bound: Bound) => void
  const listening = new Promise<Bound>(resolve => {
    heard = resolve
  })
  const leg = endpointFor('dial', address).dial(address, { ...options, onListening: heard })
  leg.then(
    ({ stream }) => t.teardown(() => void stream.destroy()),
    () => {},
  )
  return { leg, bound: await listening }
}

t.test('the first client is the peer', async t => {
  const { leg, bound } = await first(t, parseAddress('listen:0'))
  const client = clientOf(t, bound as AddressInfo)
  client.end('hello')
  const { stream, remote, port } = await leg
  await once(client, 'connect')
  t.equal(remote, '127.0.0.1')
  t.equal(port, client.localPort)
  t.equal(await received(stream), 'hello')
  const late = connect({ port: bound.port, host: '127.0.0.1' })
  await t.rejects(once(late, 'connect'), { code: 'ECONNREFUSED' })
})

t.test('a second one who is there at the same time is reset', async t => {
  const { leg, bound } = await first(t, parseAddress('listen:127.0.0.1:0'))
  const clients = [1, 2, 3].map(() => clientOf(t, bound as AddressInfo))
  const { port } = await leg
  await Promise.all(clients.filter(client => client.localPort !== port).map(client => closed(client)))
  t.equal(clients.filter(client => !client.destroyed).length, 1)

  const { listen } = tcp
  t.teardown(() => Object.assign(tcp, { listen }))
  const refused: Error[] = []
  const another = { remote: '127.0.0.1', port: 1, open: () => t.fail(), refuse: (error: Error) => refused.push(error) }
  tcp.listen = (address, arrive, side) =>
    (listen as NonNullable<typeof listen>)(
      address,
      arrival => {
        arrive(arrival)
        arrive(another as never)
      },
      side,
    )
  const both = await first(t, parseAddress('listen:0'))
  clientOf(t, both.bound as AddressInfo)
  await both.leg
  t.match(refused, [{ code: 'ERR_CLOSED' }])
})

t.test('a unix socket is removed when its client has come', async t => {
  const path = socketPath(t)
  const { leg } = await first(t, parseAddress(`listen:unix:${path}`))
  clientOf(t, path).end('over unix')
  t.equal(await received((await leg).stream), 'over unix')
  await t.rejects(once(connect(path), 'connect'), { code: 'ENOENT' })
})

t.test('the wait ends by a signal or after a time; then nothing listens', async t => {
  const abort = new AbortController()
  const { leg, bound } = await first(t, parseAddress('listen:0'), { signal: abort.signal })
  abort.abort()
  await t.rejects(leg, { name: 'AbortError' })
  await t.rejects(once(connect({ port: bound.port, host: '127.0.0.1' }), 'connect'), { code: 'ECONNREFUSED' })
  const address = parseAddress('listen:0')
  const dial = (options: DialOptions) => endpointFor('dial', address).dial(address, options)
  await t.rejects(dial({ signal: abort.signal }), { name: 'AbortError' })
  await t.rejects(dial({ connectTimeout: 10 }), { code: 'ERR_TIMEOUT', timeout: 'connect' })
  const { bound: taken, leg: other } = await first(t, parseAddress('listen:0'))
  const same = parseAddress(`listen:${taken.port}`)
  await t.rejects(endpointFor('dial', same).dial(same, {}), { code: 'EADDRINUSE' })
  clientOf(t, taken as AddressInfo)
  await other
})

t.test('what dials also waits', async t => {
  const sink = memorySink()
  const path = socketPath(t)
  const sent = send({ to: `listen:unix:${path}`, from: 'for who comes', output: sink })
  const client = await new Promise<ReturnType<typeof connect>>(resolve => {
    const attempt = () => {
      const socket = connect(path).once('error', () => setImmediate(attempt))
      socket.once('connect', () => resolve(socket))
    }
    attempt()
  })
  t.teardown(() => client.destroy())
  t.equal(await received(client), 'for who comes')
  client.end()
  t.match(await sent, { bytesOut: 13 })
})

t.test('its addresses', async t => {
  for (const [text, formatted] of [
    ['listen:4000', 'listen:127.0.0.1:4000'],
    ['listen:0.0.0.0:4000', 'listen:0.0.0.0:4000'],
    ['listen:tcp://[::1]:4000', 'listen:[::1]:4000'],
    ['listen:unix:/run/x', 'listen:unix:/run/x'],
  ] as const) {
    t.equal(formatAddress(parseAddress(text)), formatted)
    t.same(toAddress(parseAddress(text)), parseAddress(formatted))
  }
  t.throws(() => parseAddress('listen:tls://4000'), { message: /has no tls; use serve or proxy/ })
  t.throws(() => parseAddress('listen:'), { code: 'ERR_ADDRESS' })
  t.throws(() => toAddress({ scheme: 'listen', on: { scheme: 'tls' } } as never), { message: /tcp or unix/ })
})
