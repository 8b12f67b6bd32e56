import { once, setMaxListeners } from 'node:events'
import { Readable } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { delayLine } from '../../../lib/faults/delay-line.js'
import { isBusy } from '../../../lib/formats/delivery.js'
import fc from '../../fast-check.js'
import { noise } from '../../laws/support.js'
import { cutAt, cutEvery, cuts, memoryInUse, settled } from '../pipes.js'

const { signal: release } = new AbortController() // never aborted
setMaxListeners(0, release)

/** A clock that stands still. Timers run when it is told, whatever time they were set to. */
function fakeClock(t: Test) {
  const { setTimeout, clearTimeout } = globalThis
  const { now } = performance
  t.teardown(() => {
    Object.assign(globalThis, { setTimeout, clearTimeout })
    performance.now = now
  })
  const timers = new Map<object, { run(): void; milliseconds: number }>()
  const clock = {
    now: 1000,
    timers,
    /** Sets the time and runs the timers. */
    async at(time: number): Promise<void> {
      clock.now = time
      const due = [...timers.values()]
      timers.clear()
      for (const { run } of due) run()
      await setImmediate()
    },
  }
  performance.now = () => clock.now
  globalThis.setTimeout = ((run: () => void, milliseconds: number) => {
    const timer = {}
    timers.set(timer, { run, milliseconds })
    return timer
  }) as never
  globalThis.clearTimeout = ((timer: object) => timers.delete(timer)) as never
  return clock
}

/** A line whose chunks are held for so many milliseconds each, and what has left it. */
function lineOf(delays: number[], max = 1000) {
  const line = delayLine({ max, delay: () => delays.shift() as number, release })
  const seen: string[] = []
  line.on('data', chunk => seen.push(String(chunk)))
  line.on('end', () => seen.push('end'))
  const write = (text: string) => {
    line.write(text)
    return setImmediate()
  }
  return { line, seen, write }
}

t.test('what comes leaves when it is due, not before, although a timer is early, and so does the end', async t => {
  const clock = fakeClock(t)
  const { line, seen, write } = lineOf([10, 10, 10])
  clock.now = 1000.2
  await write('a')
  clock.now = 1005
  await write('b')
  for (const [time, expected] of [
    [1010, ''],
    [1010.9, ''],
    [1011, 'a'],
    [1014.5, 'a'],
    [1015, 'a,b'],
  ] as const) {
    await clock.at(time)
    t.equal(seen.join(), expected, `at ${time}`)
  }
  line.end()
  for (const [time, expected] of [
    [1024, 'a,b'],
    [1025, 'a,b,end'],
  ] as const) {
    await clock.at(time)
    t.equal(seen.join(), expected, `at ${time}`)
  }
})

t.test('the order stays, and what is due goes at once', async t => {
  const clock = fakeClock(t)
  const { line, seen, write } = lineOf([10, 2, 0, 15, 1])
  for (const text of ['a', 'b', 'c', 'd']) await write(text)
  line.end()
  await clock.at(1009)
  t.equal(seen.join(), '')
  await clock.at(1010)
  t.equal(seen.join(), 'abc')
  await clock.at(1015)
  t.equal(seen.join(), 'abc,d,end')
})

t.test('there is one timer, for what is next, and none without a reader', async t => {
  const clock = fakeClock(t)
  const { line, write } = lineOf([10, 20, 30, 40])
  for (const text of ['a', 'b', 'c']) await write(text)
  t.same(
    [...clock.timers.values()].map(timer => timer.milliseconds),
    [10],
  )
  await clock.at(1010)
  t.same(
    [...clock.timers.values()].map(timer => timer.milliseconds),
    [10],
  )
  line.pause()
  await clock.at(1020)
  await clock.at(1050)
  t.equal(clock.timers.size, 0)
  line.resume()
  line.destroy()
  await once(line, 'close')
  t.equal(clock.timers.size, 0)
})

t.test('destroyed, it leaves no timer', async t => {
  const clock = fakeClock(t)
  const { line, write } = lineOf([10])
  await write('a')
  t.equal(clock.timers.size, 1)
  line.destroy()
  await once(line, 'close')
  t.equal(clock.timers.size, 0)
})

t.test('without a delay everything leaves at once, without a timer', async t => {
  const clock = fakeClock(t)
  const { line, seen, write } = lineOf([0, 0, 0])
  await write('a')
  t.equal(seen.join(), 'a')
  await write('b')
  line.end()
  await setImmediate()
  t.equal(seen.join(), 'a,b,end')
  t.equal(clock.timers.size, 0)
})

t.test('when max is held the writer waits, until some of it has left', async t => {
  const clock = fakeClock(t)
  const { line, seen } = lineOf([10, 20, 30, 40], 4)
  const taken: string[] = []
  for (const text of ['ab', 'cd', 'ef', 'gh']) line.write(text, () => taken.push(text))
  await setImmediate()
  t.equal(taken.join(), 'ab')
  await clock.at(1010)
  t.equal(seen.join(), 'ab')
  t.equal(taken.join(), 'ab,cd', 'the third has been taken in, and fills it')
  for (const time of [1030, 1060, 1090]) await clock.at(time)
  t.equal(seen.join(''), 'abcdefgh')
  t.equal(taken.length, 4)
})

