import t from 'tap'
import { Settling } from '../../../../lib/endpoints/nats/settling.js'
import { until } from '../../network.js'

/** Settling with a consumer that tells this many messages as unacknowledged. */
function open(pending: () => number, ackWait = 60_000) {
  const order = { isSettling: false, isShared: false }
  let asked = 0
  const info = async () => {
    asked++
    const number = pending()
    if (number < 0) throw new Error('away')
    return { num_ack_pending: number }
  }
  const settling = new Settling({ consumer: { info }, ackWait } as never, order as never, { size: 1 } as never, 0)
  return { settling, order, asked: () => asked }
}

const delivery = (deliverySequence: number) => ({ info: { deliverySequence } }) as never

t.test('it lasts until others have nothing left that is not acknowledged', async t => {
  const numbers = [5, -1, 1]
  const { settling, order, asked } = open(() => numbers.shift() ?? 0)
  settling.begin()
  settling.begin() // it is under way
  t.ok(order.isSettling)
  await until(() => !order.isSettling)
  t.equal(asked(), 3)
})

t.test('it lasts no longer than a server waits for an acknowledgement', async t => {
  const { settling, order } = open(() => 5, -900)
  settling.begin()
  await until(() => !order.isSettling)
  t.notOk(order.isSettling)
})

t.test('a jump in the deliveries shows other readers; a break begins it anew', async t => {
  const { settling, order } = open(() => 0)
  settling.note(delivery(1), 0)
  settling.note(delivery(2), 0)
  t.notOk(order.isShared)
  settling.note(delivery(9), 0)
  t.ok(order.isShared)
  settling.note(delivery(10), 1)
  t.ok(order.isSettling)
  settling.end()
  await until(() => !order.isSettling)
  settling.begin()
  t.notOk(order.isSettling, 'it has ended')
})
