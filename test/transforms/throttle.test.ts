import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import t, { type Test } from 'tap'
import { compose } from '../../lib/stages/compose.js'
import { toParts } from '../../lib/stages/parts.js'
import { plan } from '../../lib/stages/plan.js'
import { spec } from '../../transforms/spec.js'
import { throttle } from '../../transforms/throttle.js'
import { noise } from '../laws/support.js'
import { type Arrival, type Clock, excess, fakeClock } from '../lib/clock.js'
import { checkCuts, faulty } from '../lib/faults.js'
import { cutEvery, run } from '../lib/pipes.js'
import { leavesNoTimer, letsGo } from './holding.js'

type Options = Parameters<typeof throttle>[0]

const letters = 'abcdefghijklmnopqrstuvwxyz'

/** When how much came through. */
async function passed(t: Test, options: Options, input: Buffer[], clock: Clock): Promise<Arrival[]> {
  const pieces: Arrival[] = []
  const note = (piece: Buffer) => {
    pieces.push({ time: clock.now, size: piece.length })
    return piece
  }
  const { chunks } = await run([compose(throttle(options), note)], input)
  t.ok(Buffer.concat(chunks).equals(Buffer.concat(input)), 'the bytes are unchanged')
  return pieces
}

t.test('the rate, whatever the chunks and however late the system wakes us', async t => {
  for (const late of [0, 0.3, 8]) {
    const clock = fakeClock(t, late)
    for (const rate of [100, 8192, 1e5, 2 ** 20, 100 * 2 ** 20]) {
      for (const size of [1, 100, 1460, 65_536]) {
        const total = Math.min(rate * 3, size * 5000, 20 * 2 ** 20)
        const start = clock.now
        const pieces = await passed(t, { rate }, cutEvery(size, Buffer.alloc(total)), clock)
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
  const pieces = await passed(t, { rate: 10_000 }, [noise(2000)], fakeClock(t, 0))
  t.equal(pieces.length, 20)
  t.ok(pieces.every(({ size }) => size === 100))
})

t.test('a burst of a few milliseconds keeps the rate, too, although the system wakes us late', async t => {
  for (const [milliseconds, late] of [
    [3, 1],
    [5, 2],
    [12, 4],
  ] as const) {
    const clock = fakeClock(t, late)
    for (const rate of [1e5, 2 ** 20, 100 * 2 ** 20]) {
      const burst = Math.ceil((rate / 1000) * milliseconds)
      const start = clock.now
      const pieces = await passed(t, { rate, burst }, cutEvery(65_536, Buffer.alloc(rate / 4)), clock)
      const title = `${rate} bytes/s with a burst of ${milliseconds} ms, ${late} ms late`
      t.ok(clock.now - start < 250 * 1.05, `${title}: not too slow`)
      t.ok(excess(pieces, rate) < burst + 1, `${title}: no more than a burst at once`)
    }
  }
})

t.test('after a pause one burst at once, then the rate', async t => {
  for (const [options, burst] of [
    [{ rate: 1000 }, 100],
    [{ rate: 1000, burst: 700 }, 700],
    [{ rate: 1000, burst: 1 }, 1],
    [{ rate: 3 }, 1],
    [{ rate: 70_001, burst: 9 }, 9],
  ] as const) {
    const clock = fakeClock(t)
    const stage = compose(throttle(options))
    const pieces: Arrival[] = []
    stage.on('data', piece => pieces.push({ time: clock.now, size: piece.length }))
    for (let pause = 60_000; pause < 60_010; pause += 0.3) {
      clock.now += pause
      const resumed = clock.now
      await new Promise(resolve => stage.write(noise(burst + 10), resolve))
      const atOnce = pieces.filter(({ time }) => time === resumed).reduce((sum, { size }) => sum + size, 0)
      if (pause > 60_000) t.equal(atOnce, burst, `${JSON.stringify(options)} after ${pause} ms`)
    }
    t.ok(excess(pieces, options.rate) <= burst + 0.001, JSON.stringify(options))
    stage.destroy()
  }
})

t.test('in real time', async t => {
  const start = performance.now()
  await run([throttle({ rate: 100_000 })], [noise(20_000)])
  t.ok(performance.now() - start >= 199)
})

t.test('destroyed, it leaves no timer', t => leavesNoTimer(t, () => throttle({ rate: 1 })))

t.test('the rate is asked for', async t => {
  t.throws(() => spec('throttle'), { code: 'ERR_SPEC', message: /throttle needs rate/ })
  t.throws(() => spec('throttle 0'), { code: 'ERR_SPEC', message: /at least 1/ })
  t.doesNotThrow(() => spec('throttle 64k burst=1k'))
})

t.test('it lets go of everything when other stages take its place', t =>
  letsGo(t, throttle({ rate: 1000, burst: 100 })),
)

t.test('replaced before its first byte it holds nothing back either', async t => {
  const { streams, replace } = plan([throttle({ rate: 1000, burst: 100 })].flatMap(toParts))
  const [stage] = streams as [Duplex]
  const chunks: Buffer[] = []
  stage.on('data', chunk => chunks.push(chunk))
  replace()
  stage.end(Buffer.alloc(50_000))
  await once(stage, 'end')
  t.equal(Buffer.concat(chunks).length, 50_000)
})

t.test('what is before a place passes at once, and from there on it is the rate', async t => {
  for (const [options, before] of [
    [{ after: 30_000 }, 30_000],
    [{ on: 'END' }, 40_003],
    [{ connection: 1 }, 0],
    [{ probability: 1, block: 7000, after: 1 }, 7000],
  ] as const) {
    for (const size of [999, 1000, 100_000]) {
      const input = Buffer.alloc(50_000)
      input.write('END', 40_000)
      const clock = fakeClock(t)
      const start = clock.now
      const pieces = await passed(t, { rate: 10_000, ...options }, cutEvery(size, input), clock)
      const title = `${JSON.stringify(options)} by ${size}`
      const atOnce = pieces.filter(({ time }) => time === start).reduce((sum, piece) => sum + piece.size, 0)
      t.equal(atOnce, before, title)
      const expected = (50_000 - before) / 10
      t.ok(clock.now - start > expected * 0.999 && clock.now - start < expected * 1.05 + 1, `${title}: the rate`)
    }
  }
})

t.test('after a pause before the place there is no burst', async t => {
  const clock = fakeClock(t)
  const stage = compose(throttle({ rate: 1000, burst: 500, after: 10 }))
  const pieces: Arrival[] = []
  stage.on('data', piece => pieces.push({ time: clock.now, size: piece.length }))
  await new Promise(resolve => stage.write(noise(5), resolve))
  clock.now += 60_000
  await new Promise(resolve => stage.write(noise(105), resolve))
  t.same(pieces.slice(0, 2), [
    { time: 1000, size: 5 },
    { time: 61_000, size: 5 },
  ])
  t.ok(clock.now >= 61_100)
  stage.destroy()
})

t.test('any cuts', t => checkCuts(t, 'throttle 100m'))

t.test('elsewhere everything passes as it is, and one that never comes is a warning', async t => {
  for (const [options, warnings] of [
    ['connection=2', []],
    ['after=26', ['reply: throttle after=26 never fired: only 26 bytes arrived']],
    ['on=c nth=2', ['reply: throttle on=c nth=2 never fired: 1 of 2 found']],
    ['probability=0', []],
  ] as const) {
    const ran = await faulty(`throttle 1 ${options}`, letters)
    t.same(ran, { data: Buffer.from(letters), text: letters, error: undefined, offsets: [], warnings }, options)
  }
})

t.test('what is refused', async t => {
  t.throws(() => spec('throttle 5k nth=1'), { code: 'ERR_SPEC', message: /throttle nth= needs on=/ })
  t.throws(() => spec('throttle 5k at=1s after=3'), { message: /throttle takes at= or after=, not both/ })
  t.doesNotThrow(() => spec("throttle 5k on='\\r\\n\\r\\n' nth=2 connection=3"))
})