t.test('a reader that does not read: max is taken in, and not much more', async t => {
  for (const [max, size] of [
    [1_000_000, 1000],
    [1_000_000, 65_536],
    [1000, 100],
    [1, 1],
  ] as const) {
    const line = delayLine({ max, delay: () => 0, release })
    const input = noise(Math.min(3_000_000, 100_000 * size))
    let taken = 0
    const chunks = function* () {
      for (const chunk of cutEvery(size, input)) {
        taken += chunk.length
        yield chunk
      }
    }
    Readable.from(chunks(), { objectMode: false, highWaterMark: 1 }).pipe(line)
    await settled(() => taken)
    t.ok(taken >= max, `${taken} of ${max} by ${size}`)
    t.ok(taken <= max + 3 * 65_536 + 3 * size, `${taken} of ${max} by ${size}`)
    t.ok(Buffer.concat(await line.toArray()).equals(input))
  }
})

t.test('single bytes take no more memory than a small multiple of their number', async t => {
  const line = delayLine({ max: 2 ** 20, delay: () => 0, release })
  const before = memoryInUse()
  for (let i = 0; i < 2 ** 20; i++) {
    line.write(Buffer.of(i))
    if (line.writableNeedDrain) await setImmediate()
  }
  const taken = memoryInUse() - before
  t.ok(taken < 48 * 2 ** 20, `${taken} bytes`)
  line.end()
  const blocks = await line.toArray()
  t.ok(blocks.length < 40, `${blocks.length} blocks`)
  t.ok(Buffer.concat(blocks).equals(Buffer.from(Array.from({ length: 2 ** 20 }, (_, i) => i & 0xff))))
})

t.test('chunks may be changed once they are taken', async t => {
  const line = delayLine({ max: 100, delay: () => 0, release })
  const chunk = Buffer.from('abc')
  await new Promise(resolve => line.write(chunk, resolve))
  chunk.fill('x')
  line.end()
  t.equal(String(Buffer.concat(await line.toArray())), 'abc')
})

t.test('whatever the chunks and the delays, the bytes are the same', async t => {
  const property = fc.asyncProperty(
    fc.uint8Array({ maxLength: 500 }),
    cuts,
    fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 20, maxLength: 20 }),
    fc.integer({ min: 1, max: 600 }),
    async (array, places, delays, max) => {
      const line = delayLine({ max, delay: () => delays.shift() as number, release })
      Readable.from(cutAt(places, Buffer.from(array)), { objectMode: false }).pipe(line)
      t.ok(Buffer.concat(await line.toArray()).equals(array))
    },
  )
  await fc.assert(property, { numRuns: 50, seed: 6 })
})

t.test('what is held goes on at once when it is released, and so does what comes then', async t => {
  const controller = new AbortController()
  const line = delayLine({ max: 2 ** 20, delay: () => 60_000, release: controller.signal })
  const chunks: Buffer[] = []
  line.on('data', chunk => chunks.push(chunk))
  line.write('held ')
  await setImmediate()
  t.equal(chunks.length, 0)
  controller.abort()
  line.end('and more')
  await once(line, 'end')
  t.equal(String(Buffer.concat(chunks)), 'held and more')
})

t.test('what is before the start has no delay, nor has the end if it never comes', async t => {
  for (const [input, expected] of [
    [['ab', 'cd'], 'abc|d.'],
    [['abc', 'd'], 'abc|d.'],
    [['ab', '', 'c'], 'abc.|'],
    [[], '.|'],
  ] as const) {
    const clock = fakeClock(t)
    let left = 3
    const ends: string[] = []
    const split = (chunk: Buffer): [Buffer, Buffer] => {
      const before = chunk.subarray(0, left)
      left -= before.length
      return [before, chunk.subarray(before.length)]
    }
    const line = delayLine({ max: 100, delay: () => 10, release, start: { split, over: () => ends.push('over') } })
    const seen: string[] = []
    line.on('data', chunk => seen.push(String(chunk)))
    line.on('end', () => seen.push('.'))
    for (const text of input) line.write(text)
    line.end()
    await setImmediate()
    const [atOnce, late] = expected.split('|')
    t.equal(seen.join(''), atOnce, 'at once')
    await clock.at(1010)
    t.equal(seen.join(''), `${atOnce}${late}`)
    t.ok(ends.length > 0, 'it is told when all is over')
  }
})

t.test('what it holds is known (G-10)', async t => {
  const line = delayLine({ max: 100, delay: () => 1, release })
  t.notOk(isBusy(line))
  await new Promise(resolve => line.write('x', resolve))
  t.ok(isBusy(line))
  await once(line.resume(), 'data')
  t.notOk(isBusy(line))
  line.destroy()
})
