import { once } from 'node:events'
import { setImmediate } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { compose } from '../../lib/compose.js'
import { delay } from '../../transforms/delay.js'
import { spec } from '../../transforms/spec.js'
import { noise } from '../laws/support.js'
import { cutEvery, run } from '../lib/pipes.js'

/** A clock that moves only when something sleeps, to the time when it is to wake. */
function fakeClock(t: Test): { now: number } {
  const clock = { now: 1000 }
  const { setTimeout } = globalThis
  const { now } = performance
  performance.now = () => clock.now
  globalThis.setTimeout = ((wake: () => void, milliseconds: number) => {
    const due = clock.now + milliseconds
    return globalThis.setImmediate(() => {
      clock.now = Math.max(clock.now, due)
      wake()
    })
  }) as never
  t.teardown(() => {
    performance.now = now
    globalThis.setTimeout = setTimeout
  })
  return clock
}

type Options = Parameters<typeof delay>[0]

/** How long each chunk was on its way, one at a time, and the end. */
async function latencies(t: Test, options: Options, chunks: Buffer[]): Promise<number[]> {
  const clock = fakeClock(t)
  const stage = compose(delay(options))
  const measured: number[] = []
  const arrival = async (event: string, send: () => unknown) => {
    const start = clock.now
    const arrived = once(stage, event)
    send()
    const [chunk] = await arrived
    measured.push(clock.now - start)
    return chunk
  }
  stage.on('data', () => {})
  for (const chunk of chunks) t.ok((await arrival('data', () => stage.write(chunk))).equals(chunk))
  await arrival('end', () => stage.end())
  return measured
}

t.test('each chunk and the end, whatever their size', async t => {
  for (const latency of [0, 1, 10, 250, 1000]) {
    const measured = await latencies(
      t,
      { latency },
      [1, 1460, 65_536, 1_000_000].map(size => noise(size)),
    )
    t.same(measured, Array(5).fill(latency), `${latency} ms`)
  }
})

t.test('jitter', async t => {
  const options = { latency: 10, jitter: 20 }
  const chunks = cutEvery(1, noise(200))
  const measured = await latencies(t, options, chunks)
  t.ok(Math.min(...measured) >= 10)
  t.ok(Math.min(...measured) <= 13)
  t.ok(Math.max(...measured) <= 30)
  t.ok(Math.max(...measured) >= 27)
  const mean = measured.reduce((sum, each) => sum + each, 0) / measured.length
  t.ok(mean > 17 && mean < 24, `${mean} ms`)
  const seeded = await latencies(t, { ...options, seed: 7 }, chunks)
  t.same(await latencies(t, { ...options, seed: 7 }, chunks), seeded, 'a seed repeats it')
  t.notSame(await latencies(t, { ...options, seed: 8 }, chunks), seeded)
  t.notSame(measured, seeded)
})

t.test('the throughput is max in each latency', async t => {
  const clock = fakeClock(t)
  const input = noise(1_000_000)
  for (const [max, expected] of [
    [undefined, 100],
    [100_000, 1000],
  ] as const) {
    const start = clock.now
    const { chunks } = await run([delay({ latency: 100, max })], cutEvery(10_000, input))
    t.ok(Buffer.concat(chunks).equals(input))
    const took = clock.now - start
    t.ok(took >= expected && took <= expected * 1.3 + 100, `${took} ms with max ${max}`)
  }
})

t.test('in real time', async t => {
  const start = performance.now()
  await run([delay({ latency: 50, jitter: 10 })], cutEvery(1, noise(1000)))
  const took = performance.now() - start
  t.ok(took >= 50, `${took} ms`)
  t.ok(took < 1000, `${took} ms`)
})

t.test('destroyed, it leaves no timer', async t => {
  const timers = () => process.getActiveResourcesInfo().filter(name => name === 'Timeout').length
  const before = timers()
  const stage = compose(delay({ latency: 60_000 }))
  stage.on('data', () => {})
  stage.write('a')
  await setImmediate()
  t.equal(timers(), before + 1)
  stage.destroy()
  await once(stage, 'close')
  t.equal(timers(), before)
})

t.test('options are checked', async t => {
  t.throws(() => spec('delay'), { code: 'ERR_SPEC', message: /delay needs latency/ })
  t.throws(() => spec('delay 2m'), { message: /delay latency: '2m' is not allowed; .* at most 1m/ })
  t.throws(() => spec('delay 1s max=0'), { message: /at least 1/ })
  t.doesNotThrow(() => spec('delay 0.5 jitter=10ms max=1m seed=3'))
})
