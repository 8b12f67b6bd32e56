import { once } from 'node:events'
import { PassThrough, Transform, Writable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { type Chain, openChain } from '../../../lib/connection/chain.js'
import { openConnection } from '../../../lib/connection/connection.js'
import { proxy, send, serve } from '../../../lib/index.js'
import { eachLine, type Stage } from '../../../lib/stages/stage.js'
import type { Transforms } from '../../../lib/stages/transforms.js'
import { errorCode } from '../../../lib/text/errors.js'
import { delay } from '../../../transforms/delay.js'
import { exec, gunzip, limit, slice, throttle } from '../../../transforms/index.js'
import fc from '../../fast-check.js'
import { fakeClock } from '../clock.js'
import { memorySink } from '../network.js'
import { turns } from '../stats/stopped-clock.js'
import { bracket, divisible, flow, from, holder, legs, open, slowEnd, upper } from './support.js'

t.test('the transforms are made for each connection, and know it and their direction', async t => {
  const { chain, run } = openChain('reply', info => [chunk => `${info.direction} ${info.id} ${chunk}`])
  t.same(chain.list(), ['transforms'])
  for (const word of ['a', 'b']) {
    const { leg, peer, connection } = open(t)
    const sink = memorySink()
    peer.end(word)
    await run(connection, from(leg, sink))
    t.equal(String(sink.data), `reply ${connection.id} ${word}`)
  }
})

t.test(
  'stop ends what runs for a connection as if its source had ended: what the stages hold is delivered',
  async t => {
    const { run, stop } = openChain('forward', () => [{ write: chunk => chunk, flush: () => Buffer.from(' held') }])
    const other = open(t)
    const more = memorySink()
    const going = run(other.connection, from(other.leg, more))
    const { leg, peer, connection } = open(t)
    const sink = memorySink()
    const done = run(connection, from(leg, sink))
    peer.write('sent')
    await turns()
    t.equal(String(sink.data), 'sent')
    stop(connection)
    await done
    t.equal(String(sink.data), 'sent held')
    other.peer.end('another')
    await going
    t.equal(String(more.data), 'another held', 'other connections go on')
  },
)

t.test('whether a connection has stages, without which the sink gets the bytes of the source', async t => {
  const { connection } = open(t)
  const made: Transform[] = []
  const chain = openChain('forward', info => {
    const stage = new Transform({ transform: (chunk, _encoding, callback) => callback(null, chunk) })
    made.push(stage)
    return info.direction === 'forward' ? [stage] : []
  })
  t.equal(chain.hasStages(connection), true)
  t.ok(
    made.every(stage => stage.destroyed),
    'none is left open',
  )
  await chain.chain.use(() => [])
  t.equal(chain.hasStages(connection), false)
  await chain.chain.set('more', () => upper)
  t.equal(chain.hasStages(connection), true)
  t.equal(openChain('reply', undefined).hasStages(connection), false)
})

t.test(
  'a sink that takes the bytes of the source as they are gets them without stages, and no change reaches it',
  async t => {
    const { leg, peer, connection } = open(t)
    const sink = Object.assign(memorySink(), { isExact: true })
    const { chain, run } = openChain('forward', () => upper)
    const done = run(connection, from(leg, sink))
    peer.write('a')
    await turns()
    await chain.set('more', () => bracket)
    peer.end('b')
    await done
    t.equal(String(sink.data), 'ab')
  },
)

t.test('segments stand in the order in which they are set, or before the one that is named', async t => {
  const { chain } = openChain('forward', undefined)
  const same: Transforms = () => []
  for (const [title, change, list] of [
    ['nothing at first', () => Promise.resolve(), []],
    ['the first one', () => chain.set('a', same), ['a']],
    ['at the end', () => chain.set('b', same), ['a', 'b']],
    ['at the beginning', () => chain.set('c', same, { before: 'a' }), ['c', 'a', 'b']],
    ['in the middle', () => chain.set('d', same, { before: 'b' }), ['c', 'a', 'd', 'b']],
    ['one that is there keeps its place', () => chain.set('a', same), ['c', 'a', 'd', 'b']],
    ['whatever it shall be before', () => chain.set('a', same, { before: 'c' }), ['c', 'a', 'd', 'b']],
    ['before nothing that is named', () => chain.set('e', same, { before: undefined }), ['c', 'a', 'd', 'b', 'e']],
    ['one is removed', () => chain.remove('a'), ['c', 'd', 'b', 'e']],
    ['use replaces all by one', () => chain.use(same), ['transforms']],
    ['whose name is like any other', () => chain.set('x', same, { before: 'transforms' }), ['x', 'transforms']],
    ['clear removes all', () => chain.clear(), []],
  ] as [string, () => Promise<void>, string[]][]) {
    await change()
    t.same(chain.list(), list, title)
  }
})

t.test('what is wrong is refused in words, and changes nothing', async t => {
  const { chain } = openChain('reply', undefined)
  const same: Transforms = () => []
  const isUnknown = (name: string, expected: string) => `reply: unknown segment '${name}'; ${expected}`
  await t.rejects(chain.remove('a'), { code: 'ERR_OPTION', message: isUnknown('a', 'there is none') })
  await chain.set('one', same)
  await chain.set('two', same)
  for (const [title, change, message] of [
    ['remove', () => chain.remove('three'), isUnknown('three', 'expected one, two')],
    ['set before', () => chain.set('new', same, { before: 'three' }), isUnknown('three', 'expected one, two')],
    ['no name', () => chain.set('', same), "name: '' is not allowed; expected a text"],
    ['another name', () => chain.set(7 as never, same), 'name: 7 is not allowed; expected a text'],
    ['a symbol', () => chain.set(Symbol('x') as never, same), 'name: Symbol(x) is not allowed; expected a text'],
    ['no function', () => chain.set('one', [] as never), /^transforms must be a function/],
    ['no function to use', () => chain.use([] as never), /^transforms must be a function/],
  ] as [string, () => Promise<void>, string | RegExp][]) {
    await t.rejects(change(), { code: 'ERR_OPTION', message }, title)
    t.same(chain.list(), ['one', 'two'], title)
  }
})

t.test('a change applies to connections that are open, and to those that come later', async t => {
  const { chain, run } = openChain('forward', undefined)
  const connect = () => {
    const { leg, peer, connection } = open(t)
    const sink = memorySink()
    return { peer, sink, done: run(connection, from(leg, sink)) }
  }
  const before = connect()
  before.peer.write('a')
  await turns()
  await chain.use(() => upper)
  const after = connect()
  for (const { peer } of [before, after]) peer.write('b')
  await turns()
  await chain.set('more', () => bracket)
  for (const { peer } of [before, after]) peer.write('c')
  await turns()
  await chain.clear()
  for (const { peer, done } of [before, after]) {
    peer.end('d')
    await done
  }
  t.equal(String(before.sink.data), 'aB[C]d')
  t.equal(String(after.sink.data), 'B[C]d')
})

t.test('the chains of serve and send can be changed while bytes flow', async t => {
  const sink = memorySink()
  const server = await serve({ listen: 'memory:chains', to: () => sink })
  t.teardown(() => server.close({ drain: 0 }))
  const source = new PassThrough()
  let forward: Chain | undefined
  const sent = send({
    to: 'memory:chains',
    from: source,
    output: memorySink(),
    onConnect: connection => {
      forward = connection.forward
    },
  })
  source.write('a')
  await turns()
  await server.forward.set('serve', () => upper)
  source.write('b')
  await turns()
  await forward?.set('send', () => bracket)
  source.end('c')
  await sent
  await server.close()
  t.equal(String(sink.data), 'aB[C]')
})

t.test('both chains of a proxy can be changed while bytes flow', async t => {
  const echo = await serve({ listen: 'memory:chain-target', reply: true })
  const server = await proxy({ listen: 'memory:chain-proxy', to: 'memory:chain-target' })
  for (const each of [server, echo]) t.teardown(() => each.close({ drain: 0 }))
  const output = memorySink()
  const source = new PassThrough()
  const sent = send({ to: 'memory:chain-proxy', from: source, output })
  for (const [word, change] of [
    ['a', () => server.forward.set('there', () => upper)],
    ['b', () => server.reply.set('back', () => bracket)],
    ['c', () => server.forward.clear()],
  ] as const) {
    source.write(word)
    while (!String(output.data).toLowerCase().includes(word)) await turns(1)
    await change()
  }
  source.end('d')
  await sent
  t.equal(String(output.data), 'aB[C][d]')
})

t.test('a change of one segment leaves the state of its neighbours: a limit goes on counting', async t => {
  const clock = fakeClock(t)
  const { chain, say, text, done, sink } = flow(t, { segments: { cap: () => limit({ size: 10_240 }) } })
  await say(Buffer.alloc(4096, 'a'))
  await chain.set('late', () => delay({ latency: 20 }), { before: 'cap' })
  const since = clock.now
  await say(Buffer.alloc(4096, 'b'))
  t.ok(clock.now >= since + 20, 'the delay was in place')
  await chain.remove('late')
  await say(Buffer.alloc(4096, 'c'))
  await done
  t.equal(text(), `${'a'.repeat(4096)}${'b'.repeat(4096)}${'c'.repeat(2048)}`)
  t.ok(sink.writableFinished)
})

t.test('a throttle in front keeps its burst while a neighbour comes and goes, and not when it is set anew', async t => {
  const pace: Transforms = () => throttle({ rate: 1000, burst: 1000 })
  for (const [title, change, atOnce] of [
    ['a neighbour', (chain: Chain) => chain.set('more', () => upper).then(() => chain.remove('more')), true],
    ['itself', (chain: Chain) => chain.set('pace', pace), false],
  ] as const) {
    await t.test(title, async t => {
      const clock = fakeClock(t)
      const { chain, say, text, end } = flow(t, { segments: { pace } })
      await say('x') // from here on it counts the time
      clock.now += 5000
      await change(chain)
      const since = clock.now
      await say(Buffer.alloc(1000, 'y'))
      t.equal(text().length === 1001 && clock.now === since, atOnce)
      t.equal(await end(), `x${'y'.repeat(1000)}`)
    })
  }
})

t.test('what replaced stages hold is delivered first, and what follows goes through the new ones', async t => {
  const { chain, say, end } = flow(t, { segments: { main: holder } })
  await say('one ')
  await chain.set('main', () => upper)
  await say('two ')
  await chain.remove('main')
  await say('three ')
  await chain.use(() => [holder(), upper])
  t.equal(await end('four'), 'one TWO three FOUR')
})

t.test('what a removed segment holds goes through those behind it', async t => {
  const { chain, say, end } = flow(t, { segments: { first: holder, second: () => bracket, third: () => upper } })
  await say('a')
  await chain.remove('first')
  await say('b')
  await chain.remove('second')
  t.equal(await end('c'), '[A][B]C')
})

t.test('an open stage that cannot be ended in the middle refuses a change of its own segment only', async t => {
  const packed = gzipSync('hello')
  const { chain, say, end } = flow(t, {
    direction: 'reply',
    segments: { unpack: () => [gunzip(), exec({ command: ['cat'] })], main: () => upper },
  })
  await say(packed.subarray(0, 5))
  const which = 'reply: the transforms cannot be changed while gunzip, exec are open'
  const message = `${which}, which cannot be ended in the middle of a stream`
  const broken = () => {
    throw new Error('is not asked')
  }
  for (const change of [
    () => chain.set('unpack', broken),
    () => chain.remove('unpack'),
    () => chain.use(broken),
    () => chain.clear(),
  ]) {
    await t.rejects(change(), { code: 'ERR_STAGE', message })
    t.same(chain.list(), ['unpack', 'main'], 'nothing is changed')
  }
  await chain.set('main', () => bracket)
  await chain.set('more', () => upper)
  await chain.set('first', () => [], { before: 'unpack' })
  await chain.remove('first')
  await say(packed.subarray(5))
  t.equal(await end(), '[HELLO]')
})

t.test(
  'a stage that cannot be ended in the middle can be replaced before its first byte, and by the next connection',
  async t => {
    const { chain, end } = flow(t, { segments: { main: () => gunzip() } })
    await chain.set('main', () => upper)
    t.equal(await end('a'), 'A')
    await chain.set('main', () => gunzip())
    t.same(chain.list(), ['main'])
  },
)

t.test('a Duplex from elsewhere cannot be replaced while it is open', async t => {
  const { chain, say } = flow(t, { segments: { main: () => new PassThrough() } })
  await say('a')
  await t.rejects(chain.clear(), { code: 'ERR_STAGE', message: /while PassThrough is open/ })
})

t.test(
  'a function that throws for an open connection changes nothing, and what it has made for others is over',
  async t => {
    const { chain, run } = openChain('forward', () => upper)
    const made: PassThrough[] = []
    const both = [1, 2].map(() => {
      const { leg, peer, connection } = open(t)
      const sink = memorySink()
      return { peer, sink, done: run(connection, from(leg, sink)) }
    })
    for (const { peer } of both) peer.write('a')
    await turns()
    let calls = 0
    await t.rejects(
      chain.set('more', () => {
        if (++calls === 2) throw new Error('broken')
        const stream = new PassThrough()
        made.push(stream)
        return stream
      }),
      { message: 'broken' },
    )
    t.same(chain.list(), ['transforms'])
    t.same(
      made.map(stream => stream.destroyed),
      [true],
    )
    for (const { peer, sink, done } of both) {
      peer.end('b')
      await done
      t.equal(String(sink.data), 'AB')
    }
  },
)

t.test('a function that throws for a new connection fails that one', async t => {
  const { chain, run } = openChain('forward', () => {
    throw new Error('broken')
  })
  const { leg, connection } = open(t)
  await t.rejects(run(connection, from(leg, memorySink())), { message: 'broken' })
  await chain.clear()
})

t.test('a change that is superseded before it took place is over with the one that did', async t => {
  const slow = slowEnd()
  const { chain, say, end } = flow(t, { segments: { main: slow.make } })
  await say('a')
  const never = divisible(() => new Transform({ transform: () => t.fail('never in place') }))
  const changes = [
    chain.set('main', never),
    chain.set('more', () => [eachLine(() => t.fail('never in place')), never()]),
    chain.use(() => upper),
  ]
  await say('b')
  slow.release()
  await Promise.all(changes)
  t.equal(await end('c'), 'aBC')
})

t.test('a single stage may stand for a list of one', async t => {
  const { chain, end } = flow(t)
  await chain.use(() => slice({ size: 1 }))
  t.equal(await end('abc'), 'abc')
})

t.test('changes before the first byte make no stage that is not used', async t => {
  const made: string[] = []
  const stage = (name: string): Transforms => {
    return () => {
      made.push(name)
      return bracket
    }
  }
  const { chain, end } = flow(t, { lazy: true, segments: { a: stage('a'), b: stage('b') } })
  await chain.remove('a')
  await chain.set('c', () => upper)
  t.same(made, [], 'until a byte comes there are none')
  t.equal(await end('x'), '[X]')
  t.same(made, ['b'])
})

t.test('a change at the end, and behind it, is for connections that come later', async t => {
  const { chain, say, peer, leg, done, text } = flow(t, { segments: { main: () => upper } })
  await say('a')
  peer.end('b')
  await once(leg.stream, 'end')
  await chain.set('main', () => bracket)
  await done
  t.equal(text(), 'AB')
  await chain.set('main', () => upper)
  t.same(chain.list(), ['main'])
})

t.test('a change at the end tells only the stages that it replaces', async t => {
  const told: string[] = []
  const { make: last, release } = slowEnd()
  const note = (name: string) =>
    divisible(({ replaced }) => {
      replaced.addEventListener('abort', () => told.push(name))
      return new PassThrough()
    })
  const { chain, say, peer, leg, done, text } = flow(t, { segments: { a: note('a'), b: note('b'), last } })
  await say('a')
  peer.end('b')
  await once(leg.stream, 'end')
  await turns()
  await chain.set('more', () => upper)
  t.same(told, [])
  await chain.remove('b')
  t.same(told, ['b'])
  release()
  await done
  t.equal(text(), 'ab')
  t.same(told, ['b'])
})

t.test('the figures of a segment go on through all stages that it has, also when it is removed', async t => {
  const { chain, say, end, connection } = flow(t, { segments: { a: () => upper, b: () => bracket } })
  await say('12')
  await chain.set('a', () => upper)
  await say('34')
  await chain.set('a', () => [upper, bracket])
  await say('56')
  await chain.remove('a')
  t.equal(await end('78'), '[12][34][[56]][78]')
  const [direction] = connection.stats().directions
  t.match(direction, {
    direction: 'forward',
    bytesIn: 8,
    bytesOut: 18,
    segments: [
      { name: 'b', bytesIn: 10, bytesOut: 18, runs: [{ over: true, stages: [{ recordsIn: 4 }] }] },
      {
        name: 'a',
        bytesIn: 6,
        bytesOut: 8,
        runs: [
          { bytesIn: 4, over: true, stages: [{ recordsIn: 2 }] },
          { bytesIn: 2, over: true, stages: [{ recordsIn: 1 }, { recordsIn: 1 }] },
        ],
      },
    ],
  })
  t.equal(direction?.segments[1]?.runs.length, 2, 'the same stages are added up')
})

/** Stages that let everything pass, each in its own way. */
const kinds: Record<string, () => Stage[]> = {
  nothing: () => [],
  function: () => [(chunk: Buffer) => chunk],
  async: () => [async (chunk: Buffer) => turns(1).then(() => chunk)],
  lines: () => [eachLine(line => line)],
  stream: () => [divisible(() => new PassThrough())()],
  later: () => [later()],
  holder: () => [holder()],
  indivisible: () => [new PassThrough()],
  several: () => [eachLine(line => line), later(), (chunk: Buffer) => chunk, holder()],
}

const later = divisible(
  () =>
    new Transform({
      highWaterMark: 10,
      transform: (chunk, _encoding, callback) => setImmediate(callback, null, chunk),
      flush: callback => void setImmediate(callback),
    }),
)

const kind = fc.constantFrom(...Object.keys(kinds))
const name = fc.constantFrom('a', 'b', 'c')
const size = fc.oneof(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1000, max: 200_000 }))
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ write: size }) },
  { weight: 4, arbitrary: fc.record({ set: name, kind, before: fc.option(name, { nil: undefined }) }) },
  { weight: 2, arbitrary: fc.record({ turns: fc.integer({ min: 1, max: 8 }) }) },
  { weight: 2, arbitrary: fc.record({ remove: name }) },
  { weight: 1, arbitrary: fc.record({ use: kind }) },
  { weight: 1, arbitrary: fc.record({ clear: fc.constant(true) }) },
)
interface Step {
  write?: number
  turns?: number
  set?: string
  kind?: string
  before?: string | undefined
  remove?: string
  use?: string
  clear?: boolean
}

