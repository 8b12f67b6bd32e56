/** Pipelines with one slow place, which the verdict must name. The peers are processes of their own. */
import { Readable, Transform, Writable } from 'node:stream'
import t, { type Test } from 'tap'
import { proxy, type Stage, type Summary, send, serve } from '../../lib/index.js'
import { partsOf } from '../../lib/stats/parts.js'
import { times } from '../../lib/stats/snapshot.js'
import { verdict } from '../../lib/stats/verdict.js'
import { brotli, deflate, digest, exec, gunzip, gzip, hex, throttle } from '../../transforms/index.js'
import { identity } from '../lib/tls.js'
import { launch } from './support.js'

/** What a client sends: blocks, with a pause after each in milliseconds. */
interface Sends {
  readonly blocks?: number
  readonly pause?: number
  /** Lines of this length. Default: blocks of 16 KiB. */
  readonly line?: number
}

interface Case {
  readonly title: string
  /** The names of the slow parts. */
  readonly slow: string
  readonly client?: Sends
  /** The source of `send`, instead of a client. */
  readonly source?: () => Readable
  readonly stages?: () => Stage[]
  /** The sink in this process. Default: one that takes everything at once. */
  readonly sink?: () => Writable
  /** Milliseconds that a target in another process takes for 16 KiB. */
  readonly target?: number
  /** Milliseconds that the client takes for 16 KiB of the reply. */
  readonly reply?: number
  readonly tls?: boolean
  readonly proxy?: boolean
}

/** Holds the thread. */
function spin(time: number): void {
  const end = performance.now() + time
  while (performance.now() < end);
}

const sleep = (time: number) => new Promise(resolve => setTimeout(resolve, time))

/** A stage of this name. */
const named = (name: string, stage: (chunk: Buffer) => unknown): Stage =>
  Object.defineProperty(stage, 'name', { value: name }) as Stage

const works = (time: number, name = 'works') =>
  named(name, chunk => {
    spin(time)
    return chunk
  })
const awaits = (time: number) => named('awaits', chunk => sleep(time).then(() => chunk))
const passes = () => named('passes', chunk => chunk)

class Holds extends Transform {
  constructor(time: number) {
    super({ transform: (chunk, _encoding, callback) => void setTimeout(callback, time, null, chunk) })
  }
}

class Spins extends Transform {
  constructor(time: number) {
    super({
      transform(chunk, _encoding, callback) {
        spin(time)
        callback(null, chunk)
      },
    })
  }
}

const takes = () => new Writable({ write: (_chunk, _encoding, callback) => callback() })
const slowSink = (time: number) =>
  new Writable({ highWaterMark: 16_384, write: (_chunk, _encoding, callback) => void setTimeout(callback, time) })
const busySink = (time: number) =>
  new Writable({
    write(_chunk, _encoding, callback) {
      spin(time)
      callback()
    },
  })

const block = Buffer.alloc(16_384, 'source ')
const slowSource = (time: number) =>
  Readable.from(
    (async function* () {
      for (let i = 0; i < 12; i++) {
        await sleep(time)
        yield block
      }
    })(),
    { objectMode: false },
  )
const busySource = (time: number) =>
  Readable.from(
    (function* () {
      for (let i = 0; i < 12; i++) {
        spin(time)
        yield block
      }
    })(),
    { objectMode: false },
  )
const fastSource = (blocks = 600) => Readable.from(Array(blocks).fill(block), { objectMode: false })

const many = { blocks: 400 }
const lines = { blocks: 400, line: 1000 }

