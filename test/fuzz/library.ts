/** Servers of the library in this process: stages and handlers that fail in every way, transforms that change meanwhile. */

import type { NetConnectOpts, Socket } from 'node:net'
import { join } from 'node:path'
import { Duplex, PassThrough, Readable, Transform, Writable } from 'node:stream'
import { setTimeout as delay, setImmediate } from 'node:timers/promises'
import type { Test } from 'tap'
import type { Connection } from '../../lib/connection/connection.js'
import type { Source } from '../../lib/endpoints/endpoint.js'
import { type ProxyServer, proxy } from '../../lib/proxy.js'
import { type Handler, serve } from '../../lib/serve.js'
import type { ListenOptions } from '../../lib/server/listen-options.js'
import type { Server } from '../../lib/server/server.js'
import type { Stage } from '../../lib/stages/stage.js'
import type { Summary } from '../../lib/stats/summary.js'
import { errorCode } from '../../lib/text/errors.js'
import { spec } from '../../transforms/spec.js'
import { listen, shortDirectory } from '../e2e/support.js'
import fc from '../fast-check.js'
import { noise } from '../laws/support.js'
import { recorder } from '../lib/network.js'
import {
  anyClients,
  type Client,
  checkSeen,
  clients,
  describeClients,
  honest,
  leaveAll,
  ordinaryClient,
  type Playing,
  type Promises,
  play,
  playToTheEnd,
} from './clients.js'
import { Finding, inScope, inTime, type Part } from './part.js'
import { checkProcess } from './process.js'
import { resources, restored } from './resources.js'
import { changeableSpec, losslessSpec } from './specs.js'

/** Made anew for each connection. `good` ones change nothing, `bad` ones fail soon, `endless` ones are up to a timeout. */
interface Behaviours<T> {
  readonly good: Readonly<Record<string, T>>
  readonly bad: Readonly<Record<string, T>>
  readonly endless: Readonly<Record<string, T>>
}

const failure = () => new Error('on purpose')

const stages: Behaviours<() => Stage> = {
  good: {
    'a function': () => (chunk: Buffer) => chunk,
    'an async function': () => async (chunk: Buffer) => {
      await setImmediate()
      return chunk
    },
    'a generator': () =>
      function* (chunk: Buffer) {
        yield chunk.subarray(0, 1)
        yield chunk.subarray(1)
      },
    'an async generator': () =>
      async function* (chunk: Buffer) {
        await setImmediate()
        yield chunk
      },
    'an object': () => ({ write: (chunk: Buffer) => chunk, flush() {}, destroy() {} }),
    'a PassThrough': () => new PassThrough(),
  },
  bad: {
    'a function that throws': () => behind(1, () => fail()),
    'a function that rejects': () => behind(1, async () => fail()),
    'a function that rejects later': () =>
      behind(0, async () => {
        await delay(5)
        fail()
      }),
    'a generator that throws': () =>
      function* (chunk: Buffer) {
        yield chunk
        fail()
      },
    'an async generator that throws': () =>
      async function* (chunk: Buffer) {
        yield chunk
        await setImmediate()
        fail()
      },
    'a flush that throws': () => ({ write: (chunk: Buffer) => chunk, flush: () => fail() }),
    'a flush that rejects': () => ({ write: (chunk: Buffer) => chunk, flush: async () => fail() }),
    'a destroy that throws': () => ({ write: behind(0, () => fail()), destroy: () => fail() }),
    'a stage that gives a function': () => () => () => {},
    'a stage that cannot be made': () => fail(),
    'no stage': () => 5 as unknown as Stage,
    'a Transform that calls back twice': () =>
      new Transform({
        transform(chunk, _encoding, callback) {
          callback(null, chunk)
          callback(null, chunk)
        },
      }),
    'a Duplex that is destroyed later': () => later(stream => stream.destroy(failure())),
    'a Duplex that is destroyed without a word': () => later(stream => stream.destroy()),
    'a Duplex that emits an error': () => later(stream => stream.emit('error', failure())),
    'a Duplex that emits an error behind its end': () => {
      const stream = new PassThrough()
      return stream.once('end', () => setTimeout(() => stream.emit('error', failure()), 5))
    },
    'a Duplex that ends early': () => later(stream => stream.push(null)),
    'a Duplex that fails at once': () =>
      new Duplex({
        read() {},
        write: (_chunk, _encoding, done) => done(failure()),
        final(done) {
          this.push(null)
          done()
        },
      }),
  },
  endless: {
    'a function that never answers': () => () => new Promise(() => {}),
    'a Transform that never calls back': () => new Transform({ transform() {} }),
    'a Duplex that keeps everything': () => new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() }),
  },
}

