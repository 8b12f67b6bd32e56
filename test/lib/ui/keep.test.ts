import fc from 'fast-check'
import t from 'tap'
import type { Way } from '../../../lib/stats/observer.js'
import { Keep, type Kept } from '../../../lib/ui/keep.js'

/** What an entry takes besides its bytes. */
const entry = 320

const opened = { mark: 'opened', text: '' } as const

function sequences(kept: Kept, after = 0, most = Number.POSITIVE_INFINITY): number[] {
  return kept.after(after, most).entries.map(({ sequence }) => sequence)
}

function texts(kept: Kept): string[] {
  return kept.after(0, Number.POSITIVE_INFINITY).entries.map(each => ('bytes' in each ? `${each.bytes}` : each.mark))
}

t.test('bytes and marks in their order, with their offsets', async t => {
  const kept = new Keep({ perConnection: 10_000, total: 10_000 }).open()
  kept.mark(opened, 1)
  kept.add('in', Buffer.from('abc'), 2)
  kept.add('out', Buffer.from('de'), 3)
  kept.add('in', Buffer.from('f'), 4)
  kept.mark({ mark: 'fault', text: 'delay', way: 'out', offset: 2 }, 5)
  t.same(kept.after(0, 10_000), {
    more: false,
    entries: [
      { sequence: 1, time: 1, mark: 'opened', text: '' },
      { sequence: 2, time: 2, way: 'in', offset: 0, bytes: Buffer.from('abc') },
      { sequence: 3, time: 3, way: 'out', offset: 0, bytes: Buffer.from('de') },
      { sequence: 4, time: 4, way: 'in', offset: 3, bytes: Buffer.from('f') },
      { sequence: 5, time: 5, mark: 'fault', text: 'delay', way: 'out', offset: 2 },
    ],
  })
  t.equal(kept.last, 5)
  t.equal(kept.bytes, 6)
  t.same(kept.dropped, { in: 0, out: 0, marks: 0 })
  t.equal(String(Buffer.concat(kept.ofWay('in'))), 'abcf')
  t.equal(String(Buffer.concat(kept.ofWay('out'))), 'de')
})

t.test('of each connection the oldest entries are dropped first', async t => {
  const keep = new Keep({ perConnection: 2 * entry + 20, total: 100_000 })
  const [one, other] = [keep.open(), keep.open()]
  other.mark(opened, 0)
  one.mark(opened, 0)
  for (const text of ['0123456789', 'abcdefghij', 'ABCDEFGHIJ']) one.add('in', Buffer.from(text), 0)
  t.same(texts(one), ['0123456789', 'abcdefghij', 'ABCDEFGHIJ'].slice(one.dropped.in / 10))
  one.add('out', Buffer.from('last'), 0)
  t.ok(one.dropped.in > 0)
  t.equal(one.dropped.marks, 1)
  t.equal(one.dropped.in + one.dropped.out + one.bytes, 34)
  t.same(texts(other), ['opened'], 'others keep theirs')
})

t.test('in all, the oldest entry is dropped first, whichever connection has it', async t => {
  const keep = new Keep({ perConnection: 10_000, total: 3 * (entry + 1) })
  const [one, two, three] = [keep.open(), keep.open(), keep.open()]
  one.add('in', Buffer.from('a'), 0)
  two.add('in', Buffer.from('b'), 0)
  one.add('in', Buffer.from('c'), 0)
  t.equal(keep.used, 3 * (entry + 1))
  three.add('in', Buffer.from('d'), 0)
  t.same([one, two, three].map(texts), [['c'], ['b'], ['d']])
  three.add('in', Buffer.from('e'), 0)
  t.same([one, two, three].map(texts), [['c'], [], ['d', 'e']])
  t.same(
    [one, two, three].map(({ dropped }) => dropped.in),
    [1, 1, 0],
  )
  two.add('in', Buffer.from('f'), 0)
  t.same(two.after(0, 100).entries, [{ sequence: 2, time: 0, way: 'in', offset: 1, bytes: Buffer.from('f') }])
})

t.test('of a chunk that is larger than the limit its end is kept', async t => {
  const kept = new Keep({ perConnection: 4, total: 100_000 }).open()
  kept.add('in', Buffer.from('0123456789'), 0)
  t.match(kept.after(0, 100).entries, [{ offset: 6, bytes: Buffer.from('6789') }])
  t.same(kept.dropped, { in: 6, out: 0, marks: 0 })
  t.equal(kept.bytes, 4)
  kept.add('in', Buffer.from('ab'), 0)
  t.match(kept.after(0, 100).entries, [{ sequence: 2, offset: 10, bytes: Buffer.from('ab') }])
})

