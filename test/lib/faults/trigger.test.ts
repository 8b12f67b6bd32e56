import t, { type Test } from 'tap'
import {
  checkTrigger,
  openTrigger,
  type TriggerValues,
  triggerOptions,
  triggerText,
} from '../../../lib/faults/trigger.js'
import fc from '../../fast-check.js'
import { noise } from '../../laws/support.js'
import { cutAt, cutEvery, cuts } from '../pipes.js'

/** As `create` receives them. */
function values(given: Partial<TriggerValues>): TriggerValues {
  const none = Object.fromEntries(Object.keys(triggerOptions).map(key => [key, undefined]))
  return { ...(none as unknown as TriggerValues), ...given }
}

const isEven = (index: number) => index % 2 === 0
const text = 'BEGIN a COMMIT b COMMIT c COMMIT'

/** The places in chunks, as `offset:index`, and what was missing at the end. */
function scan(given: Partial<TriggerValues>, chunks: Iterable<Buffer>, needsByte = false) {
  const trigger = openTrigger(values(given), { needsByte, isChosen: isEven })
  const places: string[] = []
  for (const chunk of [Buffer.alloc(0), ...chunks])
    for (const { offset, index } of trigger.places(chunk)) places.push(`${offset}:${index}`)
  return { places: places.join(' '), missing: trigger.missing(), position: trigger.position() }
}

t.test('places, however the chunks are cut', async t => {
  for (const [given, input, places, atBytes] of [
    [{}, '', '0:0', ''],
    [{}, 'abc', '0:0', '0:0'],
    [{ after: 0 }, 'abc', '0:0', '0:0'],
    [{ after: 2 }, 'abc', '2:0', '2:0'],
    [{ after: 3 }, 'abc', '3:0', ''],
    [{ after: 4 }, 'abc', '', ''],
    [{ on: 'COMMIT' }, text, '14:0 23:1 32:2', '14:0 23:1'],
    [{ on: 'COMMIT', nth: 1 }, text, '14:0', '14:0'],
    [{ on: 'COMMIT', nth: 3 }, text, '32:2', ''],
    [{ on: 'COMMIT', nth: 4 }, text, '', ''],
    [{ on: 'COMMIT', after: 8 }, text, '14:0 23:1 32:2', '14:0 23:1'],
    [{ on: 'COMMIT', after: 9 }, text, '23:0 32:1', '23:0'],
    [{ on: 'COMMIT', after: 9, nth: 2 }, text, '32:1', ''],
    [{ on: 'COMMIT', probability: 0.5 }, text, '14:0 32:2', '14:0'],
    [{ on: 'COMMIT', probability: 0.5, after: 9 }, text, '23:0', '23:0'],
    [{ on: 'ROLLBACK' }, text, '', ''],
    [{ on: '\\x43\\0' }, 'C\0COC\0', '2:0 6:1', '2:0'],
    [{ on: 'aa' }, 'aaaaa', '2:0 4:1', '2:0 4:1'],
    [{ probability: 0.5, block: 10 }, '', '', ''],
    [{ probability: 0.5, block: 10 }, text, '0:0 20:2', '0:0 20:2'],
    [{ probability: 0.5, block: 1 }, 'abcd', '0:0 2:2', '0:0 2:2'],
    [{ probability: 0.5, block: 4 }, 'abcdefgh', '0:0', '0:0'],
    [{ probability: 0.5, block: 4 }, 'abcdefghi', '0:0 8:2', '0:0 8:2'],
    [{ probability: 0.5, block: 4, after: 1 }, 'abcdefghi', '8:2', '8:2'],
    [{ probability: 0.5, block: 4, after: 8 }, 'abcdefghi', '8:2', '8:2'],
    [{ probability: 0.5 }, 'a'.repeat(2049), '0:0 2048:2', '0:0 2048:2'],
  ] as const) {
    const bytes = Buffer.from(input)
    for (const [needsByte, expected] of [
      [false, places],
      [true, atBytes],
    ] as const) {
      const title = `${triggerText('x', values(given))} ${needsByte ? 'needs a byte' : ''}`
      t.equal(scan(given, [bytes], needsByte).places, expected, title)
      t.equal(scan(given, cutEvery(1, bytes), needsByte).places, expected, `${title}, by single bytes`)
      for (let at = 0; at <= bytes.length && at < 100; at++)
        if (scan(given, cutAt([at], bytes), needsByte).places !== expected) t.fail(`${title}, cut at ${at}`)
    }
  }
})

const option = (arbitrary: fc.Arbitrary<number>) => fc.option(arbitrary, { nil: undefined })