const handlers: Behaviours<Handler> = {
  good: {
    'an echo': async socket => {
      for await (const chunk of socket) if (!socket.write(chunk)) await drained(socket)
    },
    'an echo by pipe': socket => new Promise(resolve => socket.on('end', resolve).pipe(socket)),
  },
  bad: {
    'throws at once': () => fail(),
    'rejects at once': async () => fail(),
    'rejects at the first byte': socket => new Promise((_, reject) => socket.once('data', () => reject(failure()))),
    'rejects with nothing': () => Promise.reject(),
    'resolves at once': async () => {},
    'resolves and has not read': async socket => void (await Promise.race([delay(5), closed(socket)])),
    'says much and resolves': async socket => void socket.write(noise(1_000_000)),
    ends: async socket => void socket.end('bye'),
    'ends twice': async socket => void socket.end().end(),
    'writes behind its end': async socket => void socket.end().write('more'),
    destroys: async socket => void socket.destroy(),
    'destroys with an error': async socket => void socket.destroy(failure()),
    'destroys and rejects': async socket => {
      socket.destroy()
      fail()
    },
    resets: async stream => {
      const socket = stream as Socket // of TCP, or of a unix socket, which has no reset
      if (socket.remotePort === undefined) socket.destroy()
      else socket.resetAndDestroy()
    },
    'emits an error': async socket => void socket.emit('error', failure()),
  },
  endless: {
    'never resolves': () => new Promise(() => {}),
    'reads and never resolves': socket => new Promise(() => socket.resume()),
    'ends and never resolves': socket => new Promise(() => socket.end('bye')),
  },
}

const sinks: Behaviours<() => Writable | Promise<Writable>> = {
  good: { 'takes everything': () => new Writable({ write: (_chunk, _encoding, done) => done() }) },
  bad: {
    'fails at once': () => new Writable({ write: (_chunk, _encoding, done) => done(failure()) }),
    'fails at its end': () => new Writable({ write: (_c, _e, done) => done(), final: done => done(failure()) }),
    'cannot be made': () => Promise.reject(failure()),
    'is destroyed later': () => {
      const sink = new Writable({ write: (_chunk, _encoding, done) => done() })
      setTimeout(() => sink.destroy(), 5)
      return sink
    },
  },
  endless: {},
}

const sources: Behaviours<() => Source> = {
  good: { 'gives some bytes': () => Readable.from([noise(100_000, 31)]) },
  bad: {
    'fails behind its first chunk': () =>
      Readable.from(
        (async function* () {
          yield Buffer.from('first')
          fail()
        })(),
      ),
    'cannot be made': () => fail(),
    'is destroyed': () => new PassThrough().destroy(),
  },
  endless: { 'never gives anything': () => new Readable({ read() {} }) },
}

/** The transforms of a link while it runs. */
const changes = {
  use: (link: ProxyServer, direction: 'forward' | 'reply', text: string) => link[direction].use(spec(text)),
  clear: (link: ProxyServer, direction: 'forward' | 'reply') => link[direction].clear(),
  'use what is whole': (link: ProxyServer, direction: 'forward' | 'reply') =>
    link[direction].use(spec('gzip | gunzip')),
  'use what throws': (link: ProxyServer, direction: 'forward' | 'reply') => link[direction].use(() => fail()),
  disable: (link: ProxyServer) => link.disable(),
  enable: (link: ProxyServer) => link.enable(),
} as const