const numbered = Buffer.from(Array.from({ length: 1_000_000 }, (_, i) => `${i}${i % 7 === 6 ? '\n' : ' '}`).join(''))

function changeOf(chain: Chain, step: Step): Promise<void> | undefined {
  const stagesOf = (name: string) => () => (kinds[name] as () => Stage[])()
  if (step.set !== undefined) return chain.set(step.set, stagesOf(step.kind as string), { before: step.before })
  if (step.remove !== undefined) return chain.remove(step.remove)
  if (step.use !== undefined) return chain.use(stagesOf(step.use))
  return step.clear ? chain.clear() : undefined
}

/** Refused because of an unknown segment, or of an open stage. */
function isRefusal(error: unknown): boolean {
  return errorCode(error) === 'ERR_OPTION' || errorCode(error) === 'ERR_STAGE'
}

/** Numbered bytes through a connection that is changed meanwhile: how many were written, and what came. */
async function changed(t: Test, steps: readonly Step[], lazy: boolean, slow: boolean, first?: [string, Transforms]) {
  const [leg, { stream: peer }] = legs(t)
  const connection = openConnection(leg, { log: undefined, maxRecord: 2 ** 30, idleTimeout: 0 })
  const { chain, run } = openChain('forward', undefined)
  if (first) await chain.set(...first)
  const chunks: Buffer[] = []
  const sink = new Writable({
    highWaterMark: slow ? 10 : 100_000,
    write(chunk, _encoding, callback) {
      chunks.push(chunk)
      if (slow) setImmediate(callback)
      else callback()
    },
  })
  const changes: Promise<unknown>[] = [run(connection, { ...from(leg, sink), lazy })]
  let written = 0
  for (const step of steps) {
    const chunk = numbered.subarray(written, written + (step.write ?? 0))
    written += chunk.length
    if (chunk.length > 0) peer.write(chunk)
    const change = changeOf(chain, step)?.catch(error => {
      if (!isRefusal(error)) throw error
    })
    if (change) changes.push(change)
    await turns(step.turns ?? 0)
  }
  peer.end()
  await Promise.all(changes)
  const { bytesIn, bytesOut } = connection.stats().directions[0] ?? {}
  connection.drop()
  return { written, output: Buffer.concat(chunks), bytesIn, bytesOut }
}

