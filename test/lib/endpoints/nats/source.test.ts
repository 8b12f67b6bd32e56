import { once } from 'node:events'
import { finished } from 'node:stream/promises'
import { AckPolicy, jetstream } from '@nats-io/jetstream'
import { headers } from '@nats-io/transport-node'
import t, { type Test } from 'tap'
import { parseAddress } from '../../../../lib/endpoints/address.js'
import type { Acks, Source } from '../../../../lib/endpoints/endpoint.js'
import type { NatsAddress } from '../../../../lib/endpoints/nats/address.js'
import { natsSource } from '../../../../lib/endpoints/nats/source.js'
import { closed, until } from '../../network.js'
import { type NatsServer, natsServer, noServer } from './server.js'

const skip = noServer

interface Reading {
  readonly source: Source
  readonly acks: Acks
  readonly chunks: string[]
  /** Acknowledges all that was read. */
  keep(): void
}

function read(t: Test, text: string): Reading {
  const source = natsSource(parseAddress(text) as NatsAddress)
  const chunks: string[] = []
  source.on('data', chunk => chunks.push(String(chunk)))
  source.on('error', error => chunks.push(`${error}`))
  t.teardown(() => source.destroy())
  const acks = source.acks as Acks
  return { source, acks, chunks, keep: () => acks.kept(Buffer.byteLength(chunks.join(''))) }
}

async function publish(server: NatsServer, ...texts: string[]): Promise<void> {
  for (const text of texts) await server.connection.request('in.lines', text)
}

/** Publishes a message of a connection, as a sink does. */
async function place(server: NatsServer, connection: string, sequence: number, stored: number): Promise<void> {
  const own = headers()
  own.append('Tcp-Pipe-Connection', connection)
  own.append('Tcp-Pipe-Sequence', `${sequence}`)
  own.append('Tcp-Pipe-Stored', `${stored}`)
  await server.connection.request('in.lines', `${connection}${sequence}`, { timeout: 5000, headers: own })
}

async function unacknowledged(server: NatsServer): Promise<number> {
  return (await server.manager.consumers.info('records', 'reader')).num_ack_pending
}

async function eventually(check: () => Promise<boolean>): Promise<void> {
  while (!(await check())) await new Promise(resolve => setTimeout(resolve, 20))
}

t.test('each message is a chunk; what is kept is acknowledged, and the rest comes again at once', { skip }, async t => {
  const server = await natsServer(t)
  await server.stream()
  await publish(server, 'one\n', '', 'two\n', 'three\n', 'four\n')
  const first = read(t, `${server.url}/in.lines?durable=reader&ack-wait=1h`)
  t.equal(first.source.bytesRead, 0, 'it is not open yet')
  await until(() => first.chunks.length === 4)
  t.same(first.chunks, ['one\n', 'two\n', 'three\n', 'four\n'])
  t.equal(first.source.bytesRead, 19)
  first.acks.kept(8)
  await first.acks.settled()
  t.equal(await unacknowledged(server), 2)
  first.source.destroy()
  await closed(first.source)
  await publish(server, 'five\n')
  const second = read(t, `${server.url}/in.lines?durable=reader&ack-wait=1h`)
  await until(() => second.chunks.length === 3)
  t.same(second.chunks.sort(), ['five\n', 'four\n', 'three\n'])
  second.keep()
  await second.acks.settled()
  t.equal(await unacknowledged(server), 0)
})

t.test('until=empty ends when nothing is left, and acknowledges after its end', { skip }, async t => {
  const server = await natsServer(t)
  await server.stream()
  await publish(server, ...Array.from({ length: 600 }, (_, i) => `${i}\n`))
  const reading = read(t, `${server.url}/in.lines?durable=reader&until=empty`)
  await once(reading.source, 'end')
  t.equal(reading.chunks.length, 600)
  t.equal(await unacknowledged(server), 600)
  reading.keep()
  await reading.acks.settled()
  await closed(reading.source)
  t.equal(await unacknowledged(server), 0)
  const again = read(t, `${server.url}/in.lines?durable=reader&until=empty`)
  await finished(again.source)
  t.same(again.chunks, [])
  t.notOk(again.source.destroyed, 'its owner acknowledges after its end')
  await again.acks.settled()
  await closed(again.source)
})

t.test('what is kept before the end is confirmed after it', { skip }, async t => {
  const server = await natsServer(t)
  await server.stream()
  await publish(server, 'a', 'b')
  const reading = read(t, `${server.url}/in.lines?durable=reader&until=empty`)
  await until(() => reading.chunks.length === 2)
  reading.keep()
  await once(reading.source, 'end')
  await new Promise(setImmediate)
  t.notOk(reading.source.destroyed)
  await reading.acks.settled()
  await closed(reading.source)
})