interface Change {
  readonly after: number
  readonly what: keyof typeof changes
  readonly direction: 'forward' | 'reply'
  readonly text: string
}

/** What the server does; the behaviours of its connections, in turn. */
type Work =
  | { readonly kind: 'transforms'; readonly each: readonly (readonly string[])[]; readonly text: string }
  | { readonly kind: 'sinks'; readonly each: readonly { readonly to: string; readonly from: string }[] }
  | { readonly kind: 'handlers'; readonly each: readonly string[] }
  | { readonly kind: 'proxy'; readonly text: string; readonly changes: readonly Change[] }

interface Case {
  readonly work: Work
  readonly unix: boolean
  /** The clients of good behaviours get every byte, whatever becomes of the others. */
  readonly exact: boolean
  readonly maxConnections: number
  /** Milliseconds. */
  readonly timeout: number
  readonly end: 'close' | 'abort' | 'close while clients are there' | 'abort while clients are there'
  readonly clients: readonly Client[]
}

function namesOf(all: Behaviours<unknown>, exact: boolean): fc.Arbitrary<string> {
  const { good, bad, endless } = all
  return fc.oneof(
    { weight: 2, arbitrary: fc.constantFrom(...Object.keys(good)) },
    { weight: 2, arbitrary: fc.constantFrom(...Object.keys(bad), ...(exact ? [] : Object.keys(endless))) },
  )
}

function workOf(exact: boolean): fc.Arbitrary<Work> {
  const several = { minLength: 1, maxLength: 4 }
  const what: Change['what'][] = exact ? ['use', 'clear'] : (Object.keys(changes) as Change['what'][])
  const change = fc.record({
    after: fc.nat(100),
    what: fc.constantFrom(...what),
    direction: fc.constantFrom('forward' as const, 'reply' as const),
    text: exact ? changeableSpec : fc.oneof(changeableSpec, losslessSpec.filter(Boolean)),
  })
  const works: fc.Arbitrary<Work>[] = [
    fc.record({
      kind: fc.constant('transforms' as const),
      each: fc.array(fc.array(namesOf(stages, exact), { minLength: 1, maxLength: 3 }), several),
      text: losslessSpec,
    }),
    fc.record({ kind: fc.constant('handlers' as const), each: fc.array(namesOf(handlers, exact), several) }),
    fc.record({
      kind: fc.constant('proxy' as const),
      text: exact ? changeableSpec : losslessSpec,
      changes: fc.array(change, { maxLength: 8 }),
    }),
  ]
  const each = fc.record({ to: namesOf(sinks, exact), from: namesOf(sources, exact) })
  if (!exact) works.push(fc.record({ kind: fc.constant('sinks' as const), each: fc.array(each, several) }))
  return fc.oneof(...works)
}

const cases = fc.boolean().chain((exact): fc.Arbitrary<Case> => {
  const atTheEnd = ['close', 'abort'] as const
  const any = [...atTheEnd, 'close while clients are there', 'abort while clients are there'] as const
  return fc.record({
    work: workOf(exact),
    unix: fc.nat(3).map(number => number === 0),
    exact: fc.constant(exact),
    maxConnections: exact ? fc.constant(1000) : fc.integer({ min: 1, max: 30 }),
    timeout: exact ? fc.constant(20_000) : fc.integer({ min: 50, max: 500 }),
    end: exact ? fc.constantFrom(...atTheEnd) : fc.constantFrom(...any),
    clients: exact ? clients(honest) : anyClients,
  })
})

/** Milliseconds that connections and what belongs to them may still be there when all clients have gone. */
const settleTime = 10_000

