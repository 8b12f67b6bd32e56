import t from 'tap'
import { countDurations } from '../../../lib/stats/durations.js'

const counted = (...durations: number[]) => {
  const counter = countDurations()
  for (const duration of durations) counter.add(duration)
  return counter.stats()
}

t.test('a bucket counts all that lasted at most so long', async t => {
  const { buckets, count, sum } = counted(0, 10, 10.5, 600_000, 600_001)
  t.same([count, sum], [5, 1_200_022 - 0.5])
  const upTo = (bound: number) => buckets.find(each => each.upTo === bound)?.count
  t.same([10, 50, 60_000, 600_000, 3_600_000].map(upTo), [2, 3, 3, 4, 5])
})

t.test('the bounds rise, and what exceeds the last one is only in the count', async t => {
  const { buckets, count } = counted(Number.MAX_SAFE_INTEGER)
  const bounds = buckets.map(({ upTo }) => upTo)
  t.same(
    bounds,
    [...bounds].sort((one, other) => one - other),
  )
  t.ok(buckets.every(bucket => bucket.count === 0))
  t.equal(count, 1)
})

t.test('a snapshot does not change afterwards', async t => {
  const counter = countDurations()
  const before = counter.stats()
  counter.add(1)
  t.ok(before.buckets.every(bucket => bucket.count === 0))
})
