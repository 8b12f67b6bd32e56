import type { ConsumerInfo } from '@nats-io/jetstream'
import t from 'tap'
import { Fullness } from '../../../../lib/endpoints/nats/fullness.js'

function fullness(info: () => Promise<unknown>) {
  const ledger = { unkept: 1 }
  const counts = { asked: 0, full: 0 }
  const consumer = {
    info() {
      counts.asked++
      return info() as Promise<ConsumerInfo>
    },
  }
  const full = () => void counts.full++
  return { ledger, counts, fullness: new Fullness(consumer, ledger, full) }
}

t.test('the server is asked once when nothing comes, and again after the next message', async t => {
  const { fullness: each, counts, ledger } = fullness(() => Promise.reject(new Error('away')))
  each.tick()
  t.equal(counts.asked, 0)
  for (let i = 0; i < 3; i++) each.tick()
  t.equal(counts.asked, 1)
  each.note()
  each.tick()
  t.equal(counts.asked, 1)
  each.tick()
  t.equal(counts.asked, 2)
  ledger.unkept = 0
  each.note()
  each.tick()
  each.tick()
  t.equal(counts.asked, 2, 'a reader that has nothing can acknowledge nothing')
  t.equal(counts.full, 0)
})

t.test('full: all readers together have as many messages as the consumer gives', async t => {
  for (const [most, pending, unkept, full] of [
    [10, 10, 1, 1],
    [10, 9, 1, 0],
    [10, 10, 0, 0],
    [undefined, 10, 1, 0],
    [-1, 10, 1, 0],
  ] as const) {
    const info = { config: { max_ack_pending: most }, num_ack_pending: pending }
    const { fullness: each, counts, ledger } = fullness(async () => info)
    ledger.unkept = unkept
    t.equal(await each.look(), info)
    t.equal(counts.full, full, `${most} ${pending} ${unkept}`)
  }
})