t.test('it waits for acknowledgements, and says so', { skip }, async t => {
  const server = await natsServer(t)
  await server.stream()
  await publish(server, 'a', 'b', 'c', 'd', 'e')
  const reading = read(t, `${server.url}/in.lines?durable=reader&max-pending=2`)
  await new Promise<void>(resolve => reading.acks.onFull(resolve))
  t.same(reading.chunks, ['a', 'b'])
  let isTold = false
  reading.acks.onFull(() => {
    isTold = true
  })
  t.ok(isTold, 'a later request is answered at once')
  reading.keep()
  await until(() => reading.chunks.length === 4)
  t.same(reading.chunks, ['a', 'b', 'c', 'd'])
})

t.test('it says so, too, to who listens after it has begun to wait', { skip }, async t => {
  const server = await natsServer(t)
  await server.stream()
  await publish(server, 'a', 'b', 'c')
  const reading = read(t, `${server.url}/in.lines?durable=reader&max-pending=2`)
  await new Promise<void>(resolve => reading.acks.onFull(resolve))
  let fulls = 0
  reading.acks.onFull(() => fulls++)
  t.equal(fulls, 1)
  reading.acks.onFull(() => {})
  reading.keep()
  reading.acks.onFull(() => fulls++)
  t.equal(fulls, 1, 'not any more')
})

t.test('a reader that is slow gets nothing twice: its messages are worked on', { skip }, async t => {
  const server = await natsServer(t)
  await server.stream()
  await publish(server, 'a', 'b')
  const signs = new Map<string, number>()
  server.connection.subscribe('$JS.ACK.>', {
    callback: (_error, message) => {
      if (message.string() === '+WPI') signs.set(message.subject, (signs.get(message.subject) ?? 0) + 1)
    },
  })
  await server.connection.flush()
  const reading = read(t, `${server.url}/in.lines?durable=reader&ack-wait=1s`)
  await until(() => [...signs.values()].filter(number => number >= 4).length >= 2)
  t.same(reading.chunks, ['a', 'b'])
})

t.test(
  'the messages of a connection are in order, also where they were stored out of order (I-10)',
  { skip },
  async t => {
    const server = await natsServer(t)
    await server.stream()
    await place(server, 'x', 1, 0)
    await place(server, 'y', 0, 0)
    await place(server, 'x', 2, 0)
    await place(server, 'x', 0, 0)
    await publish(server, 'foreign')
    const { chunks } = read(t, `${server.url}/in.lines?durable=reader`)
    await until(() => chunks.length === 5)
    t.same(chunks, ['y0', 'x0', 'x1', 'x2', 'foreign'])
  },
)

t.test('what a killed reader had comes first, before what follows it (I-08)', { skip }, async t => {
  const server = await natsServer(t)
  await server.stream()
  await server.manager.consumers.add('records', {
    ...{ durable_name: 'reader', ack_policy: AckPolicy.Explicit, ack_wait: 1e9, filter_subject: 'in.lines' },
  })
  for (let i = 0; i < 4; i++) await place(server, 'x', i, i)
  const consumer = await jetstream(server.connection).consumers.get('records', 'reader')
  const lost = await consumer.fetch({ max_messages: 2, expires: 1000 })
  for await (const _message of lost);
  const { chunks, keep, acks } = read(t, `${server.url}/in.lines?durable=reader`)
  await until(() => chunks.length === 4)
  t.same(chunks, ['x0', 'x1', 'x2', 'x3'])
  keep()
  await acks.settled()
})

t.test(
  'two readers share the work: each message once, or twice after a failure, and none is lost',
  { skip },
  async t => {
    const server = await natsServer(t)
    await server.stream()
    const texts = Array.from({ length: 400 }, (_, i) => `${i}`)
    const both = [1, 2].map(() => read(t, `${server.url}/in.lines?durable=reader&max-pending=20`))
    for (const { keep, source } of both) source.on('data', () => keep())
    await publish(server, ...texts)
    await until(() => both.flatMap(({ chunks }) => chunks).length >= 400)
    const all = both.flatMap(({ chunks }) => chunks).sort((a, b) => Number(a) - Number(b))
    t.same(all, texts)
  },
)

t.test('a server that is killed and comes back: nothing is lost, and nothing comes twice (I-09)', { skip }, async t => {
  const server = await natsServer(t)
  await server.stream()
  for (let i = 0; i < 100; i++) await place(server, 'x', i, i)
  const reading = read(t, `${server.url}/in.lines?durable=reader&ack-wait=2s`)
  await until(() => reading.chunks.length === 100)
  reading.acks.kept(Buffer.byteLength(reading.chunks.slice(0, 50).join('')))
  await server.kill()
  await server.start()
  await eventually(() =>
    place(server, 'x', 100, 100).then(
      () => true,
      () => false,
    ),
  )
  await until(() => reading.chunks.length >= 101)
  reading.keep()
  await reading.acks.settled()
  t.same(
    reading.chunks,
    Array.from({ length: 101 }, (_, i) => `x${i}`),
  )
  await eventually(async () => (await unacknowledged(server)) === 0)
})

