import t from 'tap'
import { openBackoff } from '../../../cli/workers/backoff.js'

const second = 1000

t.test('a worker that dies is replaced later each time, up to 5 s', async t => {
  const waitAfter = openBackoff()
  const waits = Array.from({ length: 9 }, () => waitAfter(5 * second))
  t.same(waits, [100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000])
})

t.test('one that has lived for ten seconds begins anew', async t => {
  const waitAfter = openBackoff()
  t.same([1, 1, 10_000, 1].map(waitAfter), [100, 200, 100, 200])
})

t.test('the fifth in a row that has lived for less than 5 s is a crash loop', async t => {
  const waitAfter = openBackoff()
  t.same([1, 1, 4999, 1].map(waitAfter), [100, 200, 400, 800])
  t.equal(waitAfter(4999), undefined)
  const other = openBackoff()
  t.same([1, 1, 1, 1, 5000, 1, 1, 1, 1].map(other).includes(undefined), false, 'in a row')
  t.equal(other(1), undefined)
})