let connections = 0
let servers = 0

export const library: Part<Case> = {
  name: 'a server of the library',
  cases,
  runs: 1,
  async play(value) {
    const before = resources()
    await inScope(test => playCase(test, value))
    await restored('handles and descriptors', before, resources, settleTime)
    checkProcess()
  },
  describe: ({ clients, ...rest }) => [JSON.stringify(rest), ...describeClients(clients)],
  total: () => `${connections} connections to ${servers} servers of the library`,
}

async function playCase(test: Test, value: Case): Promise<void> {
  const { work, end, timeout } = value
  const abort = new AbortController()
  const opened: Connection[] = []
  const { log, lines } = recorder()
  const goodPorts = new Set<number | undefined>()
  const options: ListenOptions = {
    ...(value.unix ? { path: join(shortDirectory(test), 's') } : { port: 0 }),
    maxConnections: value.maxConnections,
    idleTimeout: timeout,
    halfClosedTimeout: timeout,
    signal: abort.signal,
    log,
    onConnection: connection => void opened.push(connection),
  }
  const server = await openServer(test, work, options, goodPorts)
  const { address, port } = server.address
  const to: NetConnectOpts = value.unix ? { path: address } : { port, host: address }
  servers++
  connections += value.clients.length
  const before = resources()
  const playing = value.clients.map(client => play(client, to, 'echo'))
  const promisesTo = ({ seen }: Playing): Promises =>
    work.kind === 'proxy' || goodPorts.has(seen.port)
      ? { expected: 'echo', exact: value.exact, resets: !value.unix }
      : { expected: undefined, exact: false, resets: false }
  try {
    const changed = work.kind === 'proxy' ? work.changes.map(change => changeLink(server as ProxyServer, change)) : []
    if (end === 'close' || end === 'abort') {
      await playToTheEnd(playing, () => value.exact)
      await inTime(Promise.all(changed), 'a change of transforms')
      if (work.kind === 'proxy') await inTime((server as ProxyServer).enable(), 'enable()')
      await allEnded(opened, server, work)
      await restored('with all clients gone handles and descriptors', before, resources, settleTime)
      playing.push(await ordinaryClient(to, 'echo'))
    } else await delay(50)
    await stop(server, end, abort)
    await leaveAll(playing)
    await inTime(Promise.all(changed), 'a change of transforms')
  } finally {
    await leaveAll(playing)
    await inTime(server.close({ drain: 0 }), 'close() without drain')
  }
  for (const [i, client] of playing.entries()) checkSeen(i, client, promisesTo(client))
  const summaries = await allEnded(opened, server, work)
  checkCounts(server, summaries, lines)
}

async function openServer(
  test: Test,
  work: Work,
  options: ListenOptions,
  goodPorts: Set<number | undefined>,
): Promise<Server> {
  /** The behaviours of this connection, and a note if they are all good ones. */
  function turn<T>(
    each: readonly T[],
    { number, port }: { number: number; port: number | undefined },
    isGood: (one: T) => boolean,
  ): T {
    const one = turnOf(each, number)
    if (isGood(one) && port !== undefined) goodPorts.add(port)
    return one
  }

  if (work.kind === 'proxy') {
    const { to } = await listen(test, socket => void socket.pipe(socket))
    return proxy({
      ...options,
      to,
      transforms: spec(...textOf(work.text)),
      replyTransforms: spec(...textOf(work.text)),
    })
  }
  if (work.kind === 'handlers') {
    return serve(options, (socket, context) => {
      const name = turn(work.each, context.connection, one => one in handlers.good)
      return behaviour(handlers, name)(socket, context)
    })
  }
  if (work.kind === 'sinks') {
    const to = ({ number }: { number: number }) => behaviour(sinks, turnOf(work.each, number).to)()
    const from = ({ number }: { number: number }) => behaviour(sources, turnOf(work.each, number).from)()
    return serve({ ...options, to, from })
  }
  return serve({
    ...options,
    reply: true,
    transforms: info => {
      const names = turn(work.each, info, one => one.every(name => name in stages.good))
      return [...names.map(name => behaviour(stages, name)()), ...spec(...textOf(work.text))()]
    },
  })
}

