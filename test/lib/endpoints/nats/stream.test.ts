import { DiscardPolicy, RetentionPolicy } from '@nats-io/jetstream'
import t from 'tap'
import { parseAddress } from '../../../../lib/endpoints/address.js'
import type { NatsAddress } from '../../../../lib/endpoints/nats/address.js'
import { covers, openStream } from '../../../../lib/endpoints/nats/stream.js'
import { natsServer, noServer } from './server.js'

const skip = noServer

function at(text: string): NatsAddress {
  return parseAddress(`nats://h/${text}`) as NatsAddress
}

t.test('a stream that is there is used as it is, and its window is known', { skip }, async t => {
  const { manager, stream } = await natsServer(t)
  await stream()
  const open = { name: 'records', window: 120_000, warning: undefined }
  t.same(await openStream(manager, at('in.a')), open)
  t.same(await openStream(manager, at('in.a?stream=records')), open)
  t.same(await openStream(manager, at('in.a?stream=records&create=true')), open)
  t.same(await openStream(manager, at('in.a?stream=records&create=storage:file,replicas:1')), open)
})

t.test('a stream is made as it is asked for', { skip }, async t => {
  const { manager } = await natsServer(t)
  const create = 'max-bytes:1m,max-messages:10,max-age:1h,storage:memory,discard:old,duplicates:1m'
  const { warning, window } = await openStream(manager, at(`a.b?stream=S&create=${create}`))
  t.equal(window, 60_000)
  t.match(warning, /^stream S drops its oldest .* and drops messages that are older than 1h0m, and is in memory/)
  const { config } = await manager.streams.info('S')
  t.match(config, { subjects: ['a.b'], max_bytes: 1024 ** 2, max_msgs: 10, max_age: 3_600_000_000_000, discard: 'old' })
  await openStream(manager, at('b.c?stream=T&create=true'))
  t.match((await manager.streams.info('T')).config, { discard: DiscardPolicy.New, num_replicas: 1, storage: 'file' })
})

t.test('what is wrong, and what helps', { skip }, async t => {
  const { manager, stream, connection } = await natsServer(t)
  await stream({ max_bytes: 1000, retention: RetentionPolicy.Interest })
  t.match((await openStream(manager, at('in.a'))).warning, /drops messages that no consumer waits for/)
  await manager.streams.add({ name: 'mute', subjects: ['mute'], no_ack: true })
  for (const [text, message] of [
    ['out.a', /no stream stores the subject; make one, or add stream=NAME&create=true/],
    ['out.a?stream=records', /stream records does not store the subject; it has in\.>/],
    ['out.a?stream=none', /there is no stream none; make it, or add create=true/],
    ['mute', /stream mute acknowledges nothing \(no_ack\)/],
    ['in.a?stream=other&create=true', /stream other cannot be made: the server says 'subjects overlap/],
    ['out.a?stream=R&create=replicas:3', /stream R cannot be made: .*replicas/],
    ['in.a?stream=records&create=max-bytes:2000', /exists with max-bytes 1000, not 2000; change the stream, or leave/],
    ['in.a?stream=records&create=max-age:1h', /exists with max-age no limit, not 1h/],
    ['in.a?stream=records&create=storage:memory', /exists with storage file, not memory/],
  ] as const)
    await t.rejects(openStream(manager, at(text)), { code: 'ERR_NATS', message }, text)
  await connection.close()
  await t.rejects(openStream(manager, at('in.a')), {
    message: /its stream cannot be found: the connection .* is closed/,
  })
  await t.rejects(openStream(manager, at('in.a?stream=S')), { message: /stream S cannot be looked at: the connection/ })
})

t.test('a server without JetStream', { skip }, async t => {
  const { manager } = await natsServer(t, {
    configuration: 'accounts { a { users: [ { user: x, password: x } ] } }\nno_auth_user: x\n',
  })
  await t.rejects(openStream(manager, at('in.a')), {
    code: 'ERR_NATS',
    message: /enable JetStream for the account|not enabled/,
  })
})

t.test('which subjects a wildcard has', async t => {
  for (const [pattern, subject] of [
    ['a.b', 'a.b'],
    ['a.*', 'a.b'],
    ['a.>', 'a.b.c'],
    ['>', 'a'],
    ['a.*', 'a.*'],
    ['a.>', 'a.*'],
    ['a.>', 'a.>'],
  ] as const)
    t.ok(covers(pattern, subject), `${pattern} ${subject}`)
  for (const [pattern, subject] of [
    ['a.b', 'a.c'],
    ['a.b', 'a'],
    ['a', 'a.b'],
    ['a.*', 'a.b.c'],
    ['a.>', 'a'],
    ['a.*', 'a.>'],
    ['a.b', 'a.*'],
  ] as const)
    t.notOk(covers(pattern, subject), `${pattern} ${subject}`)
})

t.test('a stream without subjects stores none', async t => {
  const manager = { streams: { info: async () => ({ config: { name: 'mirror' } }) } }
  const address = parseAddress('nats://h/in.a?stream=mirror') as NatsAddress
  await t.rejects(openStream(manager as never, address), { message: /does not store the subject; it has none/ })
})