t.test('a consumer that is deleted fails the source, and so does a stream (I-11)', { skip }, async t => {
  const server = await natsServer(t)
  await server.stream()
  const reading = read(t, `${server.url}/in.lines?durable=reader`)
  await publish(server, 'a')
  await until(() => reading.chunks.length === 1)
  const failed = once(reading.source, 'error')
  await server.manager.consumers.delete('records', 'reader')
  t.match(await failed, [{ code: 'ERR_NATS', message: /consumer/ }])
  const other = read(t, `${server.url}/in.lines?durable=other`)
  const [error] = await Promise.all([
    once(other.source, 'error'),
    eventually(() =>
      server.manager.consumers.info('records', 'other').then(
        () => true,
        () => false,
      ),
    ).then(() => server.manager.streams.delete('records')),
  ])
  t.match(error, [{ code: 'ERR_NATS' }])
})

t.test('a server that cannot be reached destroys the source', async t => {
  const { source, chunks } = read(t, 'nats://127.0.0.1:1/in.lines?durable=reader')
  await closed(source)
  t.match(chunks, [/no server can be reached/])
})

t.test('what is wrong at the start', { skip }, async t => {
  const server = await natsServer(t)
  await server.stream()
  const failures = async (text: string) =>
    ((await once(read(t, `${server.url}/${text}`).source, 'error')) as [Error])[0]
  t.match(await failures('no.subject?durable=reader'), { code: 'ERR_NATS', message: /no stream stores the subject/ })
  t.match(await failures('in.a?durable=reader&stream=none'), { code: 'ERR_NATS' })
  await server.manager.consumers.add('records', { durable_name: 'none', ack_policy: AckPolicy.None })
  t.match(await failures('in.a?durable=none'), {
    message: /acknowledges 'none', not explicitly; take another durable=/,
  })
  t.throws(() => natsSource(parseAddress('nats://h/a') as NatsAddress), { code: 'ERR_ADDRESS', message: /durable=/ })
})

t.test('messages that all wait for a missing one are given when there is no room for more', { skip }, async t => {
  const server = await natsServer(t)
  await server.stream()
  await place(server, 'x', 3, 0)
  await place(server, 'x', 1, 0)
  const { chunks } = read(t, `${server.url}/in.lines?durable=reader&max-pending=2`)
  await until(() => chunks.length === 2)
  t.same(chunks, ['x1', 'x3'])
})

t.test('until=empty waits for what another reader has, which comes again when that one is gone', { skip }, async t => {
  const server = await natsServer(t)
  await server.stream()
  await server.manager.consumers.add('records', {
    ...{ durable_name: 'reader', ack_policy: AckPolicy.Explicit, ack_wait: 3e9, max_ack_pending: 2 },
    filter_subject: 'in.lines',
  })
  await publish(server, 'a', 'b')
  const consumer = await jetstream(server.connection).consumers.get('records', 'reader')
  const lost = await consumer.fetch({ max_messages: 1, expires: 1000 })
  for await (const _message of lost);
  const reading = read(t, `${server.url}/in.lines?durable=reader&until=empty`)
  let fulls = 0
  reading.acks.onFull(() => {
    fulls++
    reading.keep()
  })
  await once(reading.source, 'end')
  t.same(reading.chunks.toSorted(), ['a', 'b'])
  t.ok(fulls > 0)
  reading.keep()
  await reading.acks.settled()
  await closed(reading.source)
})

t.test('a clock that jumps: every record comes once, and is acknowledged', { skip }, async t => {
  const server = await natsServer(t)
  await server.stream()
  const { chunks, acks, keep } = read(t, `${server.url}/in.lines?durable=reader&ack-wait=1h`)
  const { now } = Date
  t.teardown(() => {
    Date.now = now
  })
  const sent: string[] = []
  for (const jump of [3_600_000, -3_600_000, 0]) {
    Date.now = () => now() + jump
    for (let i = 0; i < 15; i++) {
      sent.push(`${sent.length} `)
      await publish(server, sent.at(-1) as string)
      await new Promise(resolve => setTimeout(resolve, 100)) // the client looks at its heartbeats each second
    }
    await until(() => chunks.length >= sent.length)
    t.same(chunks, sent)
    keep()
    await acks.settled()
    t.equal(await unacknowledged(server), 0)
  }
})

t.test('a server that is silent for a while is asked again', { skip }, async t => {
  const server = await natsServer(t)
  await server.stream()
  const { chunks } = read(t, `${server.url}/in.lines?durable=reader`)
  await publish(server, 'a')
  await until(() => chunks.length === 1)
  server.signal('SIGSTOP')
  await new Promise(resolve => setTimeout(resolve, 4000))
  server.signal('SIGCONT')
  await publish(server, 'b')
  await until(() => chunks.length === 2)
  t.same(chunks, ['a', 'b'])
})
