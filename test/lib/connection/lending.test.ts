import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { PassThrough, Readable, Writable } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import { none, stop } from 'stream-chain/defs.js'
import t, { type Test } from 'tap'
import { openChain } from '../../../lib/connection/chain.js'
import type { Leg, Sink } from '../../../lib/endpoints/endpoint.js'
import { eachLine, type Stage } from '../../../lib/stages/stage.js'
import { observers } from '../../../lib/stats/observer.js'
import { base64, counter } from '../../../transforms/index.js'
import { memorySink, until } from '../network.js'
import { divisible, flow, from, into, open, openOver, socketLegs, upper } from './support.js'

/** To whom a leg lends now: the number of stages between, and what releases its memory. */
function lender(leg: Leg) {
  const state: { to: Writable | undefined; through: number; times: number } = { to: undefined, through: 0, times: 0 }
  leg.lend = (to, through = []) => {
    Object.assign(state, { to, through: through.length })
    if (to) state.times++
  }
  return state
}

function releasing(): Sink & { readonly data: Buffer } {
  return Object.assign(memorySink(), { releases: true })
}

/** A stage that gives what it takes. */
const passing = Object.assign((chunk: Buffer) => chunk, { memory: 'passes' as const })

t.test('a source lends along stages that pass chunks on, to what releases them', async t => {
  const pass = () => [passing, counter()]
  for (const [title, segments, through, taker] of [
    ['no stages', {}, 0, 'sink'],
    ['a run', { a: pass }, 1, 'sink'],
    ['two segments, and an empty one', { a: pass, b: () => [], c: pass }, 2, 'sink'],
    ['a stage that releases', { a: () => [base64()] }, 0, 'stage'],
    ['a stage of lines, whatever follows', { a: () => [eachLine(line => line), new PassThrough()] }, 0, 'stage'],
    ['one behind others', { a: pass, b: () => [base64()] }, 1, 'stage'],
    ['a stage that says nothing', { a: () => [upper] }, 0, 'none'],
    ['one behind others that says nothing', { a: pass, b: () => [upper] }, 0, 'none'],
    ['another Duplex', { a: () => [new PassThrough()] }, 0, 'none'],
    ['a Duplex behind a run', { a: () => [passing, new PassThrough()] }, 0, 'none'],
  ] as [string, Record<string, () => Stage[]>, number, string][]) {
    const sink = releasing()
    const { leg, run, say, peer } = flowOf(t, segments, sink)
    const lent = lender(leg)
    const done = run()
    await say('some bytes')
    const to = lent.to === undefined ? 'none' : lent.to === sink ? 'sink' : 'stage'
    t.strictSame([to, lent.through], [taker, through], title)
    peer.end()
    await done
    t.equal(lent.to, undefined, 'no longer than it lasts')
  }
})

function flowOf(t: Test, segments: Record<string, () => Stage[]>, sink: Sink) {
  const { leg, peer, connection } = open(t)
  const { chain, run } = openChain('forward', undefined)
  for (const [name, stages] of Object.entries(segments)) void chain.set(name, stages)
  const say = async (text: string) => {
    peer.write(text)
    await setImmediate()
    await setImmediate()
  }
  return { leg, peer, chain, connection, say, run: () => run(connection, from(leg, sink)) }
}

t.test('not to a sink that may hold what it has written, nor if somebody hears', async t => {
  const held = flow(t)
  const lent = lender(held.leg)
  await held.say('x')
  t.equal(lent.times, 0)
  const { leg, peer, connection } = open(t, { observer: { ...observers([]), takesBytes: true, passed: () => {} } })
  const heard = lender(leg)
  const done = openChain('forward', undefined).run(connection, from(leg, releasing()))
  peer.end('x')
  await done
  t.equal(heard.times, 0)
})

t.test('a source or a leg lends, to a sink or a leg', async t => {
  const lent: (Writable | undefined)[] = []
  const lend = (sink: Writable | undefined) => void lent.push(sink)
  const chunks = () => Object.assign(Readable.from([Buffer.from('data')]), { lend })
  const { run } = openChain('forward', undefined)
  const one = releasing()
  await run(open(t).connection, { source: chunks(), sink: one })
  t.same(lent.splice(0), [one, undefined])
  const { leg, peer, connection } = open(t)
  peer.end()
  Object.assign(leg, { releases: true })
  await run(connection, into(chunks(), leg))
  t.same(lent.splice(0), [leg.stream, undefined])
  const { leg: lending, peer: sender, connection: other } = open(t)
  sender.end('data')
  Object.assign(lending, { lend })
  const sink = releasing()
  await run(other, { ...from(lending, sink), sinkLeg: { ...lending, releases: false } })
  t.same(lent.splice(0), [sink, undefined], 'a sink of its own before the leg')
})

