import t from 'tap'
import { finder } from '../../../lib/faults/finder.js'
import fc from '../../fast-check.js'
import { cutAt, cutEvery, cuts } from '../pipes.js'

/** The offsets behind the occurrences. */
function found(pattern: string | Buffer, chunks: Buffer[]): number[] {
  const find = finder(Buffer.from(pattern))
  let start = 0
  return chunks.flatMap(chunk => {
    const offsets = [...find(chunk)].map(position => start + position)
    start += chunk.length
    return offsets
  })
}

/** By a plain search over everything. */
function expected(pattern: Buffer, bytes: Buffer): number[] {
  const offsets: number[] = []
  for (let at = bytes.indexOf(pattern); at !== -1; at = bytes.indexOf(pattern, at + pattern.length))
    offsets.push(at + pattern.length)
  return offsets
}

t.test('occurrences', async t => {
  for (const [pattern, text, offsets] of [
    ['a', '', []],
    ['a', 'aba', [1, 3]],
    ['ab', 'ab', [2]],
    ['ab', 'aab', [3]],
    ['aa', 'aaaaa', [2, 4]],
    ['aba', 'ababababa', [3, 7]],
    ['abc', 'ab', []],
    ['COMMIT', 'BEGIN COMMIT COMMIT', [12, 19]],
    ['é', 'aéb', [3]],
  ] as const) {
    const bytes = Buffer.from(text)
    t.same(found(pattern, [bytes]), offsets, `${pattern} in ${text}`)
    t.same(found(pattern, cutEvery(1, bytes)), offsets, 'by single bytes')
    for (let from = 0; from <= bytes.length; from++)
      for (let to = from; to <= bytes.length; to++)
        t.same(found(pattern, cutAt([from, to], bytes)), offsets, `${pattern} in ${text}, cut at ${from} and ${to}`)
  }
})

t.test('random patterns of few letters in random chunks', async t => {
  const letters = (constraints: fc.ArrayConstraints) =>
    fc.array(fc.constantFrom('a', 'b'), constraints).map(array => Buffer.from(array.join('')))
  const property = fc.property(
    letters({ minLength: 1, maxLength: 6 }),
    letters({ maxLength: 60 }),
    cuts,
    (one, all, at) => t.same(found(one, cutAt(at, all)), expected(one, all)),
  )
  fc.assert(property, { numRuns: 300, seed: 1 })
})

t.test('a long pattern over many chunks', async t => {
  const pattern = Buffer.concat([Buffer.alloc(65_535, 'a'), Buffer.from('b')])
  const bytes = Buffer.concat([Buffer.alloc(10, 'a'), pattern, Buffer.alloc(100, 'a'), pattern])
  for (const size of [1000, 65_535, 65_536, 200_000])
    t.same(found(pattern, cutEvery(size, bytes)), expected(pattern, bytes))
})

t.test('positions are found when they are asked for', async t => {
  const find = finder(Buffer.from('a'))(Buffer.from('aXa'))
  t.same(find.next(), { value: 1, done: false })
  t.same(find.next(), { value: 3, done: false })
  t.ok(find.next().done)
})