t.test('whatever is changed while bytes flow, none is lost, repeated or moved', async t => {
  const holds = fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), fc.boolean(), fc.boolean(), async (steps, lazy, slow) => {
      const { written, output, bytesIn, bytesOut } = await changed(t, steps, lazy, slow)
      return output.equals(numbered.subarray(0, written)) && bytesIn === written && bytesOut === written
    }),
    { numRuns: 150 },
  )
  await t.resolves(holds)
})

t.test('a limit passes the same number of bytes, whatever changes around it', async t => {
  const around = fc.oneof(
    { weight: 6, arbitrary: fc.record({ write: size }) },
    { weight: 4, arbitrary: fc.record({ set: name, kind, before: fc.constantFrom('a', 'cap', undefined) }) },
    { weight: 2, arbitrary: fc.record({ turns: fc.integer({ min: 1, max: 8 }) }) },
    { weight: 2, arbitrary: fc.record({ remove: name }) },
  )
  const steps = fc.array(around, { maxLength: 30 })
  const holds = fc.assert(
    fc.asyncProperty(steps, size, fc.boolean(), fc.boolean(), async (steps, most, lazy, slow) => {
      const cap: Transforms = () => limit({ size: most })
      const { written, output, bytesOut } = await changed(t, steps, lazy, slow, ['cap', cap])
      return output.equals(numbered.subarray(0, Math.min(written, most))) && bytesOut === output.length
    }),
    { numRuns: 150 },
  )
  await t.resolves(holds)
})