const cases: Case[] = [
  // The source.
  { title: 'client', slow: 'client', client: { pause: 40 } },
  { title: 'client, gzip', slow: 'client', client: { pause: 40 }, stages: () => [gzip()] },
  { title: 'client, works', slow: 'client', client: { pause: 40 }, stages: () => [works(1)] },
  { title: 'client, awaits', slow: 'client', client: { pause: 40 }, stages: () => [awaits(1)] },
  { title: 'client over TLS', slow: 'client', client: { pause: 40 }, tls: true },
  { title: 'client, target', slow: 'client', client: { pause: 40 }, target: 0 },
  { title: 'client of a proxy', slow: 'client', client: { pause: 40 }, target: 0, proxy: true },
  { title: 'source of send', slow: 'source', source: () => slowSource(40), target: 0 },
  { title: 'source of send, gzip', slow: 'source', source: () => slowSource(40), stages: () => [gzip()], target: 0 },
  { title: 'source that works', slow: 'source', source: () => busySource(40), target: 0 },
  { title: 'source that works, gzip', slow: 'source', source: () => busySource(40), stages: () => [gzip()], target: 0 },
  // A function.
  { title: 'works', slow: 'works', stages: () => [works(40)] },
  { title: 'works, gzip', slow: 'works', stages: () => [works(40), gzip({ level: 1 })] },
  { title: 'gunzip, works', slow: 'works', stages: () => [gzip({ level: 1 }), gunzip(), works(40)] },
  { title: 'passes, works, passes', slow: 'works', stages: () => [passes(), works(40), passes()] },
  { title: 'works, passes', slow: 'works', stages: () => [works(40), passes()] },
  { title: 'digest, works', slow: 'works', stages: () => [digest(), works(40)] },
  { title: 'works, sink', slow: 'works', stages: () => [works(40)], sink: () => slowSink(1) },
  { title: 'works over TLS', slow: 'works', stages: () => [works(40)], tls: true },
  { title: 'works, target', slow: 'works', stages: () => [works(40)], target: 0 },
  { title: 'works in a proxy', slow: 'works', stages: () => [works(40)], target: 0, proxy: true },
  { title: 'works in send', slow: 'works', source: () => fastSource(12), stages: () => [works(40)], target: 0 },
  { title: 'awaits', slow: 'awaits', stages: () => [awaits(40)] },
  { title: 'awaits, gzip, works', slow: 'awaits', stages: () => [awaits(40), gzip({ level: 1 }), works(0.5)] },
  { title: 'works, awaits', slow: 'awaits', stages: () => [works(0.5), passes(), awaits(40)] },
  { title: 'throttle', slow: 'throttle', stages: () => [throttle({ rate: 400_000 })] },
  {
    title: 'passes, throttle, gzip',
    slow: 'throttle',
    stages: () => [passes(), throttle({ rate: 400_000 }), gzip()],
  },
  // A Duplex.
  { title: 'gzip', slow: 'gzip', client: many, stages: () => [gzip({ level: 9 })] },
  { title: 'passes, gzip, passes', slow: 'gzip', client: many, stages: () => [passes(), gzip({ level: 9 }), passes()] },
  { title: 'gzip over TLS', slow: 'gzip', client: many, stages: () => [gzip({ level: 9 })], tls: true },
  { title: 'gzip in a proxy', slow: 'gzip', client: many, stages: () => [gzip({ level: 9 })], target: 0, proxy: true },
  { title: 'brotli', slow: 'brotli', client: { blocks: 200 }, stages: () => [brotli({ quality: 9 })] },
  { title: 'a Transform that holds', slow: 'Holds', stages: () => [new Holds(40)] },
  {
    title: 'works, a Transform that holds',
    slow: 'Holds',
    stages: () => [works(0.5), new Holds(40), gzip({ level: 1 })],
  },
  { title: 'a Transform that works', slow: 'Spins', stages: () => [new Spins(40)] },
  {
    title: 'gzip, a Transform that works, gunzip',
    slow: 'Spins',
    stages: () => [gzip({ level: 1 }), new Spins(40), gunzip()],
  },
  { title: 'exec', slow: 'exec', client: { blocks: 1500 }, stages: () => [exec({ command: ['gzip', '-9'] })] },
  {
    title: 'exec, hex',
    slow: 'exec',
    client: { blocks: 1500 },
    stages: () => [exec({ command: ['gzip', '-9'] }), hex({ plain: true })],
  },
  // The sink, and the network behind it.
  { title: 'sink', slow: 'sink', sink: () => slowSink(40) },
  {
    title: 'gzip, sink',
    slow: 'sink',
    client: { blocks: 30 },
    stages: () => [gzip({ level: 1 })],
    sink: () => slowSink(40),
  },
  { title: 'works, sink that holds', slow: 'sink', stages: () => [works(0.5)], sink: () => slowSink(40) },
  { title: 'sink that works', slow: 'sink', sink: () => busySink(40) },
  {
    title: 'gzip, sink that works',
    slow: 'sink',
    client: { blocks: 30 },
    stages: () => [gzip({ level: 1 })],
    sink: () => busySink(40),
  },
  { title: 'sink over TLS', slow: 'sink', sink: () => slowSink(40), tls: true },
  { title: 'target', slow: 'target', client: many, target: 4 },
  { title: 'works, target', slow: 'target', client: many, stages: () => [works(0.1)], target: 4 },
  { title: 'target of a proxy', slow: 'target', client: many, target: 4, proxy: true },
  { title: 'target of send', slow: 'peer', source: () => fastSource(), target: 4 },
  {
    title: 'hex, target of send',
    slow: 'peer',
    source: () => fastSource(600),
    stages: () => [hex({ plain: true })],
    target: 4,
  },
  { title: 'client that reads the reply', slow: 'client', client: many, reply: 4 },
  // Two places.
  { title: 'awaits, sink', slow: 'awaits and sink', stages: () => [awaits(40)], sink: () => slowSink(40) },
  { title: 'holds, sink', slow: 'Holds and sink', stages: () => [new Holds(40)], sink: () => slowSink(40) },
  { title: 'awaits, lines', slow: 'awaits', client: lines, stages: () => [awaits(40), passes()] },
  { title: 'deflate', slow: 'deflate', client: many, stages: () => [deflate({ level: 9 })] },
]

