import t from 'tap'
import { checkShare, newId, numberOf } from '../../../lib/connection/identity.js'

t.test('ids are unique, in order, and of ten characters: microseconds since 1970', async t => {
  const ids = Array.from({ length: 10_000 }, () => newId())
  t.equal(new Set(ids).size, ids.length)
  t.same(ids.toSorted(), ids)
  t.match(ids[0], /^[0-9a-z]{10}$/)
  const time = Number.parseInt(newId(), 36) / 1000
  t.ok(Math.abs(time - Date.now()) < 60_000)
})

t.test('several processes never make the same id or number: each has every nth', async t => {
  const shares = [1, 2, 3].map(number => ({ number, of: 3 }))
  const ids = Array.from({ length: 100 }, () => shares.map(share => Number.parseInt(newId(share), 36)))
  for (const each of ids)
    t.same(
      each.map(id => id % 3),
      [0, 1, 2],
    )
  t.same(
    ids.flat().toSorted((one, other) => one - other),
    ids.flat(),
    'they rise in each process',
  )
  t.same(
    shares.map(share => [1, 2, 3].map(nth => numberOf(share, nth))),
    [
      [1, 4, 7],
      [2, 5, 8],
      [3, 6, 9],
    ],
  )
  t.same(
    [1, 2].map(nth => numberOf({ number: 2, of: 3, after: 3 }, nth)),
    [11, 14],
    'one that follows goes on',
  )
  t.same(
    [1, 2, 3].map(nth => numberOf(undefined, nth)),
    [1, 2, 3],
  )
})

t.test('a share that is none', async t => {
  for (const share of [undefined, { number: 1, of: 1 }, { number: 1024, of: 1024, after: 7 }])
    t.doesNotThrow(() => checkShare(share))
  for (const [share, shown] of [
    [null, 'null'],
    [2, 'a number'],
    [{}, '{}'],
    [{ number: 0, of: 1 }, '{"number":0,"of":1}'],
    [{ number: 3, of: 2 }, '{"number":3,"of":2}'],
    [{ number: 1, of: 1025 }, '{"number":1,"of":1025}'],
    [{ number: 1, of: 2, after: -1 }, '{"number":1,"of":2,"after":-1}'],
    [{ number: 1.5, of: 2 }, '{"number":1.5,"of":2}'],
  ] as const) {
    const message = `worker: ${shown} is not allowed; expected { number, of }: whole numbers, 1 to of, and at most 1024`
    t.throws(() => checkShare(share), { code: 'ERR_OPTION', message }, shown)
  }
})
