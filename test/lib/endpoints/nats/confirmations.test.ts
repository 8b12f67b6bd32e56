import { errors } from '@nats-io/transport-node'
import t from 'tap'
import { Confirmations } from '../../../../lib/endpoints/nats/confirmations.js'
import { Ledger } from '../../../../lib/endpoints/nats/ledger.js'

const address = { scheme: 'nats', servers: [{ host: 'h', port: 1 }], subject: 'x' } as const

/** A ledger with two acknowledgements, and a connection whose requests are answered by `answer`. */
function world(answer: (count: number) => void | Promise<void>) {
  const state = { breaks: 0, requests: [] as string[], published: [] as string[] }
  const ledger = new Ledger()
  for (const seq of [1, 2]) {
    const message = { seq, reply: `reply.${seq}`, data: Buffer.from('a'), info: { timestampNanos: 1 }, ack() {} }
    ledger.give(ledger.take(message as never) as never)
  }
  ledger.kept(2)
  const connection = {
    publish: (subject: string) => void state.published.push(subject),
    async request(subject: string) {
      state.requests.push(subject)
      await answer(state.requests.length)
    },
  }
  const link = { connection, connected: async () => {}, breaks: () => state.breaks }
  return { state, ledger, confirmations: new Confirmations(address, link as never, ledger) }
}

t.test('the last one is confirmed, and with it those before', async t => {
  const { confirmations, state, ledger } = world(() => {})
  await confirmations.settled()
  await confirmations.settled()
  t.same([state.requests, state.published, [...ledger.unconfirmed()]], [['reply.2'], [], []])
})

t.test('after a break, all are sent again; also after one in the meantime', async t => {
  const { confirmations, state } = world(count => {
    if (count === 1) state.breaks++
  })
  state.breaks = 1
  await confirmations.settled()
  t.same(state.published, ['reply.1', 'reply.2', 'reply.1', 'reply.2'])
  t.same(state.requests, ['reply.2', 'reply.2'])
})

t.test('an answer that does not come is asked for again, and then is an error', async t => {
  const once = world(count => {
    if (count === 1) throw new errors.TimeoutError()
  })
  await once.confirmations.settled()
  t.equal(once.state.requests.length, 2)
  const never = world(() => {
    throw new errors.TimeoutError()
  })
  await t.rejects(never.confirmations.settled(), {
    code: 'ERR_NATS',
    message: /could not be acknowledged, and come again/,
  })
  t.equal(never.state.requests.length, 5)
  const closed = world(() => {
    throw new errors.ClosedConnectionError()
  })
  await t.rejects(closed.confirmations.settled(), { code: 'ERR_NATS', message: /closed/ })
  t.equal(closed.state.requests.length, 1)
})