async function changeLink(link: ProxyServer, { after, what, direction, text }: Change): Promise<void> {
  await delay(after)
  try {
    await changes[what](link, direction, text)
  } catch (error) {
    const code = errorCode(error)
    const isExpected =
      code === 'ERR_STAGE' || code === 'ERR_CLOSED' || code === 'EADDRINUSE' || String(error) === String(failure())
    if (!isExpected) throw new Finding(`${what}: ${(error as Error).stack}`)
  }
}

async function stop(server: Server, end: Case['end'], abort: AbortController): Promise<void> {
  if (end.startsWith('close')) {
    await inTime(server.close({ drain: end === 'close' ? 1000 : 30 }), 'the end of the server')
    return inTime(server.closed, 'server.closed')
  }
  abort.abort()
  const error = await inTime(
    server.closed.then(
      () => undefined,
      (reason: unknown) => reason,
    ),
    'server.closed',
  )
  if (errorCode(error) !== 'ABORT_ERR')
    throw new Finding(`after an abort server.closed is settled with ${String(error)}`)
}

/** A finding names the behaviours of those that have not ended. */
async function allEnded(opened: readonly Connection[], server: Server, work: Work): Promise<Summary[]> {
  try {
    return await inTime(Promise.all(opened.map(({ closed }) => closed)), 'the end of every connection')
  } catch (error) {
    const open = [...server.connections].map(({ number }) =>
      'each' in work ? turnOf<unknown>(work.each, number) : work.kind,
    )
    throw new Finding(`${(error as Error).message}: ${JSON.stringify(open)}`)
  }
}

function turnOf<T>(each: readonly T[], number: number): T {
  return each[number % each.length] as T
}

function checkCounts(server: Server, summaries: readonly Summary[], lines: readonly Record<string, unknown>[]): void {
  const ends = lines.filter(({ msg }) => msg === 'connection closed' || msg === 'connection failed')
  const failed = summaries.filter(({ error }) => error).length
  const stats = server.stats()
  const all = {
    open: server.connections.size,
    accepted: stats.accepted,
    failed: stats.failed,
    ended: Object.values(stats.closed).reduce((sum, count) => sum + count),
    summaries: summaries.length,
    failedSummaries: failed,
    lines: ends.length,
  }
  const { open, accepted, ended } = all
  const isEven = [summaries.length, ends.length, ended].every(count => count === accepted)
  if (open !== 0 || !isEven || all.failed !== failed) throw new Finding(`the accounts differ: ${JSON.stringify(all)}`)
}

function behaviour<T>({ good, bad, endless }: Behaviours<T>, name: string): T {
  return (good[name] ?? bad[name] ?? endless[name]) as T
}

function textOf(text: string): string[] {
  return text === '' ? [] : [text]
}

function fail(): never {
  throw failure()
}

/** Lets so many chunks pass and does this instead with the next one. */
function behind<T>(chunks: number, work: () => T): (chunk: Buffer) => Buffer | T {
  let passed = 0
  return chunk => (passed++ < chunks ? chunk : work())
}

/** A PassThrough to which this happens soon after its first byte. */
function later(happen: (stream: PassThrough) => unknown): Duplex {
  const stream = new PassThrough()
  const timer = () => setTimeout(() => happen(stream), 5)
  return stream.once('readable', timer)
}

function closed(socket: Duplex): Promise<void> {
  return new Promise(resolve => socket.once('close', () => resolve()))
}

function drained(socket: Duplex): Promise<void> {
  return new Promise(resolve => {
    socket.once('drain', resolve)
    socket.once('close', resolve)
  })
}