t.test('a limit of nothing keeps nothing', async t => {
  const keep = new Keep({ perConnection: 100, total: 0 })
  const kept = keep.open()
  kept.add('out', Buffer.from('abc'), 0)
  kept.mark(opened, 0)
  t.same(kept.after(0, 100), { entries: [], more: false })
  t.same(kept.dropped, { in: 0, out: 3, marks: 1 })
  t.equal(keep.used, 0)
})

t.test('a small part of a large block is copied, other chunks are not', async t => {
  const kept = new Keep({ perConnection: 1e6, total: 1e6 }).open()
  const block = Buffer.alloc(64 * 1024)
  const whole = Buffer.alloc(10_000)
  kept.add('in', block.subarray(5, 105), 0)
  kept.add('in', whole, 0)
  const [small, large] = kept.ofWay('in') as [Buffer, Buffer]
  t.equal(small.length, 100)
  t.not(small.buffer, block.buffer)
  t.equal(large.buffer, whole.buffer)
})

t.test('entries after a sequence number, in parts', async t => {
  const kept = new Keep({ perConnection: 1e6, total: 1e6 }).open()
  for (let i = 0; i < 5; i++) kept.add('in', Buffer.alloc(1000), i)
  t.same(sequences(kept, 3), [4, 5])
  t.same(sequences(kept, 5), [])
  t.same(sequences(kept, 0, 2 * (1000 + entry)), [1, 2])
  t.equal(kept.after(0, 2 * (1000 + entry)).more, true)
  t.equal(kept.after(3, 2 * (1000 + entry)).more, false)
  t.same(sequences(kept, 0, 1), [1], 'at least one, however large it is')
})

t.test('all of a connection is dropped', async t => {
  const keep = new Keep({ perConnection: 1e6, total: 1e6 })
  const [one, other] = [keep.open(), keep.open()]
  for (const kept of [one, other, one, other]) kept.add('in', Buffer.from('abc'), 0)
  one.clear()
  t.same(texts(one), [])
  t.equal(one.bytes, 0)
  t.equal(one.dropped.in, 6)
  t.equal(keep.used, 2 * (entry + 3))
  one.add('in', Buffer.from('d'), 0)
  t.same(texts(one), ['d'])
  one.clear()
  other.clear()
  t.equal(keep.used, 0)
})

t.test('law: what is kept is the end of what has passed, and its size never exceeds the limits', async t => {
  const way = fc.constantFrom<Way>('in', 'out')
  const step = fc.oneof(
    fc.record({ who: fc.nat(2), way, bytes: fc.uint8Array({ maxLength: 900 }) }),
    fc.record({ who: fc.nat(2), text: fc.string({ maxLength: 400 }) }),
    fc.record({ who: fc.nat(2), clear: fc.constant(true) }),
  )
  const limits = fc.record({ perConnection: fc.nat(3000), total: fc.nat(5000) })
  const holds = fc.property(limits, fc.array(step, { maxLength: 60 }), (limits, steps) => {
    const keep = new Keep(limits)
    const all = [0, 1, 2].map(() => ({ kept: keep.open(), passed: { in: [] as number[], out: [] as number[] } }))
    for (const step of steps) {
      const { kept, passed } = all[step.who] as (typeof all)[number]
      if ('way' in step) {
        kept.add(step.way, Buffer.from(step.bytes), 0)
        passed[step.way].push(...step.bytes)
      } else if ('text' in step) kept.mark({ mark: 'fault', text: step.text }, 0)
      else kept.clear()
      if (!isRight(keep, all)) return false
    }
    return true
  })
  fc.assert(holds)
  t.pass()
})

type Connection = { kept: Kept; passed: Record<Way, number[]> }

function isRight(keep: Keep, all: readonly Connection[]): boolean {
  const entries = all.flatMap(({ kept }) => kept.after(0, Number.POSITIVE_INFINITY).entries)
  const sizes = entries.map(each => entry + ('bytes' in each ? each.bytes : each.text).length)
  const sum = sizes.reduce((sum, size) => sum + size, 0)
  return keep.used === sum && sum <= keep.limits.total && all.every(isEnd)
}

function isEnd({ kept, passed }: Connection): boolean {
  const { entries } = kept.after(0, Number.POSITIVE_INFINITY)
  const ways = (['in', 'out'] as const).map(way => {
    const bytes = Buffer.concat(kept.ofWay(way))
    const chunks = entries.flatMap(each => ('bytes' in each && each.way === way ? [each] : []))
    const offsets = chunks.map(
      ({ offset, bytes }, i) => offset + bytes.length === (chunks[i + 1]?.offset ?? passed[way].length),
    )
    const rest = passed[way].slice(kept.dropped[way])
    return bytes.equals(Buffer.from(rest)) && offsets.every(Boolean) && bytes.length
  })
  return ways.every(length => length !== false) && kept.bytes === Number(ways[0]) + Number(ways[1])
}
