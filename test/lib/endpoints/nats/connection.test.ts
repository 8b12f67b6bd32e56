import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parseAddress } from '../../../../lib/endpoints/address.js'
import type { NatsAddress } from '../../../../lib/endpoints/nats/address.js'
import { connectTo, pacing, payloadOf } from '../../../../lib/endpoints/nats/connection.js'
import { freePort } from '../../../e2e/support.js'
import { until } from '../../network.js'
import { identity, stranger } from '../../tls.js'
import { natsServer, noServer } from './server.js'

const skip = noServer

function at(text: string): NatsAddress {
  return parseAddress(text) as NatsAddress
}

t.test('each server is tried again after 250 to 500 ms, whatever the time of day', async t => {
  let time = 0
  const { reconnectDelayHandler, reconnectToServer } = pacing(() => time)
  t.equal(reconnectDelayHandler(), Number.NEGATIVE_INFINITY)
  const delays = (...servers: string[]) => servers.map(server => reconnectToServer([server, 'other']))
  const [first, second, third] = delays('a', 'b', 'a')
  t.same(
    [first, second],
    [
      { server: 'a', delay: 0 },
      { server: 'b', delay: 0 },
    ],
  )
  t.equal(third?.server, 'a')
  t.ok((third?.delay ?? 0) >= 250 && (third?.delay ?? 0) <= 500)
  time = 10_000
  t.equal(reconnectToServer(['b', 'other']).delay, 0)
})

t.test(
  'one connection for all that have the same servers and credentials, until the last one leaves',
  { skip },
  async t => {
    const server = await natsServer(t)
    const address = at(`${server.url}/a`)
    const [one, two] = await Promise.all([connectTo(address), connectTo(at(`${server.url}/b?stream=S`))])
    t.equal(one.connection, two.connection)
    await one.release()
    await one.release()
    t.notOk(two.connection.isClosed())
    await two.release()
    t.ok(two.connection.isClosed())
    const three = await connectTo(address)
    t.not(three.connection, one.connection)
    await three.release()
  },
)

t.test('it comes back by itself, and counts its breaks', { skip }, async t => {
  const server = await natsServer(t)
  const link = await connectTo(at(`${server.url}/a`))
  t.equal(link.breaks(), 0)
  await link.connected()
  await server.kill()
  await until(() => link.breaks() === 1 && link.connection.info === undefined)
  const back = [link.connected(), link.connected()]
  await server.start()
  await Promise.all(back)
  await link.connection.flush()
  await link.release()
})

t.test('its users are told when it does not come back, unless they have left', { skip }, async t => {
  const server = await natsServer(t)
  const address = at(`${server.url}/a`)
  const [one, two, three] = await Promise.all([connectTo(address), connectTo(address), connectTo(address)])
  const told: string[] = []
  for (const [name, link] of Object.entries({ one, two })) link.onLost(error => told.push(`${name}: ${error}`))
  await one.release()
  await two.connection.close()
  await until(() => told.length > 0)
  t.same(told, ['two: Error: it was closed'])
  const other = await connectTo(address)
  t.not(other.connection, two.connection)
  for (const link of [two, three, other]) await link.release()
})

t.test('it can be released while the server is away, or takes nothing', { skip }, async t => {
  const server = await natsServer(t)
  const away = await connectTo(at(`${server.url}/a`))
  await server.kill()
  await until(() => away.connection.info === undefined)
  await away.release()
  t.ok(away.connection.isClosed())
  await server.start()
  const halted = await connectTo(at(`${server.url}/a`))
  server.signal('SIGSTOP')
  await halted.release()
  t.ok(halted.connection.isClosed())
})

t.test('no server, or one of several is down (I-12)', { skip }, async t => {
  const port = await freePort()
  const down = at(`nats://127.0.0.1:${port}/a`)
  const message = /no server can be reached \(connection refused\); start nats-server/
  await t.rejects(Promise.all([connectTo(down), connectTo(down)]), { code: 'ERR_NATS', message })
  const server = await natsServer(t)
  const link = await connectTo(at(`nats://127.0.0.1:${port},127.0.0.1:${server.port}/a`))
  await link.release()
})

t.test('TLS: with the authority of the server, and a certificate of the client', { skip }, async t => {
  const folder = t.testdir()
  const paths = { ca: identity.cert, key: identity.key, other: stranger.cert }
  const file = (name: string) => join(folder, name)
  for (const [name, pem] of Object.entries(paths)) writeFileSync(file(name), String(pem))
  const configuration = `tls { cert_file: "${file('ca')}", key_file: "${file('key')}", ca_file: "${file('ca')}", verify: true }\n`
  const server = await natsServer(t, {
    configuration,
    tls: { ca: String(identity.cert), cert: String(identity.cert), key: String(identity.key) },
  })
  const url = `nats+tls://localhost:${server.port}/a`
  const link = await connectTo(at(`${url}?ca=${file('ca')}&cert=${file('ca')}&key=${file('key')}`))
  await link.release()
  await t.rejects(connectTo(at(`${url}?ca=${file('other')}`)), {
    code: 'ERR_NATS',
    message: /no server can be reached/,
  })
  await t.rejects(connectTo(at(`${url}?ca=${file('none')}`)), {
    code: 'ERR_NATS',
    message: /ca=.* cannot be read \(ENOENT/,
  })
})

t.test('credentials: a token, an nkey, a file of credentials', { skip }, async t => {
  const { createUser } = await import('@nats-io/nkeys')
  const user = createUser()
  const seed = new TextDecoder().decode(user.getSeed())
  const folder = t.testdir({ seed, none: 'nothing', creds: 'nothing' })
  const configuration = `authorization { users: [ { nkey: ${user.getPublicKey()} }, { user: admin, password: admin } ] }\n`
  const server = await natsServer(t, { configuration, admin: 'admin:admin@' })
  const url = `nats://127.0.0.1:${server.port}/a`
  const link = await connectTo(at(`${url}?nkey=${join(folder, 'seed')}`))
  await link.release()
  await (await connectTo(at(`nats://admin:admin@127.0.0.1:${server.port}/a`))).release()
  const fails = (text: string, message: RegExp) => t.rejects(connectTo(at(text)), { code: 'ERR_NATS', message })
  await fails(`${url}?nkey=${join(folder, 'none')}`, /nkey=.* has no seed of a user; expected a line/)
  await fails(`${url}?creds=${join(folder, 'creds')}`, /creds=.*|credentials/)
  await fails(`nats://t0ken@127.0.0.1:${server.port}/a`, /^(?!.*t0ken).*refuses the credentials/)
})

t.test('the size of a message, also while the server is away', async t => {
  t.equal(payloadOf({ info: { max_payload: 5 } } as never), 5)
  t.equal(payloadOf({} as never), 1024 * 1024)
})
