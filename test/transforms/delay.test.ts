import { once } from 'node:events'
import t, { type Test } from 'tap'
import { compose } from '../../lib/stages/compose.js'
import { delay } from '../../transforms/delay.js'
import { spec } from '../../transforms/spec.js'
import { throttle } from '../../transforms/throttle.js'
import { noise } from '../laws/support.js'
import { type Arrival, excess, fakeClock } from '../lib/clock.js'
import { checkCuts, faulty, throughEcho } from '../lib/faults.js'
import { cutEvery, run } from '../lib/pipes.js'
import { leavesNoTimer, letsGo } from './holding.js'

type Options = Parameters<typeof delay>[0]

const letters = 'abcdefghijklmnopqrstuvwxyz'

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
  for (const [max, length, size, expected] of [
    [undefined, 1_000_000, 10_000, 100],
    [100_000, 1_000_000, 10_000, 1000],
    [undefined, 64 * 2 ** 20, 65_536, 400],
    [undefined, 64 * 2 ** 20, 2 ** 20, 400],
  ] as const) {
    const input = Buffer.alloc(length, 'some bytes')
    const start = clock.now
    const { chunks } = await run([delay({ latency: 100, max })], cutEvery(size, input))
    t.ok(Buffer.concat(chunks).equals(input))
    const took = clock.now - start
    t.ok(took >= expected && took <= expected * 1.3 + 100, `${took} ms with max ${max}, chunks of ${size}`)
  }
})

t.test('behind a throttle the rate stays, and each byte is as late as ever', async t => {
  const clock = fakeClock(t, 1)
  const before: Arrival[] = []
  const behind: Arrival[] = []
  const note = (arrivals: Arrival[]) => (chunk: Buffer) => {
    arrivals.push({ time: clock.now, size: chunk.length })
    return chunk
  }
  const input = noise(300_000)
  const stages = compose(throttle({ rate: 2 ** 20 }), note(before), delay({ latency: 50 }), note(behind))
  const { chunks } = await run([stages], cutEvery(65_536, input))
  t.ok(Buffer.concat(chunks).equals(input))
  const end = (arrivals: Arrival[]) => arrivals.at(-1)?.time as number
  t.ok(end(before) - 1000 < (300_000 / 2 ** 20) * 1000 * 1.05, `the throttle ended at ${end(before)}`)
  t.equal(before.length, behind.length)
  for (const [i, { time, size }] of behind.entries()) {
    const late = time - (before[i] as Arrival).time
    t.equal(size, before[i]?.size)
    t.ok(late >= 50 && late <= 53, `${late} ms`)
  }
  t.ok(excess(behind, 2 ** 20) < 2 ** 20 / 10 + 1)
})

t.test('in real time', async t => {
  const start = performance.now()
  await run([delay({ latency: 50, jitter: 10 })], cutEvery(1, noise(1000)))
  const took = performance.now() - start
  t.ok(took >= 50, `${took} ms`)
  t.ok(took < 1000, `${took} ms`)
})

t.test('destroyed, it leaves no timer', t => leavesNoTimer(t, () => compose(delay({ latency: 60_000 }))))

t.test('options are checked', async t => {
  t.throws(() => spec('delay'), { code: 'ERR_SPEC', message: /delay needs latency/ })
  t.throws(() => spec('delay 2m'), { message: /delay latency: '2m' is not allowed; .* at most 1m/ })
  t.throws(() => spec('delay 1s max=0'), { message: /at least 1/ })
  t.doesNotThrow(() => spec('delay 0.5 jitter=10ms max=1m seed=3'))
})

t.test('it lets go of everything when other stages take its place', t => letsGo(t, delay({ latency: 60_000 })))

