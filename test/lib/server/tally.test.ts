import t from 'tap'
import { openTally } from '../../../lib/server/tally.js'
import fc from '../../fast-check.js'

t.test('no more than max of one address come in, and one more when one has left', async t => {
  const tally = openTally(2)
  const leave = tally.enter('10.0.0.1')
  t.ok(tally.enter('10.0.0.1'))
  t.equal(tally.enter('10.0.0.1'), undefined)
  t.ok(tally.enter('10.0.0.2'), 'of another one')
  leave?.()
  t.ok(tally.enter('10.0.0.1'), 'when one has left')
  t.equal(tally.enter('10.0.0.1'), undefined)
})

t.test('a connection leaves once', async t => {
  const tally = openTally(2)
  const leave = tally.enter('10.0.0.1')
  tally.enter('10.0.0.1')
  leave?.()
  leave?.()
  t.ok(tally.enter('10.0.0.1'))
  t.equal(tally.enter('10.0.0.1'), undefined)
})

t.test('an address without a connection is forgotten', async t => {
  const tally = openTally(1)
  t.equal(tally.size, 0)
  const leaves = ['10.0.0.1', '10.0.0.2', '10.0.0.1'].map(tally.enter)
  t.equal(tally.size, 2)
  for (const leave of leaves) leave?.()
  t.equal(tally.size, 0)
})

t.test('without a limit they are counted', async t => {
  const tally = openTally(undefined)
  const leaves = Array.from({ length: 1000 }, () => tally.enter('10.0.0.1'))
  t.notOk(leaves.includes(undefined))
  t.equal(tally.size, 1)
})

t.test('IPv4-mapped addresses, and those of one /64, are one address', async t => {
  for (const [one, other, expected] of [
    ['10.0.0.1', '::ffff:10.0.0.1', 1],
    ['10.0.0.1', '::ffff:a00:1', 1],
    ['10.0.0.1', '10.0.0.2', 2],
    ['2001:db8::1', '2001:DB8:0::1', 1],
    ['2001:db8::1', '2001:db8::ffff:ffff:ffff:ffff', 1],
    ['2001:db8::1', '2001:db8:0:1::1', 2],
    ['fe80::1%eth0', 'fe80::1', 1],
    ['::1', '127.0.0.1', 2],
    ['unix', 'unix', 1],
    ['unix', 'unknown', 2],
  ] as const) {
    const tally = openTally(1)
    tally.enter(one)
    t.equal(tally.enter(other) === undefined, expected === 1, `${one} ${other}`)
    t.equal(tally.size, expected, `${one} ${other}`)
  }
})

t.test('whoever comes and goes, the counts are right', async t => {
  const moves = fc.array(fc.tuple(fc.nat(4), fc.boolean()), { maxLength: 200 })
  const property = fc.property(fc.integer({ min: 1, max: 5 }), moves, (max, steps) => {
    const tally = openTally(max)
    const inside: (() => void)[][] = [[], [], [], [], []]
    return steps.every(([who, comes]) => {
      const mine = inside[who] as (() => void)[]
      if (comes) {
        const leave = tally.enter(`10.0.0.${who}`)
        if ((leave === undefined) !== mine.length >= max) return false
        if (leave) mine.push(leave)
      } else mine.pop()?.()
      return tally.size === inside.filter(each => each.length > 0).length
    })
  })
  t.doesNotThrow(() => fc.assert(property))
})
