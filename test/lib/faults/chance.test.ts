import t from 'tap'
import { chance } from '../../../lib/faults/chance.js'

const thousands = (make: (i: number) => number) => Array.from({ length: 20_000 }, (_, i) => make(i))

t.test('the hash is MurmurHash3', async t => {
  // Made with the reference implementation: murmur3_32 of the numbers as 64 bits, least significant byte first, seed 0.
  for (const [numbers, hash] of [
    [[], 0],
    [[0], 0x63852afc],
    [[1], 0x53075d44],
    [[42, 7], 0x661eb28d],
    [[2 ** 32, 2 ** 53 - 1], 0x0e062bdc],
  ] as const)
    t.equal(chance(...numbers) * 2 ** 32, hash, String(numbers))
})

t.test('each number counts, and its place', async t => {
  const keys = [[], [0], [0, 0], [1], [1, 0], [0, 1], [2 ** 32], [2 ** 32 + 1], [2 ** 52], [1, 2, 3], [3, 2, 1]]
  t.equal(new Set(keys.map(key => chance(...key))).size, keys.length)
  for (const key of keys) t.equal(chance(...key), chance(...key))
})

t.test('numbers that follow each other give what is spread evenly', async t => {
  for (const make of [(i: number) => chance(1, i), (i: number) => chance(i, 1), (i: number) => chance(i * 2 ** 32)]) {
    const numbers = thousands(make)
    t.ok(numbers.every(number => number >= 0 && number < 1))
    for (let tenth = 0; tenth < 10; tenth++) {
      const inside = numbers.filter(number => Math.floor(number * 10) === tenth).length
      t.ok(Math.abs(inside - 2000) < 200, `${inside} of 20000 in tenth ${tenth}`)
    }
    const rising = numbers.filter((number, i) => number > (numbers[i - 1] ?? 0)).length
    t.ok(Math.abs(rising - 10_000) < 300, `${rising} are greater than the one before`)
  }
})
