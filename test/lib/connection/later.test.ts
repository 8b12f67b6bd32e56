import t from 'tap'
import { Later } from '../../../lib/connection/later.js'

t.test('the promise has the outcome, whether it is read before or after it', async t => {
  for (const early of [true, false]) {
    const [kept, broken] = [new Later<number>(), new Later<number>()]
    const asked = early ? [kept.promise, broken.promise] : []
    kept.resolve(1)
    broken.reject(new Error('broken'))
    asked.push(kept.promise, broken.promise)
    for (const promise of asked.filter((_, i) => i % 2 === 0)) t.equal(await promise, 1)
    for (const promise of asked.filter((_, i) => i % 2 === 1)) await t.rejects(promise, { message: 'broken' })
    t.equal(kept.promise, kept.promise)
  }
})

t.test('the first outcome counts, and a failure that nobody asks for is none of the process', async t => {
  const [kept, broken] = [new Later<number>(), new Later<number>()]
  kept.resolve(1)
  kept.resolve(2)
  kept.reject(new Error('late'))
  t.equal(await kept.promise, 1)
  broken.reject(new Error('first'))
  broken.reject(new Error('second'))
  broken.resolve(3)
  await new Promise(setImmediate)
  await t.rejects(broken.promise, { message: 'first' })
})