t.test('when stages change, it lends along the new ones', async t => {
  const sink = releasing()
  const { leg, peer, chain, run, say } = flowOf(t, {}, sink)
  const lent = lender(leg)
  const done = run()
  const seen: string[] = []
  const look = async (text: string) => {
    await say(text)
    seen.push(lent.to === undefined ? 'none' : lent.to === sink ? `${lent.through} sink` : `${lent.through} stage`)
  }
  await look('a')
  await chain.set('first', () => [passing])
  await look('b')
  await chain.set('second', () => [upper])
  await look('c')
  await chain.set('second', () => [eachLine(line => line)])
  await look('d\n')
  await chain.remove('second')
  await look('e')
  await chain.clear()
  await look('f')
  t.strictSame(seen, ['0 sink', '1 sink', 'none', '1 stage', '1 sink', '0 sink'])
  peer.end()
  await done
  t.equal(String(sink.data), 'abCd\nef')
})

for (const [title, last] of [
  ['stops', stop],
  ['drops chunks, which it must not,', none],
] as const)
  t.test(`what a sink still has when a stage ${title} is not overwritten`, async t => {
    const [leg, peer] = await socketLegs(t)
    const { connection } = openOver([leg, peer])
    const held: Buffer[] = []
    const copies: Buffer[] = []
    const callbacks: (() => void)[] = []
    const writable = new Writable({
      highWaterMark: 1024 * 1024,
      write(_chunk, _encoding, callback) {
        callbacks.push(callback)
        if (isOver) callback()
      },
    })
    writable.write = (chunk: Buffer) => {
      held.push(chunk)
      copies.push(Buffer.from(chunk))
      return Writable.prototype.write.call(writable, chunk, 'utf8')
    }
    let isOver = false
    let dropped = 0
    const stage = (chunk: Buffer) => {
      if (writable.writableNeedDrain) {
        dropped++
        return last
      }
      return chunk
    }
    const sink = Object.assign(writable, { releases: true })
    const { run } = openChain('forward', () => [Object.assign(stage, { memory: 'passes' as const })])
    const done = run(connection, from(leg, sink))
    done.catch(() => {})
    peer.stream.on('error', () => {})
    for (let i = 0; i < 40; i++) peer.stream.write(Buffer.alloc(1024 * 1024, i))
    await until(() => dropped > 0)
    for (let i = 0; i < 50; i++) await setImmediate()
    t.ok(held.every((chunk, i) => chunk.equals(copies[i] as Buffer)))
    isOver = true
    for (const callback of callbacks.splice(0)) callback()
    peer.stream.end()
    await done
  })

t.test('every byte arrives, while stages change and blocks are used again', async t => {
  const [leg, peer] = await socketLegs(t)
  const { connection } = openOver([leg, peer])
  const { chain, run } = openChain('forward', undefined)
  const hash = createHash('sha256')
  let taken = 0
  const writable = new Writable({
    highWaterMark: 1, // so that the stages hold something, too
    async write(chunk: Buffer, _encoding, callback) {
      if (taken % 5 < 3) await setImmediate()
      hash.update(chunk)
      taken += chunk.length
      callback()
    },
  })
  const sink = Object.assign(writable, { releases: true })
  const done = run(connection, from(leg, sink))
  const bytes = randomBytes(48 * 1024 * 1024)
  const ways: (() => Stage[])[] = [
    () => [passing],
    () => [passing, (chunk: Buffer) => chunk],
    () => [],
    () => [counter(), divisible(() => new PassThrough())(), passing],
    () => [(chunk: Buffer) => chunk],
  ]
  const sending = (async () => {
    for (let at = 0; at < bytes.length; at += 1024 * 1024)
      if (!peer.stream.write(bytes.subarray(at, at + 1024 * 1024))) await once(peer.stream, 'drain')
    peer.stream.end()
  })()
  for (let i = 0; taken < 0.9 * bytes.length; i++) {
    await chain.set(i % 2 === 0 ? 'a' : 'b', ways[i % ways.length] as () => Stage[])
    const before = taken
    while (taken === before && taken < bytes.length) await setImmediate()
  }
  await Promise.all([sending, done])
  t.equal(hash.digest('hex'), createHash('sha256').update(bytes).digest('hex'))
})
