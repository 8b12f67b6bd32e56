import t, { type Test } from 'tap'
import { Recent } from '../../../lib/ui/history.js'
import { stoppedClock } from '../stats/stopped-clock.js'

function open(t: Test, count = () => 0) {
  const clock = stoppedClock(t, { timers: true })
  const recent = new Recent(count)
  t.teardown(() => recent.stop())
  const pass = (seconds: number) => {
    for (let i = 0; i < seconds; i++) clock.pass(1000)
  }
  return { clock, recent, pass }
}

t.test('each second is a sample, in columns', async t => {
  let connections = 3
  const { recent, pass } = open(t, () => connections)
  const before = Date.now()
  recent.accepted()
  recent.accepted()
  recent.passed('in', 1000)
  recent.passed('in', 200)
  recent.passed('out', 30)
  recent.replied(4)
  t.equal(recent.count, 0)
  pass(1)
  connections = 1
  pass(1)
  const { time, ...columns } = recent.after(0)
  t.match(columns, {
    interval: 1000,
    ...{ in: [1200, 0], out: [30, 0], open: [3, 1], accepted: [2, 0], replies: [1, 0] },
    ...{ p50: [Number, null], p99: [Number, null] },
  })
  t.equal(time.length, 2)
  t.ok(time.every(each => each >= before && each <= Date.now()))
  t.equal(recent.count, 2)
})

t.test('the samples that have come since', async t => {
  const { recent, pass } = open(t)
  recent.passed('in', 1)
  pass(1)
  recent.passed('in', 2)
  pass(1)
  t.same(recent.after(1).in, [2])
  t.same(recent.after(2).in, [])
})

t.test('ten minutes are kept', async t => {
  const { recent, pass } = open(t)
  recent.passed('in', 1)
  pass(1)
  recent.passed('in', 2)
  pass(600)
  t.equal(recent.count, 601)
  t.same([recent.after(0).in.length, recent.after(0).in[0]], [600, 2])
  t.equal(recent.after(599).in.length, 2)
})

t.test('a second that was longer has the same rate', async t => {
  const { clock, recent, pass } = open(t)
  clock.now += 1000 // the thread was busy
  recent.passed('out', 500)
  pass(1)
  t.same(recent.after(0).out, [250])
})

t.test('the quantiles of the latency are within 5 percent', async t => {
  const { recent, pass } = open(t)
  const isNear = (value: number | null | undefined, right: number) =>
    t.ok(Math.abs(Number(value) - right) <= 0.05 * right, `${value} is ${right}`)
  for (const scale of [0.01, 1, 37, 60_000]) {
    for (let i = 1; i <= 1000; i++) recent.replied(i * scale)
    pass(1)
    const { p50, p99, replies } = recent.after(recent.count - 1)
    isNear(p50[0], 500 * scale)
    isNear(p99[0], 990 * scale)
    t.same(replies, [1000])
  }
  recent.replied(7)
  pass(1)
  const only = recent.after(recent.count - 1)
  isNear(only.p50[0], 7)
  t.same(only.p99, only.p50)
})

t.test('latencies beyond the classes count in the last ones', async t => {
  const { recent, pass } = open(t)
  recent.replied(0)
  pass(1)
  t.same(recent.after(0).p50, [0.001])
  recent.replied(1e12)
  pass(1)
  t.ok(Number(recent.after(1).p50[0]) > 18 * 3600 * 1000, '18 hours')
})

t.test('no more samples after the stop', async t => {
  const { recent, pass } = open(t)
  recent.stop()
  pass(2)
  t.equal(recent.count, 0)
})
