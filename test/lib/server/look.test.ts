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
  t.same(calls, [true, true], 'each time: what else looks may have ended it')
  clock.pass(1000)
  t.same(calls.splice(0), [true, true, false, 'rest'])
  look.now()
  look.end()
  clock.pass(20_000)
  look.end()
  t.same(calls, [true, false, 'rest'], 'nothing after the end')
})

t.test('nobody needs to know that it rests', async t => {
  const clock = stoppedClock(t, { timers: true })
  const calls: unknown[] = []
  openLook({ measure: on => void calls.push(on) }).now()
  clock.pass(10_000)
  t.same(calls, [true, false])
})

t.test('two that look at the same server', async t => {
  const clock = stoppedClock(t, { timers: true })
  let isMeasured = false
  const server = {
    measure(on = true) {
      isMeasured = on
    },
  }
  const [one, other] = [openLook(server), openLook(server)]
  one.now()
  other.now()
  one.end()
  other.now()
  t.ok(isMeasured, 'the end of one is not that of the other')
  clock.pass(10_000)
  t.notOk(isMeasured)
})