t.test('a character of UTF-8 that a change cuts comes out whole', async t => {
  const lines: Transforms = () => eachLine(line => line)
  const none: Transforms = () => []
  for (const [title, segments, change] of [
    ['to nothing', { main: lines }, chain => chain.set('main', none)],
    ['removed', { main: lines }, chain => chain.remove('main')],
    ['to lines', { main: lines }, chain => chain.set('main', lines)],
    ['to bytes', { main: lines }, chain => chain.set('main', () => (chunk: Buffer) => chunk)],
    [
      'to a Duplex',
      { main: lines },
      chain =>
        chain.set(
          'main',
          divisible(() => new PassThrough()),
        ),
    ],
    ['to lines behind a Duplex', { main: () => [eachLine(line => line), later()] }, chain => chain.set('main', lines)],
    ['with another one behind it', { main: lines, more: () => bytes }, chain => chain.remove('main')],
    ['lines in front of lines', { main: lines, more: lines }, chain => chain.remove('main')],
    ['lines behind lines', { main: lines, more: lines }, chain => chain.remove('more')],
    ['to nothing, with lines behind it', { main: lines, more: lines }, chain => chain.set('main', none)],
    ['nothing in front of it', { main: lines, more: lines }, chain => chain.set('new', none, { before: 'main' })],
    ['two at once', { main: lines, more: lines }, chain => chain.clear()],
    ['two at once to lines', { main: lines, more: lines }, chain => chain.use(lines)],
  ] as [string, Record<string, Transforms>, (chain: Chain) => Promise<void>][]) {
    for (const character of ['é', '€', '𝄞']) {
      const bytes = Buffer.from(character)
      for (let first = 1; first < bytes.length; first++) {
        const { chain, say, end } = flow(t, { segments })
        await say(Buffer.concat([Buffer.from('a'), bytes.subarray(0, first)]))
        await change(chain)
        t.equal(await end(bytes.subarray(first)), `a${character}`, `${title}: ${character}, ${first} bytes of it`)
      }
    }
  }
})

