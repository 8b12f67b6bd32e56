import fc from 'fast-check'
import t from 'tap'
import { Window } from '../../../../lib/endpoints/session/window.js'
import { noise } from '../../../laws/support.js'
import { memoryInUse } from '../../pipes.js'

const text = (window: Window, from = window.start, to = window.end) => Buffer.concat(window.slice(from, to))

t.test('bytes are kept in order, until they are released', async t => {
  const window = new Window()
  t.same([window.start, window.end, window.length, text(window)], [0, 0, 0, Buffer.alloc(0)])
  const bytes = noise(50_000)
  for (const [from, to] of [
    [0, 1],
    [1, 10],
    [10, 5000],
    [5000, 5001],
    [5001, 20_000],
    [20_000, 20_000],
    [20_000, 24_000],
    [24_000, 50_000],
  ])
    window.append(bytes.subarray(from, to))
  t.same([window.start, window.end, window.length], [0, 50_000, 50_000])
  t.same(text(window), bytes)
  t.same(text(window, 4999, 5002), bytes.subarray(4999, 5002))
  window.release(5001)
  t.same([window.start, window.length], [5001, 44_999])
  t.same(text(window), bytes.subarray(5001))
  window.release(10)
  t.equal(window.start, 5001, 'never back')
  window.release(23_000)
  t.same(text(window), bytes.subarray(23_000), 'in the middle of a chunk')
  window.release(50_000)
  t.same([window.length, window.slice(50_000, 50_000)], [0, []])
  window.append(bytes.subarray(0, 3))
  t.same(text(window), bytes.subarray(0, 3))
  window.moveTo(7)
  t.same([window.start, window.end, window.slice(7, 7)], [7, 7, []])
  window.append(bytes.subarray(7, 9))
  t.same(text(window, 8, 9), bytes.subarray(8, 9))
})

t.test('what is returned does not change when more is appended, or memory of the caller changes', async t => {
  const window = new Window()
  const chunk = Buffer.from('abc')
  window.append(chunk)
  const [part] = window.slice(0, 3)
  chunk.fill('x')
  window.append(Buffer.from('def'))
  window.release(3)
  window.append(Buffer.alloc(20_000, 'y'))
  t.equal(String(part), 'abc')
})

t.test('any appends, releases and slices', async () => {
  const step = fc.oneof(
    fc.record({ size: fc.oneof(fc.nat(20), fc.integer({ min: 4000, max: 4200 }), fc.nat(40_000)) }),
    fc.record({ release: fc.double({ min: 0, max: 1, noNaN: true }) }),
    fc.record({
      from: fc.double({ min: 0, max: 1, noNaN: true }),
      to: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
  )
  const bytes = noise(2_000_000)
  fc.assert(
    fc.property(fc.array(step, { maxLength: 50 }), steps => {
      const window = new Window()
      for (const each of steps) {
        if ('size' in each) window.append(bytes.subarray(window.end, window.end + each.size))
        else if ('release' in each) window.release(window.start + Math.floor(window.length * each.release))
        else {
          const from = window.start + Math.floor(window.length * each.from)
          const to = from + Math.floor((window.end - from) * each.to)
          if (!text(window, from, to).equals(bytes.subarray(from, to))) throw new Error(`${from} to ${to}`)
        }
      }
      if (!text(window).equals(bytes.subarray(window.start, window.end))) throw new Error('everything')
    }),
    { seed: 16, numRuns: 200 },
  )
})

/** Memory of buffers is given back a moment after they are collected. */
async function leftMemory(): Promise<number> {
  for (let i = 0; i < 5; i++) {
    memoryInUse()
    await new Promise(resolve => setTimeout(resolve, 10))
  }
  return memoryInUse()
}

t.test('memory is in proportion to the bytes', async t => {
  for (const [title, count, sizes] of [
    ['250,000 appends of one byte', 250_000, [1]],
    ['one byte between large chunks', 1000, [1, 4096]],
    ['chunks of which five fill a block, nearly', 1000, [3000]],
  ] as const) {
    const window = new Window()
    const before = await leftMemory()
    for (let i = 0; i < count; i++) for (const size of sizes) window.append(Buffer.alloc(size))
    const used = (await leftMemory()) - before
    t.ok(used < 1.3 * window.length + 300_000, `${title}: ${used} bytes for ${window.length}`)
    window.release(window.end - 1)
    const kept = (await leftMemory()) - before
    t.ok(kept < 300_000, `${title}: ${kept} bytes for one`)
    t.equal(window.length, 1)
  }
})