t.setTimeout(240_000)

for (const each of cases)
  t.test(`${each.title}: slow is ${each.slow}`, async t => {
    const summary = await run(t, each)
    t.notOk(summary.error)
    const direction = summary.directions.find(({ direction }) => direction === 'forward')
    if (!direction) return t.fail('no figures')
    const { slowest = [], text = 'none' } = verdict(direction) ?? {}
    t.equal(slowest.map(({ name }) => name).join(' and '), each.slow, text)
    for (const part of partsOf(direction))
      for (const share of [...times.map(time => part[time]), part.ended]) t.ok(share > -0.01 && share < 1.01, part.name)
    const lives = [direction.source, direction.sink].map(end =>
      times.reduce((sum, time) => sum + (end?.[time] ?? 0), 0),
    )
    const life = Math.max(...lives) // from the first byte to the end
    t.ok(life <= summary.duration * 1.05, `${life} of ${summary.duration} ms`)
    if (each.target === undefined && each.reply === undefined)
      t.ok(life >= summary.duration * 0.95 - 200, `${life} of ${summary.duration} ms`)
  })

/** Runs the pipeline until its connection has ended. */
async function run(t: Test, { source, ...each }: Case): Promise<Summary> {
  const { client, stages = () => [], sink = takes, target, reply, tls } = each
  const to = target === undefined ? undefined : `127.0.0.1:${await reader(t, target)}`
  if (source) return send({ to: to as string, from: source(), transforms: stages, measure: true, output: takes() })
  let summary: Summary | undefined
  const closed = (ended: Summary) => {
    summary = ended
  }
  const common = {
    port: 0,
    once: true,
    measure: true,
    transforms: stages,
    observer: { closed },
    ...(tls && { tls: identity }),
  }
  const server = each.proxy
    ? await proxy({ ...common, to: to as string })
    : await serve({ ...common, ...(reply === undefined ? { to: to ?? sink } : { reply: true }) })
  sender(t, server.address.port, client ?? {}, reply ?? 0, tls)
  await server.closed
  return summary as unknown as Summary
}

/** A server that reads 16 KiB, waits, and so on. Returns its port. */
async function reader(t: Test, pause: number): Promise<number> {
  const script = `
    const { createServer } = require('node:net')
    ${reading}
    createServer({ allowHalfOpen: true }, socket => {
      socket.on('error', () => {})
      read(socket, ${pause}, () => socket.end())
    }).listen(0, '127.0.0.1', function () { console.log(this.address().port) })`
  const peer = launch(t, process.execPath, ['-e', script], { input: null, faults: null, timeout: 60_000 })
  return Number(await peer.printed('\n'))
}

const reading = `
  function read(socket, pause, ended) {
    if (pause === 0) return socket.resume().on('end', ended)
    socket.pause().on('data', () => { socket.pause(); setTimeout(() => socket.resume(), pause) }).on('end', ended).resume()
  }`

function sender(t: Test, port: number, { blocks = 12, pause = 0, line }: Sends, reply: number, tls = false): void {
  const script = `
    const { randomBytes } = require('node:crypto')
    const made = Array.from({ length: ${pause > 0 ? 1 : Math.min(blocks, 100)} }, () => ${line === undefined ? "randomBytes(8192).toString('hex')" : `'x'.repeat(${line}) + '\\n'`})
    ${reading}
    const socket = ${tls ? "require('node:tls')" : "require('node:net')"}.connect({ port: ${port}, host: '127.0.0.1', rejectUnauthorized: false })
    socket.on('error', () => {})
    read(socket, ${reply}, () => {})
    const step = ${pause > 0 ? 1 : Math.min(blocks, 100)} // few large writes, so that a busy machine does not make the client slow
    const block = Buffer.from(made.slice(0, step).join(''))
    const send = async () => {
      for (let i = 0; i < ${blocks}; i += step) {
        if (!socket.write(block)) await new Promise(resolve => socket.once('drain', resolve))
        if (${pause}) await new Promise(resolve => setTimeout(resolve, ${pause}))
      }
      socket.end()
    }
    send()`
  launch(t, process.execPath, ['-e', script], { input: null, faults: null, timeout: 60_000 })
}