function bytes(chunk: Buffer): Buffer {
  return chunk
}

t.test('a record is cut where the change comes', async t => {
  const lines: Transforms = () => eachLine(line => `<${line}>`)
  const { chain, say, end } = flow(t, { segments: { main: lines } })
  await say('one\ntw')
  await chain.set('main', lines)
  t.equal(await end('o\n'), '<one>\n<tw><o>\n')
})

t.test(
  'two segments with an empty one between them are removed at once: what the first holds goes through the other',
  async t => {
    let release = () => {}
    const slow = divisible(() => {
      const held: Buffer[] = []
      return new Transform({
        transform: (chunk, _encoding, done) => done(null, void held.push(chunk)),
        flush(done) {
          release = () => done(null, Buffer.concat(held))
        },
      })
    })
    const { chain, say, end } = flow(t, { segments: { first: slow, empty: () => [], last: () => upper } })
    await say('a')
    const changes = [chain.remove('first'), chain.remove('last')]
    const ended = end('b')
    await turns()
    release()
    await Promise.all(changes)
    t.equal(await ended, 'Ab')
  },
)

t.test('figures list the segments from the source to the sink, and then those that are gone', async t => {
  const { chain, say, connection } = flow(t, { segments: { a: () => upper } })
  const names = () => connection.stats().directions[0]?.segments.map(({ name }) => name)
  await say('x')
  await chain.set('b', () => upper, { before: 'a' })
  t.same(names(), ['b', 'a'])
  await chain.remove('b')
  t.same(names(), ['a', 'b'])
})

