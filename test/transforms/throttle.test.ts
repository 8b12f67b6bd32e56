import { once } from 'node:events'
import t, { type Test } from 'tap'
import { compose } from '../../lib/compose.js'
import { spec } from '../../transforms/spec.js'
import { throttle } from '../../transforms/throttle.js'
import { noise } from '../laws/support.js'
import { cutEvery, run } from '../lib/pipes.js'

/** A clock that moves only when something sleeps, and then by so many milliseconds more than it was told to. */
function fakeClock(t: Test, late: number): { now: number } {
  const clock = { now: 1000 }
  const { setTimeout } = globalThis
  const { now } = performance
  performance.now = () => clock.now
  globalThis.setTimeout = ((wake: () => void, milliseconds: number) =>
    setImmediate(() => {
      clock.now += milliseconds + late
      wake()
    })) as never
  t.teardown(() => {
    performance.now = now
    globalThis.setTimeout = setTimeout
  })
  return clock
}

interface Passed {
  time: number
  size: number
}

/** When how much came through. */
async function passed(
  options: Parameters<typeof throttle>[0],
  input: Buffer[],
  clock: { now: number },
): Promise<Passed[]> {
  const pieces: Passed[] = []
  const note = (piece: Buffer) => {
    pieces.push({ time: clock.now, size: piece.length })
    return piece
  }
  const { chunks } = await run([compose(throttle(options), note)], input)
  t.ok(Buffer.concat(chunks).equals(Buffer.concat(input)), 'the bytes are unchanged')
  return pieces
}

/** The most bytes in any stretch of time over what the rate allows in it. */
function excess(pieces: Passed[], rate: number): number {
  let passed = 0
  let least = Number.POSITIVE_INFINITY
  let most = 0
  for (const { time, size } of pieces) {
    least = Math.min(least, passed - (time * rate) / 1000)
    passed += size
    most = Math.max(most, passed - (time * rate) / 1000 - least)
  }
  return most
}

t.test('the rate, whatever the chunks and however late the system wakes us', async t => {
  for (const late of [0, 0.3, 8]) {
    const clock = fakeClock(t, late)
    for (const rate of [100, 8192, 1e5, 2 ** 20, 100 * 2 ** 20]) {
      for (const size of [1, 100, 1460, 65_536]) {
        const total = Math.min(rate * 3, size * 5000, 20 * 2 ** 20)
        const start = clock.now
        const pieces = await passed({ rate }, cutEvery(size, Buffer.alloc(total)), clock)
        const title = `${rate} bytes/s in chunks of ${size}, ${late} ms late`
        const expected = (total / rate) * 1000
        t.ok(clock.now - start > expected * 0.999, `${title}: not too fast`)
        t.ok(clock.now - start < expected * 1.05 + late + 1, `${title}: not too slow`)
        t.ok(excess(pieces, rate) < rate / 10 + 1, `${title}: no more than a burst at once`)
      }
    }
  }
})

t.test('it is smooth: a piece every 10 ms', async t => {
  const pieces = await passed({ rate: 10_000 }, [noise(2000)], fakeClock(t, 0))
  t.equal(pieces.length, 20)
  t.ok(pieces.every(({ size }) => size === 100))
})

t.test('after a pause one burst, then the rate', async t => {
  for (const [options, most] of [
    [{ rate: 1000 }, 100],
    [{ rate: 1000, burst: 700 }, 700],
    [{ rate: 1000, burst: 1 }, 1],
    [{ rate: 3 }, 1],
  ] as const) {
    const clock = fakeClock(t, 0)
    const pause = function* () {
      yield noise(5)
      clock.now += 60_000
      yield noise(1000)
    }
    const pieces = await passed(options, [...pause()], clock)
    t.ok(excess(pieces, options.rate) <= most + 0.001, JSON.stringify(options))
    t.ok(pieces.every(({ size }) => size <= most))
  }
})

t.test('in real time', async t => {
  const start = performance.now()
  await run([throttle({ rate: 100_000 })], [noise(20_000)])
  t.ok(performance.now() - start >= 199)
})

t.test('destroyed, it leaves no timer', async t => {
  const timers = () => process.getActiveResourcesInfo().filter(name => name === 'Timeout').length
  const before = timers()
  const stage = throttle({ rate: 1 })
  stage.on('data', () => {})
  stage.write(noise(100))
  t.equal(timers(), before + 1)
  stage.destroy()
  await once(stage, 'close')
  t.equal(timers(), before)
})

t.test('the rate is asked for', async t => {
  t.throws(() => spec('throttle'), { code: 'ERR_SPEC', message: /throttle needs rate/ })
  t.throws(() => spec('throttle 0'), { code: 'ERR_SPEC', message: /at least 1/ })
  t.doesNotThrow(() => spec('throttle 64k burst=1k'))
})
