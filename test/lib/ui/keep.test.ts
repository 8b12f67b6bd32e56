import t from 'tap'
import type { Way } from '../../../lib/stats/observer.js'
import { Keep, type Kept } from '../../../lib/ui/keep.js'
import fc from '../../fast-check.js'

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
  const keep = new Keep({ perConnection: 2000, total: 100_000 })
  const [one, other] = [keep.open(), keep.open()]
  other.mark(opened, 0)
  one.mark(opened, 0)
  const passed: string[] = []
  for (let i = 0; i < 500; i++) {
    passed.push(String(i).padStart(4, '0'))
    one.add('in', Buffer.from(passed.at(-1) as string), 0)
    if (one.bytes > 2000) t.fail(`${one.bytes} bytes`)
  }
  t.ok(one.bytes > 200, 'what they take besides their bytes counts')
  t.equal(one.dropped.marks, 1)
  t.same(texts(one), passed.slice(one.dropped.in / 4))
  t.equal(one.dropped.in + one.bytes, 2000)
  t.same(texts(other), ['opened'], 'others keep theirs')
})

t.test('in all, the oldest entries are dropped first, whichever connection has them', async t => {
  const size = 10_000
  const keep = new Keep({ perConnection: 1e6, total: 3.5 * size })
  const [one, two, three] = [keep.open(), keep.open(), keep.open()]
  const add = (kept: Kept, name: string) => kept.add('in', Buffer.alloc(size, name), 0)
  const names = (kept: Kept) => texts(kept).map(text => text[0])
  add(one, 'a')
  add(two, 'b')
  add(one, 'c')
  t.same([one, two, three].map(names), [['a', 'c'], ['b'], []])
  add(three, 'd')
  t.same([one, two, three].map(names), [['c'], ['b'], ['d']])
  add(three, 'e')
  t.same([one, two, three].map(names), [['c'], [], ['d', 'e']])
  t.same(
    [one, two, three].map(({ dropped }) => dropped.in / size),
    [1, 1, 0],
  )
  two.add('in', Buffer.from('f'), 0)
  t.same(two.after(0, 100).entries, [{ sequence: 2, time: 0, way: 'in', offset: size, bytes: Buffer.from('f') }])
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

t.test('a large chunk is kept as it is; a small one, or a part of a large block, is copied', async t => {
  const kept = new Keep({ perConnection: 1e6, total: 1e6 }).open()
  const block = Buffer.alloc(64 * 1024)
  const whole = Buffer.alloc(10_000)
  for (const chunk of [block.subarray(5, 105), block.subarray(5, 5005), whole]) kept.add('in', chunk, 0)
  const [small, part, large] = kept.ofWay('in') as [Buffer, Buffer, Buffer]
  t.same([small.length, part.length, large.length], [100, 5000, 10_000])
  for (const copy of [small, part]) t.not(copy.buffer, block.buffer)
  t.equal(large.buffer, whole.buffer)
})

t.test('marks are bounded, too, also where no bytes are kept', async t => {
  const kept = new Keep({ perConnection: 0, total: 1e6 }).open()
  for (let i = 0; i < 1000; i++) kept.mark({ mark: 'fault', text: String(i) }, i)
  const all = texts(kept).length
  t.ok(all >= 1 && all <= 128, `${all} marks`)
  t.equal(kept.dropped.marks, 1000 - all)
  kept.add('in', Buffer.from('abc'), 0)
  t.match(kept, { bytes: 0, dropped: { in: 3 } })
  t.equal(kept.last, 1000)
})

t.test('entries after a sequence number, in parts', async t => {
  const kept = new Keep({ perConnection: 1e6, total: 1e6 }).open()
  for (let i = 0; i < 5; i++) kept.add('in', Buffer.alloc(1000), i)
  t.same(sequences(kept, 3), [4, 5])
  t.same(sequences(kept, 5), [])
  t.same(sequences(kept, 0, 2500), [1, 2])
  t.equal(kept.after(0, 2500).more, true)
  t.equal(kept.after(3, 2500).more, false)
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
  t.ok(keep.used > 0)
  one.add('in', Buffer.from('d'), 0)
  t.same(texts(one), ['d'])
  one.clear()
  other.clear()
  t.equal(keep.used, 0)
})

t.test('law: what is kept is the end of what has passed, and its size never exceeds the limits', async t => {
  const way = fc.constantFrom<Way>('in', 'out')
  const step = fc.oneof(
    fc.record({ who: fc.nat(2), way, bytes: fc.uint8Array({ maxLength: 9000, size: 'max' }) }),
    fc.record({ who: fc.nat(2), text: fc.string({ maxLength: 400 }) }),
    fc.record({ who: fc.nat(2), clear: fc.constant(true) }),
  )
  const limits = fc.record({ perConnection: fc.nat(30_000), total: fc.nat(50_000) })
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
  const sizes = all.map(({ kept }) => kept.bytes)
  const sum = sizes.reduce((sum, size) => sum + size, 0)
  const isBound = sizes.every(size => size <= keep.limits.perConnection) && keep.used <= keep.limits.total
  return isBound && sum <= keep.used && (sum > 0 || keep.used < 3 * 64 * 700) && all.every(isEnd)
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