t.test('the bytes of a direction have the part of a character that a stage has left, too', async t => {
  const { chain, say, end, connection } = flow(t, { segments: { main: () => eachLine((line: string) => line) } })
  await say(Buffer.from([0xe2, 0x82]))
  await chain.clear()
  t.equal(await end(Buffer.from([0xac])), '€')
  t.match(connection.stats().directions, [{ bytesIn: 3, bytesOut: 3 }])
})

t.test('it knows whether a connection has stages: then its sink does not get what its source gives', async t => {
  const { connection } = open(t)
  t.notOk(openChain('forward', undefined).hasStages(connection))
  t.notOk(openChain('forward', () => []).hasStages(connection))
  const made: Transform[] = []
  const { hasStages, chain } = openChain('forward', () => {
    made.push(new PassThrough())
    return made
  })
  t.ok(hasStages(connection))
  t.ok(made[0]?.destroyed, 'one that was made for the question is not left')
  await chain.clear()
  t.notOk(hasStages(connection))
})

t.test('a sink that needs exactly what the source gives has no stages, also when they come later', async t => {
  const { chain, run } = openChain('forward', () => [chunk => `${chunk}!`])
  const { leg, peer, connection } = open(t)
  const sink = memorySink()
  const done = run(connection, from(leg, Object.assign(sink, { isExact: true })))
  peer.write('a')
  await turns()
  await chain.set('late', () => [chunk => `${chunk}?`])
  peer.end('b')
  await done
  t.equal(String(sink.data), 'ab')
})