t.test('any bytes, any triggers, any cuts', async t => {
  const given = fc.record({
    on: fc.constantFrom(undefined, 'a', 'ab', '\\0', 'aba'),
    after: option(fc.nat(100)),
    probability: option(fc.constant(0.5)),
    nth: option(fc.integer({ min: 1, max: 9 })),
    block: option(fc.integer({ min: 1, max: 40 })),
  })
  const letters = fc.array(fc.constantFrom('a', 'b', '\0'), { maxLength: 200 })
  const property = fc.property(given, letters, cuts, fc.boolean(), (options, array, places, needsByte) => {
    const bytes = Buffer.from(array.join(''))
    t.same(scan(options, cutAt(places, bytes), needsByte), scan(options, [bytes], needsByte))
  })
  fc.assert(property, { numRuns: 500, seed: 1 })
})

/** A clock that stands still. */
function fakeClock(t: Test): { now: number } {
  const clock = { now: 1000 }
  const { now } = performance
  performance.now = () => clock.now
  t.teardown(() => {
    performance.now = now
  })
  return clock
}

t.test('a time is the first byte that comes so late, and no place for what needs no byte', async t => {
  const clock = fakeClock(t)
  const trigger = openTrigger(values({ at: 100 }), { needsByte: true, isChosen: isEven })
  const places = (bytes: string) => [...trigger.places(Buffer.from(bytes))]
  t.same(places('abc'), [])
  clock.now += 99
  t.same(places('d'), [])
  t.equal(trigger.missing(), 'no byte arrived after that time')
  clock.now += 1
  t.same(places(''), [])
  t.same(places('e'), [{ offset: 4, index: 0 }])
  t.same(places('f'), [])
  const points = openTrigger(values({ at: 0 }), { needsByte: false, isChosen: isEven })
  t.same([...points.places(Buffer.from('a'))], [])
  t.equal(points.missing(), 'the stream ended earlier')
})

t.test('why there was none', async t => {
  for (const [given, input, expected] of [
    [{}, '', 'no byte arrived'],
    [{ after: 9 }, '', 'no byte arrived'],
    [{ after: 9 }, 'a', 'only 1 byte arrived'],
    [{ after: 3 }, 'abc', 'only 3 bytes arrived'],
    [{ on: 'x' }, 'abc', 'not found'],
    [{ on: 'c' }, 'abc', 'no byte followed it'],
    [{ on: 'c', nth: 2 }, 'abc', '1 of 2 found'],
    [{ on: 'c', nth: 1 }, 'abc', 'no byte followed it'],
    [{ on: 'x', nth: 3 }, '', '0 of 3 found'],
  ] as const) {
    const { missing, places } = scan(given, [Buffer.from(input)], true)
    t.equal(places, '')
    t.equal(missing, expected, triggerText('x', values(given)))
  }
})

t.test('places are found when they are asked for, and the position is that of the chunk meanwhile', async t => {
  const trigger = openTrigger(values({ probability: 0.5, block: 5 }), { needsByte: false, isChosen: isEven })
  ;[...trigger.places(noise(10))]
  const places = trigger.places(noise(20))
  t.same(places.next().value, { offset: 10, index: 2 })
  t.equal(trigger.position(), 10)
  t.same(places.next().value, { offset: 20, index: 4 })
  t.ok(places.next().done)
  t.equal(trigger.position(), 30)
})

t.test('contradictions', async t => {
  for (const [given, expected] of [
    [{}, undefined],
    [{ after: 1, on: 'a', nth: 2, connection: 3, seed: 4 }, undefined],
    [{ after: 1, probability: 0, block: 2, seed: 3 }, undefined],
    [{ after: 1, probability: 1, on: 'a' }, undefined],
    [{ at: 1, connection: 1, seed: 1 }, undefined],
    [{ at: 1, after: 0 }, 'takes at= or after=, not both'],
    [{ at: 1, on: 'a' }, 'takes at= or on=, not both'],
    [{ at: 1, probability: 0 }, 'takes at= or probability=, not both'],
    [{ nth: 1 }, 'nth= needs on='],
    [{ nth: 1, on: 'a', probability: 0.5 }, 'takes nth= or probability=, not both'],
    [{ block: 1 }, 'block= needs probability= without on='],
    [{ block: 1, probability: 1, on: 'a' }, 'block= needs probability= without on='],
  ] as const)
    t.equal(checkTrigger(values(given)), expected, JSON.stringify(given))
  t.equal(checkTrigger(values({ block: 1, on: 'a' }), true), undefined, 'a block that is lost')
})

t.test('a fault in the words of who wrote it', async t => {
  for (const [given, expected] of [
    [{}, 'cut'],
    [{ on: 'COMMIT', nth: 3, seed: 42 }, 'cut on=COMMIT nth=3'],
    [{ after: 65_536, probability: 0.5, block: 7 }, 'cut after=64k'],
    [{ at: 1500, connection: 2 }, 'cut at=1500ms connection=2'],
    [{ on: "it's \\r\\n" }, "cut on='it'\\''s \\r\\n'"],
  ] as const)
    t.equal(triggerText('cut', values(given)), expected)
})
