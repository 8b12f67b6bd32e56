import t from 'tap'
import { openLimits } from '../../../cli/workers/limits.js'

t.test('connections count over all workers', async t => {
  const guests = openLimits({ maxConnections: 3 })
  const [one, other] = [guests(), guests()]
  t.same([one.enter(1, 'a'), other.enter(1, 'b'), one.enter(2, 'a')], [undefined, undefined, undefined])
  t.same([one.enter(3, 'c'), other.enter(2, 'c')], ['maxConnections', 'maxConnections'])
  other.left(1)
  other.left(1)
  other.left(7)
  t.same([one.enter(4, 'c'), other.enter(3, 'd')], [undefined, 'maxConnections'], 'one has left, once')
})

t.test('so do those of one address', async t => {
  const guests = openLimits({ maxPerIp: 2 })
  const [one, other] = [guests(), guests()]
  t.same([one.enter(1, '10.0.0.1'), other.enter(1, '::ffff:10.0.0.1')], [undefined, undefined])
  t.same([one.enter(2, '10.0.0.1'), one.enter(3, '10.0.0.2')], ['maxPerIp', undefined])
  one.left(1)
  t.equal(other.enter(2, '10.0.0.1'), undefined)
})

t.test('the guests of a worker that dies have left', async t => {
  const guests = openLimits({ maxConnections: 4, maxPerIp: 2 })
  const [one, other] = [guests(), guests()]
  for (const ask of [1, 2]) one.enter(ask, 'a')
  other.enter(1, 'b')
  one.allLeft()
  one.allLeft()
  t.same(
    [2, 3, 4].map(ask => other.enter(ask, 'a')),
    [undefined, undefined, 'maxPerIp'],
  )
  t.same([other.enter(5, 'c'), other.enter(6, 'd')], [undefined, 'maxConnections'])
})
