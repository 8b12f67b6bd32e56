import { AckPolicy } from '@nats-io/jetstream'
import t from 'tap'
import { parseAddress } from '../../../../lib/endpoints/address.js'
import type { NatsAddress } from '../../../../lib/endpoints/nats/address.js'
import { connectTo } from '../../../../lib/endpoints/nats/connection.js'
import { openConsumer } from '../../../../lib/endpoints/nats/consumer.js'
import { natsServer, noServer } from './server.js'

t.test('a consumer may have several filters, with servers from 2.10 on', async t => {
  const config = { ack_policy: AckPolicy.Explicit, ack_wait: 1e9, filter_subjects: ['in.a', 'in.b'] }
  const info = async () => ({ config, name: 'two', stream_name: 'records', num_ack_pending: 0 })
  const link = { manager: { consumers: { info } }, client: { consumers: { get: async () => ({}) } } }
  const opened = (text: string) => openConsumer(link as never, parseAddress(text) as NatsAddress)
  t.match(await opened('nats://h/?durable=two&stream=records'), { ackWait: 1000 })
  const stream = async () => ({ config: {} })
  const whole = async () => ({ ...(await info()), config: { ...config, filter_subjects: undefined } })
  const mirror = { ...link, manager: { consumers: { info: whole }, streams: { info: stream } } }
  const address = parseAddress('nats://h/in.a?durable=two&stream=records') as NatsAddress
  t.match(await openConsumer(mirror as never, address), { ackWait: 1000 }, 'a mirror has no subjects of its own')
  await t.rejects(opened('nats://h/in.a?durable=two&stream=records'), { message: /reads in\.a, in\.b, not in\.a/ })
})

t.test('a consumer is made, or one that fits is used', { skip: noServer }, async t => {
  const server = await natsServer(t)
  await server.stream()
  const { manager } = server
  const at = (text: string) => parseAddress(`${server.url}/${text}`) as NatsAddress
  const link = await connectTo(at(''))
  t.teardown(() => link.release())
  const opened = (text: string) => openConsumer(link, at(text))
  const explicit = { ack_policy: AckPolicy.Explicit }

  t.match(await opened('in.a?durable=new&deliver=new&ack-wait=2s&max-pending=7'), {
    ackWait: 2000,
    maxPending: 7,
    pending: 0,
  })
  t.match((await manager.consumers.info('records', 'new')).config, {
    ...{ filter_subject: 'in.a', deliver_policy: 'new', max_ack_pending: 7, ...explicit },
  })
  t.match(await opened('in.a?durable=new'), { maxPending: 7 })
  t.match(await opened('in.a?durable=new&max-pending=5'), { maxPending: 5 })
  t.match(await opened('?durable=all&stream=records'), { ackWait: 30_000, maxPending: 1000, warnings: [] })
  t.match(await opened('in.>?durable=all'), { maxPending: 1000 }, 'without a filter, it reads all of the stream')
  await manager.consumers.add('records', { durable_name: 'few', max_deliver: 3, max_ack_pending: -1, ...explicit })
  t.match(await opened('in.>?durable=few'), { maxPending: 1000, warnings: [/at most 3 times/] })

  await manager.consumers.add('records', { durable_name: 'push', deliver_subject: 'there', ...explicit })
  await manager.consumers.add('records', { durable_name: 'none', ack_policy: AckPolicy.None })
  for (const [text, message] of [
    ['in.>?durable=push', /is a push consumer, not a pull one; take another durable=, or remove the consumer/],
    ['in.>?durable=none', /acknowledges 'none', not explicitly/],
    ['in.a?durable=new&ack-wait=3s', /has ack-wait 2s, not 3s/],
    ['in.b?durable=new', /reads in\.a, not in\.b/],
    ['in.>?durable=new', /reads in\.a, not in\.>/],
    ['in.a?durable=all', /reads in\.>, not in\.a/],
    ['in.a?durable=x&stream=missing', /cannot be looked at: the server says 'stream not found'|cannot be made/],
    ['out?durable=x&stream=records', /cannot be made/],
  ] as const)
    await t.rejects(opened(text), { code: 'ERR_NATS', message }, text)
})