/** When which text came out of a delay, a chunk for each time; chunks are written one after the other. */
async function arrivals(t: Test, options: Options, input: readonly string[]): Promise<Record<number, string>> {
  const clock = fakeClock(t)
  const stage = compose(delay(options, { warn: () => {} }))
  const seen: Record<number, string> = {}
  const note = (text: string) => {
    const time = clock.now - 1000
    seen[time] = (seen[time] ?? '') + text
  }
  stage.on('data', chunk => note(String(chunk)))
  for (const text of input) await new Promise(resolve => stage.write(text, resolve))
  await new Promise(resolve => stage.once('end', resolve).end())
  note('.')
  return seen
}

t.test('what is before a place is not late', async t => {
  for (const [options, input, expected] of [
    [{ after: 3 }, ['abcdef'], { 0: 'abc', 50: 'def.' }],
    [{ after: 3 }, ['abc', 'def'], { 0: 'abc', 50: 'def.' }],
    [{ after: 3 }, ['ab', 'cd', 'ef'], { 0: 'abc', 50: 'def.' }],
    [{ on: 'bc' }, ['ab', 'c', 'def'], { 0: 'abc', 50: 'def.' }],
    [{ connection: 1 }, ['abc'], { 50: 'abc.' }],
    [{ probability: 1, block: 2, after: 1 }, ['abc', 'def'], { 0: 'ab', 50: 'cdef.' }],
    [{ after: 6 }, ['abc', 'def'], { 0: 'abcdef.' }],
    [{ on: 'f', nth: 2 }, ['abcdef'], { 0: 'abcdef.' }],
    [{ connection: 2 }, ['abc', 'def'], { 0: 'abcdef.' }],
    [{ after: 6 }, [], { 0: '.' }],
  ] as const) {
    const title = `${JSON.stringify(options)}: ${input}`
    t.same(await arrivals(t, { latency: 50, ...options }, input), expected, title)
  }
})

t.test('what is before a place takes no part in the jitter', async t => {
  const options = { latency: 10, jitter: 100, seed: 3 }
  const late = await arrivals(t, { ...options, after: 2 }, ['a', 'bc', 'd'])
  const plain = await arrivals(t, options, ['c', 'd'])
  t.same(late, { 0: 'ab', ...plain })
})

t.test('any cuts', t => checkCuts(t, 'delay 1ms jitter=1ms'))

t.test('by chance it begins where another fault comes for the first time', async t => {
  for (const seed of [1, 2, 3]) {
    const options = `probability=0.05 block=10 seed=${seed}`
    const { offsets } = await faulty(`delay 1ms jitter=1ms ${options}`, noise(2000))
    t.same(offsets, (await faulty(`drop ${options}`, noise(2000))).offsets.slice(0, 1))
    t.equal(offsets.length, 1)
  }
})

t.test('elsewhere everything passes as it is, and one that never comes is a warning', async t => {
  for (const [options, warnings] of [
    ['connection=2', []],
    ['after=26', ['reply: delay after=26 never fired: only 26 bytes arrived']],
    ['on=c nth=2', ['reply: delay on=c nth=2 never fired: 1 of 2 found']],
    ['probability=0', []],
  ] as const) {
    const ran = await faulty(`delay 1m ${options}`, letters)
    t.same(ran, { data: Buffer.from(letters), text: letters, error: undefined, offsets: [], warnings }, options)
  }
})

t.test('in a connection the warning is one of its summary', async t => {
  const { outcomes, summaries } = await throughEcho(t, 'delay 10ms on=c connection=2', ['abc', 'ab'])
  t.match(outcomes, [{ text: 'abc' }, { text: 'ab' }])
  const missed = 'forward: delay on=c connection=2 never fired: not found'
  t.same(
    summaries.map(({ warnings }) => warnings),
    [[], [missed]],
  )
})

t.test('what is refused', async t => {
  t.throws(() => spec('delay 5s nth=1'), { code: 'ERR_SPEC', message: /delay nth= needs on=/ })
  t.throws(() => spec('delay 5s at=1s after=3'), { message: /delay takes at= or after=, not both/ })
  t.doesNotThrow(() => spec("delay 5s on='\\r\\n\\r\\n' nth=2 connection=3"))
})
