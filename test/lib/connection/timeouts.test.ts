import t, { type Test } from 'tap'
import { deadlines, type Timeouts, watchIdle } from '../../../lib/connection/timeouts.js'
import type { Leg } from '../../../lib/endpoints/endpoint.js'
import { stoppedClock } from '../stats/stopped-clock.js'

/** A leg that does what the test says. */
function fakeLeg() {
  return {
    stream: { readableEnded: false, writableFinished: false, writableLength: 0, destroyed: false },
    bytes: { in: 0, out: 0 },
  }
}

const asLegs = (list: readonly object[]) => list as readonly Leg[]

function watch(t: Test, timeouts: Timeouts, legs = [fakeLeg()], isWaiting = () => false) {
  const clock = stoppedClock(t, { timers: true })
  const errors: Error[] = []
  const stop = watchIdle(asLegs(legs), timeouts, isWaiting, error => errors.push(error))
  return { clock, legs, errors, stop }
}

const timeouts = { idleTimeout: 200, halfClosedTimeout: 40 }

t.test('a connection without a byte is idle, after its time and not before', async t => {
  const { clock, errors } = watch(t, timeouts)
  clock.pass(199)
  t.same(errors, [])
  clock.pass(1)
  t.match(errors, [{ code: 'ERR_TIMEOUT', timeout: 'idle', message: 'idle timeout: no byte for 200 ms' }])
})

t.test('a connection whose legs are all destroyed is not idle: only local work still runs', async t => {
  const { clock, errors, legs } = watch(t, timeouts, [fakeLeg(), fakeLeg()])
  for (const { stream } of legs) stream.destroyed = true
  clock.pass(1000)
  t.same(errors, [])
})

t.test('a byte in either direction of any leg begins the time anew', async t => {
  for (const direction of ['in', 'out'] as const) {
    for (const which of [0, 1]) {
      await t.test(`${direction} ${which}`, async t => {
        const { clock, errors, legs } = watch(t, timeouts, [fakeLeg(), fakeLeg()])
        clock.pass(150)
        ;(legs[which] as ReturnType<typeof fakeLeg>).bytes[direction]++
        clock.pass(199)
        t.same(errors, [])
        clock.pass(12)
        t.equal(errors[0]?.message, 'idle timeout: no byte for 200 ms', 'late by no more than a twentieth')
      })
    }
  }
})

t.test('a leg that is added later counts', async t => {
  const { clock, errors, legs } = watch(t, timeouts)
  clock.pass(150)
  legs.push({ ...fakeLeg(), bytes: { in: 1, out: 0 } })
  clock.pass(199)
  t.same(errors, [])
})

t.test('once one side has ended there is another time', async t => {
  for (const end of ['readableEnded', 'writableFinished'] as const) {
    await t.test(end, async t => {
      const { clock, errors, legs } = watch(t, timeouts, [fakeLeg(), fakeLeg()])
      clock.pass(190)
      ;(legs[1] as ReturnType<typeof fakeLeg>).stream[end] = true
      clock.pass(39)
      t.same(errors, [], 'the end is a sign of life, too')
      clock.pass(4)
      t.match(errors[0], { timeout: 'half-closed', message: 'half-closed timeout: no byte for 40 ms' })
    })
  }
})

t.test('a side that has not taken all data is not half-closed: it may wait for its own sink (G-43)', async t => {
  const { clock, errors, legs } = watch(t, timeouts, [fakeLeg(), fakeLeg()])
  const [ended, stalled] = legs as [ReturnType<typeof fakeLeg>, ReturnType<typeof fakeLeg>]
  ended.stream.readableEnded = true
  stalled.stream.writableLength = 1
  clock.pass(190)
  t.same(errors, [])
  stalled.stream.writableLength = 0
  stalled.bytes.out++
  clock.pass(39)
  t.same(errors, [])
  clock.pass(4)
  t.match(errors[0], { timeout: 'half-closed', message: 'half-closed timeout: no byte for 40 ms' })
})

t.test('a side that takes nothing is idle, whether the other has ended or not', async t => {
  const { clock, errors, legs } = watch(t, timeouts, [fakeLeg(), fakeLeg()])
  const [ended, stalled] = legs as [ReturnType<typeof fakeLeg>, ReturnType<typeof fakeLeg>]
  ended.stream.readableEnded = true
  stalled.stream.writableLength = 1
  clock.pass(210)
  t.match(errors[0], { timeout: 'idle', message: 'idle timeout: no byte for 200 ms' })
})

