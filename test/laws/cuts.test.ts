/** However its input is cut into chunks, a transform makes the same of it. */
import fc from '../fast-check.js'
import { cutAt, cutEvery, cuts } from '../lib/pipes.js'
import { large, law, outcome } from './law.js'
import { text } from './samples.js'

law('chunks of one byte', async (t, { spec, input }) => {
  const bytes = input(2000, 1)
  t.equal(await outcome(spec, cutEvery(1, bytes)), await outcome(spec, [bytes]))
})

law('one huge chunk', async (t, { spec, input }) => {
  const bytes = input(large, 2)
  const expected = await outcome(spec, cutEvery(65_536, bytes))
  t.notMatch(expected, /^ERR/)
  t.equal(await outcome(spec, [bytes]), expected)
})

law('cut at each place', async (t, { spec, input }) => {
  const bytes = input(40, 3)
  const expected = await outcome(spec, [bytes])
  for (let at = 0; at < bytes.length; at++) t.equal(await outcome(spec, cutAt([at], bytes)), expected, `at ${at}`)
})

/** Characters of 1, 2, 3 and 4 bytes, bytes that are none, and one that is cut short. */
const characters = Buffer.concat([Buffer.from('aß€😀\n漢\r\n'), Buffer.of(0x80, 0xff, 0xe2, 0x82)])

/** The same in JSON, which has no control characters. */
const quoted = Buffer.concat([Buffer.of(0x22), characters.filter(byte => byte >= 0x20), Buffer.of(0x22)])

law('characters of 1 to 4 bytes, split at every pair of positions (A-08, A-09)', async (t, { spec, input }) => {
  const isJson = /^json\b/.test(spec)
  if (input !== text && !isJson && spec !== 'lf') return // it has nothing to do with characters
  const bytes = isJson ? quoted : characters
  const expected = await outcome(spec, [bytes])
  t.notMatch(expected, /^ERR/)
  for (let from = 0; from < bytes.length; from++) {
    for (let to = from; to < bytes.length; to++) {
      const result = await outcome(spec, cutAt([from, to], bytes))
      if (result !== expected) t.equal(result, expected, `at ${from} and ${to}`)
    }
  }
})

law('cut at random places (A-10)', async (t, { spec, input }) => {
  const property = fc.asyncProperty(cuts, fc.integer({ min: 1, max: 20_000 }), async (places, size) => {
    const bytes = input(size, size)
    t.equal(await outcome(spec, cutAt(places, bytes)), await outcome(spec, [bytes]))
  })
  await fc.assert(property, { numRuns: 15, seed: 1 })
})

law('any bytes, split at random positions, give the same output (A-10)', async (t, { spec }) => {
  const property = fc.asyncProperty(cuts, fc.uint8Array({ maxLength: 300 }), async (places, array) => {
    const bytes = Buffer.from(array)
    t.equal(await outcome(spec, cutAt(places, bytes)), await outcome(spec, [bytes]))
  })
  await fc.assert(property, { numRuns: 25, seed: 2 })
})
