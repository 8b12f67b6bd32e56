import t from 'tap'
import { addCounts, Counter, type Counts, latenciesBetween, noCounts } from '../../../lib/ui/counts.js'

function countOf(...replies: number[]): Counts {
  const counter = new Counter(() => 0)
  for (const reply of replies) counter.replied(reply)
  return counter.now()
}

t.test('totals since the beginning', async t => {
  let open = 1
  const counter = new Counter(() => open)
  counter.accepted()
  counter.passed('in', 10)
  counter.passed('out', 20)
  const first = counter.now()
  t.match(first, { open: 1, accepted: 1, in: 10, out: 20 })
  open = 2
  counter.accepted()
  counter.passed('in', 1)
  counter.replied(3)
  t.match(counter.now(), { open: 2, accepted: 2, in: 11, out: 20 })
  t.equal(latenciesBetween(noCounts, first).replies, 0, 'what was given before has not changed')
})

t.test('the quantiles of the latency are within 5 percent', async t => {
  const isNear = (value: number | null | undefined, right: number) =>
    t.ok(Math.abs(Number(value) - right) <= 0.05 * right, `${value} is ${right}`)
  for (const scale of [0.01, 1, 37, 60_000]) {
    const { p50, p99, replies } = latenciesBetween(
      noCounts,
      countOf(...Array.from({ length: 1000 }, (_, i) => (i + 1) * scale)),
    )
    isNear(p50, 500 * scale)
    isNear(p99, 990 * scale)
    t.equal(replies, 1000)
  }
  const { p50, p99 } = latenciesBetween(noCounts, countOf(7))
  isNear(p50, 7)
  t.equal(p99, p50)
})

t.test('only the replies between two counts', async t => {
  const counter = new Counter(() => 0)
  counter.replied(1)
  const before = counter.now()
  t.same(latenciesBetween(before, counter.now()), { replies: 0, p50: null, p99: null })
  counter.replied(100)
  const { replies, p50 } = latenciesBetween(before, counter.now())
  t.equal(replies, 1)
  t.ok(Number(p50) > 90)
})

t.test('latencies beyond the classes count in the last ones', async t => {
  t.equal(latenciesBetween(noCounts, countOf(0)).p50, 0.001)
  t.ok(Number(latenciesBetween(noCounts, countOf(1e12)).p50) > 18 * 3600 * 1000, '18 hours')
})

t.test('the counts of several processes', async t => {
  const one = { ...countOf(1), open: 1, accepted: 2, in: 3, out: 4 }
  const other = { ...countOf(1, 1), open: 10, accepted: 20, in: 30, out: 40 }
  const sum = addCounts(one, other)
  t.match(sum, { open: 11, accepted: 22, in: 33, out: 44 })
  t.equal(latenciesBetween(noCounts, sum).replies, 3)
})