t.test('the end of a side is a sign of life, without a half-closed timeout, too', async t => {
  const { clock, errors, legs } = watch(t, { idleTimeout: 200 })
  clock.pass(190)
  ;(legs[0] as ReturnType<typeof fakeLeg>).stream.readableEnded = true
  clock.pass(199)
  t.same(errors, [])
  clock.pass(12)
  t.match(errors[0], { timeout: 'idle' })
})

t.test('which of the two times there are', async t => {
  for (const [title, given, halfClosed, expected] of [
    ['half-closed is idle by default', { idleTimeout: 40 }, true, ['idle timeout: no byte for 40 ms']],
    ['no half-closed timeout', { idleTimeout: 40, halfClosedTimeout: 0 }, true, []],
    ['no idle timeout', { idleTimeout: 0, halfClosedTimeout: 40 }, false, []],
    [
      'no idle timeout, and half-closed',
      { idleTimeout: 0, halfClosedTimeout: 40 },
      true,
      ['half-closed timeout: no byte for 40 ms'],
    ],
    ['none', { idleTimeout: 0 }, true, []],
    ['less than the clock can tell', { idleTimeout: 1 }, false, ['idle timeout: no byte for 1 ms']],
  ] as const) {
    await t.test(title, async t => {
      const { clock, errors, legs, stop } = watch(t, given)
      ;(legs[0] as ReturnType<typeof fakeLeg>).stream.readableEnded = halfClosed
      clock.pass(45)
      t.same([...new Set(errors.map(({ message }) => message))], expected)
      stop()
    })
  }
})

t.test('while our own sink is what we wait for it is not idle, and then the time begins anew', async t => {
  let isWaiting = true
  const { clock, errors } = watch(t, timeouts, [fakeLeg()], () => isWaiting)
  clock.pass(10_000)
  t.same(errors, [])
  isWaiting = false
  clock.pass(199)
  t.same(errors, [])
  clock.pass(1)
  t.match(errors, [{ timeout: 'idle' }])
})

t.test('a watch that is stopped is over', async t => {
  const { clock, errors, stop } = watch(t, timeouts)
  clock.pass(199)
  stop()
  clock.pass(1000)
  t.same(errors, [])
})

t.test('deadlines: what the peer does, and which of the two passes', async t => {
  const both = { idleTimeout: 0, firstByteTimeout: 20, maxDuration: 60 }
  const first = 'first-byte timeout: the peer sent nothing for 20 ms'
  const last = 'duration timeout: the connection has lasted 60 ms'
  for (const [title, given, act, expected] of [
    ['says nothing', both, () => {}, [first, last]],
    ['a byte is in time', both, leg => leg.bytes.in++, [last]],
    [
      'an end is in time',
      both,
      leg => {
        leg.stream.readableEnded = true
      },
      [last],
    ],
    ['a byte of ours does not count', { ...both, maxDuration: 0 }, leg => leg.bytes.out++, [first]],
    ['no first byte is asked for', { idleTimeout: 0, maxDuration: 60 }, () => {}, [last]],
    ['none by default', { idleTimeout: 0 }, () => {}, []],
  ] as [string, Timeouts, (leg: ReturnType<typeof fakeLeg>) => void, string[]][]) {
    await t.test(title, async t => {
      const clock = stoppedClock(t, { timers: true })
      const leg = fakeLeg()
      const errors: Error[] = []
      deadlines(leg as never, given, error => errors.push(error))
      clock.pass(19)
      t.same(errors, [])
      act(leg)
      clock.pass(40)
      t.same(
        errors.map(({ message }) => message),
        expected.filter(message => message === first),
      )
      clock.pass(1)
      t.same(
        errors.map(({ message }) => message),
        expected,
      )
      for (const error of errors) t.match(error, { code: 'ERR_TIMEOUT', timeout: /^(first-byte|duration)$/ })
    })
  }
})

t.test('deadlines that are stopped are over', async t => {
  const clock = stoppedClock(t, { timers: true })
  const errors: Error[] = []
  const stop = deadlines(fakeLeg() as never, { idleTimeout: 0, firstByteTimeout: 20, maxDuration: 60 }, error =>
    errors.push(error),
  )
  clock.pass(10)
  stop()
  clock.pass(100)
  t.same(errors, [])
})
