/** The reader over a link and a consumer of the test's own; `source.test.ts` has it over a real server. */
import { errors } from '@nats-io/transport-node'
import t, { type Test } from 'tap'
import { parseAddress } from '../../../../lib/endpoints/address.js'
import type { NatsAddress } from '../../../../lib/endpoints/nats/address.js'
import { Reader } from '../../../../lib/endpoints/nats/reader.js'
import { TcpPipeError } from '../../../../lib/text/errors.js'
import { until } from '../../network.js'

type Batch = Error | Promise<never> | (() => AsyncIterable<object>)

/** A message of the stream; its answers are noted. */
function message(seq: number, answers: string[]) {
  const note = (word: string) => () => void answers.push(`${word} ${seq}`)
  const info = { deliverySequence: seq, timestampNanos: seq, stream: 'records' }
  return {
    seq,
    info,
    reply: `reply ${seq}`,
    data: Buffer.from(`${seq}`),
    ack: note('ack'),
    nak: note('nak'),
    working: note('working'),
  }
}

function open(t: Test, { batches, info }: { batches: Batch[]; info?: () => Promise<unknown> }) {
  const seen = {
    given: [] as string[],
    failed: undefined as Error | undefined,
    published: [] as string[],
    isClosed: false,
  }
  const connection = {
    isClosed: () => seen.isClosed,
    closed: async () => undefined,
    flush: async () => {},
    publish: (subject: string, data: string) => void seen.published.push(`${subject} ${data}`),
  }
  const link = { connection, connected: async () => {}, breaks: () => 0, release: async () => {} }
  const never = () => (async function* () {})()
  const consumer = {
    info: info ?? (async () => ({ config: {}, num_pending: 0, num_ack_pending: 0 })),
    async fetch() {
      const batch = batches.shift() ?? never
      if (batch instanceof Error) throw batch
      if (batch instanceof Promise) return batch
      if (batches.length === 0 && batch === never) await new Promise(resolve => setTimeout(resolve, 20))
      return Object.assign(batch(), { stop() {} })
    },
  }
  const opened = { consumer, ackWait: 60_000, maxPending: 10, pending: 0, warnings: [] }
  const taker = {
    give: (data: Uint8Array) => seen.given.push(String(data)) > 0,
    end() {},
    fail(error: Error) {
      seen.failed = error
    },
    full() {},
  }
  const address = parseAddress('nats://h/in.a?durable=d') as NatsAddress
  const reader = new Reader(address, taker, link as never, opened as never)
  t.teardown(() => reader.close())
  reader.read()
  return { reader, seen }
}

/** A batch of these messages. */
const batch =
  (...all: object[]): Batch =>
  () =>
    (async function* () {
      yield* all
    })()

t.test('a failure that goes away is tried again', async t => {
  const answers: string[] = []
  const { seen } = open(t, { batches: [new errors.TimeoutError(), batch(message(1, answers))] })
  await until(() => seen.given.length === 1)
  t.same(seen.given, ['1'])
  t.equal(seen.failed, undefined)
})

t.test('a failure of the consumer, or of the connection, ends it', async t => {
  const info = () => Promise.reject(new errors.ClosedConnectionError())
  const lost = open(t, { batches: [new errors.TimeoutError()], info })
  await until(() => lost.seen.failed !== undefined)
  t.match(lost.seen.failed, {
    code: 'ERR_NATS',
    message: /its consumer cannot be used: the connection to the server is closed/,
  })
  const final = open(t, { batches: [new errors.ClosedConnectionError()] })
  await until(() => final.seen.failed !== undefined)
  t.match(final.seen.failed, { code: 'ERR_NATS', message: /its messages cannot be read/ })
  const anew = open(t, { batches: [new TcpPipeError('ERR_NATS', 'made anew')] })
  await until(() => anew.seen.failed !== undefined)
  t.match(anew.seen.failed, { message: 'made anew' })
  const closed = open(t, { batches: [batch()], info })
  closed.seen.isClosed = true
  await until(() => closed.seen.failed !== undefined)
  t.match(closed.seen.failed, { code: 'ERR_NATS' })
})

t.test('what comes while it is closed is left to others', async t => {
  const answers: string[] = []
  let go = () => {}
  const late = () =>
    (async function* () {
      yield message(1, answers)
      await new Promise<void>(resolve => {
        go = resolve
      })
      yield message(2, answers)
    })()
  const { reader, seen } = open(t, { batches: [late] })
  await until(() => seen.given.length === 1)
  await reader.close()
  go()
  await new Promise(resolve => setImmediate(resolve))
  t.same(seen.given, ['1'])
  t.same(answers, ['nak 1'])
  t.same(seen.published, ['reply 1 -NAK'], 'the server has given it to the request that was withdrawn')
})

t.test('a request that fails after the close is no failure', async t => {
  let fail = (_error: Error) => {}
  const request = new Promise<never>((_, reject) => {
    fail = reject
  })
  const { reader, seen } = open(t, { batches: [request] })
  await new Promise(resolve => setImmediate(resolve))
  await reader.close()
  fail(new errors.ClosedConnectionError())
  await new Promise(resolve => setImmediate(resolve))
  t.equal(seen.failed, undefined)
})
