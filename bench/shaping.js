// Shaping: the rate and the latency that throttle and delay reach against the ones they are set to, and what delay carries.
import { once } from 'node:events'
import { PassThrough, Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { MiB, median, ownTime } from './support.js'

const { compose, send, serve } = await import('../dist/bundle/index.js')
const { delay, throttle } = await import('../dist/bundle/transforms.js')

const KiB = 1024

/** How a pipeline is opened, and how many chunks a second are not too many for it on a slow machine, whatever the stage. */
const places = {
  memory: { open: inMemory, chunks: 70_000 },
  sockets: { open: throughSockets, chunks: 11_000 },
}

const rates = [8 * KiB, 64 * KiB, MiB, 10 * MiB, 100 * MiB]
const sizes = [1, 100, KiB, 64 * KiB, MiB]

/** At 1 MiB/s. */
const specials = [
  { name: 'throttle 1m burst=8k', stages: () => [throttle({ rate: MiB, burst: 8 * KiB })] },
  { name: 'throttle 1m, then delay 50ms', stages: () => [throttle({ rate: MiB }), delay({ latency: 50 })] },
]

const latencies = [1, 5, 20, 100, 500]

/** What is written for a latency, a chunk every 5 ms. */
const mixedChunks = [
  ...Array(8)
    .fill([1, 100, KiB, 64 * KiB])
    .flat(),
  MiB,
].map(size => Buffer.alloc(size))

export async function run({ quick }) {
  const window = quick ? 350 : 2000
  for (const place of Object.keys(places)) await rateRow(place, MiB, 200) // what has not run yet runs slowly
  return [await rateSection(window), await latencySection(window), await throughputSection(window * 0.75)]
}

async function rateSection(window) {
  const rows = []
  for (const place of Object.keys(places)) {
    const slow = rates.filter(rate => rate <= MiB)
    const fast = rates.filter(rate => rate > MiB)
    rows.push(...(await watched(() => Promise.all(slow.map(rate => rateRow(place, rate, window))))))
    for (const rate of fast) rows.push(...(await watched(async () => [await rateRow(place, rate, window)])))
    rows.push(...(await watched(() => Promise.all(specials.map(each => specialRow(place, each, window))))))
  }
  return {
    title: `Rates, one run: over ${window} ms behind the first ${settleTime} ms; of several chunk sizes the one that is farthest off`,
    unit: '% of the rate set',
    cpu: 'cores',
    rows,
    commands: [],
  }
}

/** Rows that are measured at the same time: each has the cores that all of them kept busy together. */
async function watched(work) {
  const { result, cores } = await busy(work)
  return result.map(row => ({ ...row, cpu: cores }))
}

/** What the work gives, and how many cores this process has kept busy meanwhile. */
async function busy(work) {
  const before = { time: performance.now(), spent: ownTime() }
  const result = await work()
  return { result, cores: (ownTime() - before.spent) / ((performance.now() - before.time) / 1000) }
}

/** All chunk sizes at once, but for rates that take much of a core. */
async function rateRow(place, rate, window) {
  const possible = sizes.filter(size => rate / size <= places[place].chunks)
  const measure = size => rateOf(place, () => [throttle({ rate })], size, window)
  const reached = rate > 10 * MiB ? await inTurn(possible, measure) : await Promise.all(possible.map(measure))
  const shares = reached.map(each => (100 * each) / rate)
  const figure = farthest(shares)
  const from = `chunks of ${short(possible[0])} to 1m: of ${short(possible[shares.indexOf(figure)])}`
  return { work: `${place}, throttle ${short(rate)}, ${from}`, figure, least: 95, most: 105 }
}

async function specialRow(place, { name, stages }, window) {
  const reached = await rateOf(place, stages, 64 * KiB, window)
  return { work: `${place}, ${name}, chunks of 64k`, figure: (100 * reached) / MiB, least: 95, most: 105 }
}

async function inTurn(values, work) {
  const results = []
  for (const value of values) results.push(await work(value))
  return results
}

function farthest(shares) {
  return shares.reduce((worst, share) => (Math.abs(share - 100) > Math.abs(worst - 100) ? share : worst))
}

/** The first burst is over, and what was late at the start is caught up with. */
const settleTime = 200

/**
 * Bytes per second that arrive when as much is offered as is taken: from the last arrival of the first 200 ms to the
 * last one of the window, the bytes that came behind the first of these two, over the time between them.
 */
async function rateOf(place, stages, size, window) {
  let first
  let from
  let to
  let bytes = 0
  const { promise, resolve } = withResolvers()
  const { input, close } = await places[place].open(stages, length => {
    const now = performance.now()
    first ??= now
    if (now - first < settleTime) from = now
    else if (now - from > window) return resolve((bytes / (to - from)) * 1000)
    else bytes += length
    to = now
  })
  offer(input, Buffer.alloc(size))
  const rate = await promise
  await close()
  return rate
}

/** Writes again and again; a queue of thousands of chunks would take longer to fill than what is measured. */
function offer(input, chunk) {
  const count = Math.min(2048, Math.ceil(MiB / chunk.length))
  const next = () => {
    for (let i = 1; i < count; i++) input.write(chunk)
    input.write(chunk, error => error || setImmediate(next)) // not at once: timers have to run, too
  }
  next()
}

async function latencySection(window) {
  const rows = []
  for (const place of Object.keys(places)) {
    const { result, cores } = await busy(() =>
      Promise.all([timerLateness(window), ...latencies.map((latency, i) => latenessOf(place, latency, 7 * i, window))]),
    )
    const [timer, ...measured] = result
    const latenessRows = (work, late, timer) => rowsOfLateness(work, late, timer, cores)
    measured.forEach((late, i) => {
      rows.push(...latenessRows(`${place}, delay ${latencies[i]}ms`, late, timer))
    })
    rows.push(...latenessRows(`${place}, a timer of 20 ms at the same time`, timer))
  }
  return {
    title:
      'Latencies, one run: measured less set, chunks of 1 byte to 1 MiB, 5 latencies at once in one process; of the slowest no more than 5 ms over those of a timer',
    unit: 'ms',
    cpu: 'cores',
    rows,
    commands: [],
  }
}

/** What the machine does to any timer is no fault of the delay: its slowest hundredth is allowed on top. */
function rowsOfLateness(work, late, timer, cpu) {
  const required = over => timer && { least: 0, most: 5 + over }
  return [
    { work: `${work}: median`, figure: median(late), cpu, ...required(0) },
    { work: `${work}: 99th percentile`, figure: slowest(late), cpu, ...required(Math.round(slowest(timer ?? late))) },
  ]
}

/** The 99th percentile. */
function slowest(values) {
  return values.toSorted((a, b) => a - b)[Math.ceil(0.99 * values.length) - 1]
}

/** For each chunk, from the one of that index on, the milliseconds from its write to the arrival of its last byte, less the latency. */
async function latenessOf(place, latency, from, window) {
  const late = []
  const waiting = []
  let sent = 0
  let arrived = 0
  const { input, close } = await places[place].open(
    () => [delay({ latency })],
    length => {
      arrived += length
      while (waiting[0]?.end <= arrived) late.push(performance.now() - waiting.shift().time - latency)
    },
  )
  const start = performance.now()
  for (let i = from; performance.now() - start < window; i++) {
    const chunk = mixedChunks[i % mixedChunks.length]
    sent += chunk.length
    waiting.push({ end: sent, time: performance.now() })
    input.write(chunk)
    await sleep(5)
  }
  while (waiting.length > 0) await sleep(5)
  await close()
  return late
}

/** What this machine does to any timer, for comparison. */
async function timerLateness(window) {
  const late = []
  const one = async () => {
    const start = performance.now()
    await sleep(20)
    late.push(performance.now() - start - 20)
  }
  const all = []
  for (const start = performance.now(); performance.now() - start < window; await sleep(5)) all.push(one())
  await Promise.all(all)
  return late
}

/** With latencies at which what delay may hold is the limit, and not the processor. */
async function throughputSection(window) {
  const rows = []
  for (const place of Object.keys(places)) {
    const speed = async stages => {
      const { result, cores } = await busy(() => rateOf(place, stages, 64 * KiB, window))
      return { value: result / MiB, cpu: (cores * 1e12) / result }
    }
    const alone = await speed(() => [])
    for (const latency of [50, 100]) {
      const most = (16 * 1000) / latency
      rows.push({
        work: `${place}, delay ${latency}ms`,
        ours: await speed(() => [delay({ latency })]),
        peer: alone.value < most ? 'no delay' : `16 MiB in ${latency} ms; without a delay ${alone.value.toFixed(0)}`,
        theirs: { ...alone, value: Math.min(alone.value, most) },
        atLeast: 0.8,
      })
    }
  }
  return {
    title: 'Throughput with a latency, one run, chunks of 64 KiB',
    unit: 'MiB/s',
    cpu: 'ms/GB',
    rows,
    commands: [],
  }
}

/** Opens a pipeline of the stages; `arrived` is told the length of each chunk that comes out. */
async function inMemory(stages, arrived) {
  const input = compose(...stages())
  const output = sink(arrived)
  input.pipe(output)
  return { input, close: () => closed(input) }
}

/** `send -t …` to `serve`. */
async function throughSockets(stages, arrived) {
  const server = await serve({ port: 0, to: () => sink(arrived), once: true })
  const input = new PassThrough()
  const abort = new AbortController()
  const sent = send({
    port: server.address.port,
    from: input,
    transforms: stages,
    output: sink(() => {}),
    signal: abort.signal,
  })
  const close = async () => {
    abort.abort()
    await Promise.allSettled([sent, server.close({ drain: 0 })])
  }
  return { input, close }
}

function sink(arrived) {
  return new Writable({
    write(chunk, _encoding, callback) {
      arrived(chunk.length)
      callback()
    },
  })
}

async function closed(stream) {
  stream.destroy()
  await once(stream, 'close')
}

function withResolvers() {
  let resolve
  const promise = new Promise(settle => {
    resolve = settle
  })
  return { promise, resolve }
}

/** 65536 → `64k` */
function short(bytes) {
  return bytes >= MiB ? `${bytes / MiB}m` : bytes >= KiB ? `${bytes / KiB}k` : `${bytes}`
}

export const peers = []
