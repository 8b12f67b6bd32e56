import t from 'tap'
import { Kept } from '../../../lib/endpoints/kept.js'

t.test('tells whenever more is kept', async t => {
  const told: number[] = []
  const kept = new Kept()
  kept.add(1)
  kept.onKept(bytes => told.push(bytes))
  kept.add(2)
  kept.reach(3)
  kept.reach(2)
  kept.reach(10)
  t.same(told, [3, 10])
})
