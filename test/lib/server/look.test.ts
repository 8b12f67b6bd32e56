import t from 'tap'
import { openLook } from '../../../lib/server/look.js'
import { stoppedClock } from '../stats/stopped-clock.js'

t.test('it measures while somebody looks, and ten seconds longer', async t => {
  const clock = stoppedClock(t, { timers: true })
  const calls: unknown[] = []
  const look = openLook({ measure: on => void calls.push(on) }, () => void calls.push('rest'))
  look.now()
  clock.pass(9000)
  look.now()
  clock.pass(9000)
  t.same(calls, [true])
  clock.pass(1000)
  t.same(calls, [true, false, 'rest'])
  look.now()
  look.end()
  clock.pass(20_000)
  look.end()
  t.same(calls, [true, false, 'rest', true, false, 'rest'], 'nothing after the end')
})

t.test('nobody needs to know that it rests', async t => {
  const clock = stoppedClock(t, { timers: true })
  const calls: unknown[] = []
  openLook({ measure: on => void calls.push(on) }).now()
  clock.pass(10_000)
  t.same(calls, [true, false])
})
