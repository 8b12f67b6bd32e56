import t, { type Test } from 'tap'
import { Counter, type Counts } from '../../../lib/ui/counts.js'
import { Recent } from '../../../lib/ui/history.js'
import { stoppedClock, turns } from '../stats/stopped-clock.js'

function open(t: Test, count = () => 0) {
  const clock = stoppedClock(t, { timers: true })
  const counter = new Counter(count)
  const recent = new Recent(() => counter.now())
  t.teardown(() => recent.stop())
  const pass = async (seconds: number) => {
    for (let i = 0; i < seconds; i++) {
      clock.pass(1000)
      await turns(1)
    }
  }
  return { clock, counter, recent, pass }
}

t.test('each second is a sample, in columns', async t => {
  let connections = 3
  const { counter, recent, pass } = open(t, () => connections)
  const before = Date.now()
  counter.accepted()
  counter.accepted()
  counter.passed('in', 1000)
  counter.passed('in', 200)
  counter.passed('out', 30)
  counter.replied(4)
  t.equal(recent.count, 0)
  await pass(1)
  connections = 1
  await pass(1)
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
  const { counter, recent, pass } = open(t)
  counter.passed('in', 1)
  await pass(1)
  counter.passed('in', 2)
  await pass(1)
  t.same(recent.after(1).in, [2])
  t.same(recent.after(2).in, [])
})

t.test('ten minutes are kept', async t => {
  const { counter, recent, pass } = open(t)
  counter.passed('in', 1)
  await pass(1)
  counter.passed('in', 2)
  await pass(600)
  t.equal(recent.count, 601)
  t.same([recent.after(0).in.length, recent.after(0).in[0]], [600, 2])
  t.equal(recent.after(599).in.length, 2)
})

t.test('a second that was longer has the same rate', async t => {
  const { clock, counter, recent, pass } = open(t)
  clock.now += 1000 // the thread was busy
  counter.passed('out', 500)
  await pass(1)
  t.same(recent.after(0).out, [250])
})

t.test('counts that come late make one longer second', async t => {
  const clock = stoppedClock(t, { timers: true })
  const counter = new Counter(() => 0)
  const asked: ((counts: Counts) => void)[] = []
  const recent = new Recent(() => new Promise(resolve => asked.push(resolve)))
  t.teardown(() => recent.stop())
  counter.passed('in', 600)
  clock.pass(3000)
  t.equal(asked.length, 1, 'nobody asks again before there is an answer')
  asked[0]?.(counter.now())
  await turns(1)
  t.same(recent.after(0).in, [200])
  clock.pass(1000)
  t.equal(asked.length, 2)
})

t.test('no more samples after the stop', async t => {
  const { recent, pass } = open(t)
  recent.stop()
  await pass(2)
  t.equal(recent.count, 0)
})
