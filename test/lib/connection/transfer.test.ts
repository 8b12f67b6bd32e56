import { once } from 'node:events'
import { type Duplex, PassThrough, Readable, Transform, Writable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { openChain } from '../../../lib/connection/chain.js'
import { openTransfer } from '../../../lib/connection/transfer.js'
import type { Sink } from '../../../lib/endpoints/endpoint.js'
import { toParts } from '../../../lib/stages/parts.js'
import { plan } from '../../../lib/stages/plan.js'
import { eachLine, type Stage } from '../../../lib/stages/stage.js'
import type { Transforms } from '../../../lib/stages/transforms.js'
import { delay } from '../../../transforms/delay.js'
import { gunzip, limit, stall } from '../../../transforms/index.js'
import { fakeClock } from '../clock.js'
import { closed, collect, endless, failingSink, heldSink, memorySink, silent } from '../network.js'
import { settled } from '../pipes.js'
import { stoppedClock, turns } from '../stats/stopped-clock.js'
import { around, bracket, divisible, flow, from, holder, into, open, slowEnd, upper, write } from './support.js'

/** A transfer between streams that are no legs. */
function between(t: Test, source: Readable, sink: Sink, transforms?: Transforms) {
  const { connection } = open(t)
  const { chain, run } = openChain('forward', transforms)
  const done = run(connection, { source, sink })
  done.catch(() => {})
  return { chain, done, connection }
}

/** A sink that takes what comes one by one, and only when it is told to. */
function slowSink() {
  const { sink, release } = heldSink()
  const chunks: Buffer[] = []
  const { _write } = sink
  sink._write = (chunk, encoding, callback) => {
    chunks.push(chunk)
    _write.call(sink, chunk, encoding, callback)
  }
  return { sink, release, taken: () => String(Buffer.concat(chunks)) }
}

t.test('bytes go through no stage, one, or several', async t => {
  for (const [stages, expected] of [
    [() => [], 'abc'],
    [() => [upper], 'ABC'],
    [() => [upper, new PassThrough(), bracket], '[ABC]'],
  ] as [() => Stage[], string][]) {
    for (const lazy of [false, true]) {
      const { end } = flow(t, { lazy, segments: { main: stages } })
      t.equal(await end('abc'), expected)
    }
    const sink = memorySink()
    await between(t, Readable.from([Buffer.from('abc')]), sink, stages).done
    t.equal(String(sink.data), expected, 'between other streams, too')
  }
})

t.test('without segments the source is piped into the sink as it is', async t => {
  const { end } = flow(t)
  t.equal(await end('abc'), 'abc')
})

t.test('a source that has ended already ends the sink', async t => {
  for (const lazy of [false, true]) {
    const { leg, peer, connection } = open(t)
    leg.stream.resume()
    peer.end()
    await once(leg.stream, 'end')
    const sink = memorySink()
    const transforms: Transforms = () => [() => t.fail('never called'), divisible(() => new PassThrough())()]
    await openChain('forward', transforms).run(connection, { ...from(leg, sink), lazy })
    t.ok(sink.writableFinished)
    t.equal(String(sink.data), '')
  }
})

t.test('a source or a sink that is lost fails the transfer, with its error if it has one', async t => {
  const reset = new Error('reset')
  const premature = { code: 'ERR_STREAM_PREMATURE_CLOSE', message: 'Premature close' }
  for (const [title, error, expected] of [
    ['with an error', reset, reset],
    ['without one', undefined, premature],
  ] as const) {
    for (const when of ['before', 'while']) {
      for (const which of ['source', 'sink']) {
        for (const lazy of [false, true]) {
          const source = silent()
          const sink = memorySink()
          const lost = which === 'source' ? source : sink
          for (const each of [source, sink]) each.on('error', () => {})
          if (when === 'before') await closed(lost.destroy(error))
          const { connection } = open(t)
          const segments = [{ name: 'main', make: () => plan([]) }]
          const forget = () => {}
          const { done } = openTransfer({ direction: 'forward', source, sink, lazy, segments }, forget)
          if (when === 'while') lost.destroy(error)
          await t.rejects(done, expected, `the ${which} ${title}, ${when}, ${lazy ? 'lazy' : 'at once'}`)
          connection.drop()
        }
      }
    }
  }
})

t.test('what a source of the user gave before it failed is delivered first (G-51)', async t => {
  const boom = new Error('boom')
  for (const transforms of [undefined, () => [upper], () => [upper, new PassThrough(), bracket]]) {
    const source = new PassThrough()
    const { sink, release, taken } = slowSink()
    const { done, connection } = between(t, source, sink, transforms)
    let isOver = false
    connection.closed.then(() => {
      isOver = true
    })
    source.write('a')
    await settled(() => taken().length)
    source.destroy(boom)
    t.equal(await settled(() => Number(isOver)), 0, 'the sink has not taken it')
    release()
    await t.rejects(done, boom)
  }
  const { sink } = slowSink()
  const source = new PassThrough()
  const { done, connection } = between(t, source, sink)
  source.write('a')
  await settled(() => source.readableLength)
  source.destroy(boom)
  connection.fail(new Error('another'))
  await t.rejects(done, { message: 'another' }, 'it is not waited for in vain')
})

t.test('an end that turns out to be a failure is not passed on', async t => {
  for (const transforms of [undefined, () => upper]) {
    const source = new PassThrough()
    const sink = memorySink()
    source.once('end', () => source.destroy(new Error('reset'))) // as a connection does that finds a reset behind it
    const { done } = between(t, source, sink, transforms)
    source.end('a')
    await t.rejects(done, { message: 'reset' })
    t.notOk(sink.writableEnded)
  }
})

t.test('stages that fail, or cannot be made, fail the transfer with their error', async t => {
  const error = new Error('broken')
  const broken = () => {
    throw error
  }
  for (const [title, transforms] of [
    ['a function', () => broken],
    ['one of several', () => [broken, new PassThrough()]],
    ['the last of several', () => [new PassThrough(), broken]],
    ['a promise', () => async () => broken()],
    ['a stream', () => new Transform({ transform: (_chunk, _encoding, done) => done(error) })],
    ['they cannot be made', broken],
  ] as [string, Transforms][]) {
    for (const lazy of [false, true]) {
      const { done, peer } = flow(t, { lazy, segments: { main: transforms } })
      peer.write('a')
      await t.rejects(done, error, `${title}, ${lazy ? 'lazy' : 'at once'}`)
    }
  }
})

t.test('a sink that fails fails the transfer with its error', async t => {
  const error = new Error('full')
  const atEnd = new Writable({ write: (_chunk, _encoding, done) => done(), final: done => done(error) })
  for (const sink of [failingSink(error), atEnd]) {
    const { done, peer } = flow(t, { sink })
    peer.end('a')
    await t.rejects(done, error)
  }
})

t.test('lazy stages are made when the first byte comes, or the end', async t => {
  for (const [title, act] of [
    ['a byte', (peer: Duplex) => peer.write('x')],
    ['the end', (peer: Duplex) => peer.end()],
  ] as const) {
    let made = 0
    const transforms: Transforms = () => {
      made++
      return upper
    }
    const { peer } = flow(t, { lazy: true, segments: { main: transforms } })
    await turns()
    t.equal(made, 0, 'nothing has come')
    act(peer)
    await turns()
    t.equal(made, 1, title)
  }
  const { leg, peer, connection } = open(t)
  peer.write('x')
  await turns()
  leg.stream.read(0)
  let made = 0
  const { run } = openChain('forward', () => [void made++, upper].slice(1) as Stage[])
  run(connection, { ...from(leg, memorySink()), lazy: true }).catch(() => {})
  t.equal(made, 1, 'at once if a byte is there already')
})

t.test('stages that are not lazy are made at once', async t => {
  let made = 0
  flow(t, { segments: { main: () => [void made++, upper].slice(1) as Stage[] } })
  t.equal(made, 1)
})

t.test('stages are told that they are replaced, and their signal that they are over', async t => {
  const heard: string[] = []
  const stage = divisible(({ signal, replaced }) => {
    signal.addEventListener('abort', () => heard.push('over'))
    replaced.addEventListener('abort', () => heard.push('replaced'))
    return new PassThrough()
  })
  const { chain, say, connection, text } = flow(t, { segments: { main: stage } })
  await say('a')
  t.same(heard, [])
  await chain.set('main', () => upper)
  await turns()
  t.same(heard, ['replaced', 'over'])
  await say('b')
  t.equal(text(), 'aB')
  connection.fail(new Error('over'))
})

t.test('stages that are over are no part of the connection any more', async t => {
  const streams: PassThrough[] = []
  const stage = divisible(() => {
    const stream = new PassThrough({ autoDestroy: false })
    streams.push(stream)
    return stream
  })
  const { chain, say, connection } = flow(t, { segments: { main: stage } })
  await say('a')
  await chain.set('main', stage)
  await say('b')
  connection.fail(new Error('over'))
  t.same(
    streams.map(({ destroyed }) => destroyed),
    [false, true],
  )
})

t.test('stages that were made for nothing are over, too', async t => {
  for (const [title, act] of [
    [
      'superseded before the first byte',
      async (stage: Transforms) => {
        const { chain } = flow(t, { lazy: true })
        await chain.use(stage)
        await chain.clear()
      },
    ],
    [
      'superseded while another one ends',
      async (stage: Transforms) => {
        const slow = slowEnd()
        const { chain, say } = flow(t, { segments: { main: slow.make } })
        await say('a')
        const changes = [chain.set('main', stage), chain.clear()]
        await turns()
        slow.release()
        await Promise.all(changes)
      },
    ],
    [
      'at the end of the source',
      async (stage: Transforms) => {
        const { chain, leg, peer } = flow(t, { sink: heldSink().sink, segments: { main: () => upper } })
        peer.end('a')
        await once(leg.stream, 'end')
        await chain.use(stage)
      },
    ],
  ] as [string, (stage: Transforms) => Promise<void>][]) {
    let made = 0
    let over = 0
    const stage = divisible(({ signal }) => {
      made++
      signal.addEventListener('abort', () => over++)
      return new PassThrough()
    })
    await act(stage)
    await turns()
    t.same([made, over], [1, 1], title)
  }
})

t.test('the end of the source may come during a change, with data or alone', async t => {
  for (const [last, expected] of [
    ['b', 'aB'],
    ['', 'a'],
  ] as const) {
    const slow = slowEnd()
    const { chain, say, peer, leg, done, text } = flow(t, { segments: { main: slow.make } })
    await say('a')
    const changed = chain.set('main', () => upper)
    peer.end(last)
    await turns()
    leg.stream.read(0) // as a socket does when its end has come
    await turns()
    t.equal(text(), 'a', 'what follows waits')
    slow.release()
    await changed
    await done
    t.equal(text(), expected)
  }
})

t.test('a new segment in front of one that leaves waits until that is gone', async t => {
  const slow = slowEnd()
  const { chain, say, text, end } = flow(t, { segments: { main: slow.make, last: () => upper } })
  await say('a')
  const removed = chain.remove('main')
  const added = chain.set('first', () => bracket, { before: 'last' })
  await say('b')
  t.equal(text(), 'A')
  slow.release()
  await Promise.all([removed, added])
  t.equal(await end('c'), 'A[B][C]')
})

t.test(
  'several segments that are replaced end one after the other, and each takes what those before it hold',
  async t => {
    const { chain, say, end, text } = flow(t, { segments: { a: holder, b: () => bracket, c: holder, d: () => upper } })
    await say('x')
    t.equal(text(), '')
    await chain.use(() => [])
    t.equal(text(), '[X]')
    t.equal(await end('y'), '[X]y')
  },
)

t.test('a change when nothing is left to pipe is one without effect', async t => {
  for (const segments of [{}, { main: () => upper }] as Record<string, Transforms>[]) {
    const { run, chain } = openChain('forward', segments.main)
    const { leg, peer, connection } = open(t)
    let finish = () => {}
    const sink = new Writable({
      write: (_chunk, _encoding, callback) => callback(),
      final(done) {
        finish = done
      },
    })
    const done = run(connection, from(leg, sink))
    peer.end('a')
    await once(leg.stream, 'end')
    await turns()
    await chain.set('main', () => bracket)
    finish()
    await done
    t.ok(sink.writableFinished)
    await chain.clear()
  }
})

t.test('a change behind the end of the source lets go on what is held back', async t => {
  const { chain, leg, peer, done, text } = flow(t, { segments: { main: () => stall({ after: 2 }) } })
  peer.end('abcd')
  await once(leg.stream, 'end')
  await turns()
  t.equal(text(), 'ab')
  await chain.clear()
  await done
  t.equal(text(), 'abcd')
})

t.test('a stage that stops ends the sink well, and the leg is neither read any more nor closed', async t => {
  const behind = new PassThrough()
  const { say, peer, stream, text, done, sink, chain, connection, leg } = flow(t, {
    segments: { main: () => [limit({ size: 3 }), behind] },
  })
  await say('abcdef')
  await done
  t.equal(text(), 'abc')
  t.ok(sink.writableFinished)
  await turns()
  t.ok(stream.isPaused())
  t.notOk(stream.destroyed)
  t.ok(behind.destroyed, 'the stages are over')
  await chain.clear()
  const answer = collect(peer)
  await openChain('reply', undefined).run(connection, into(Readable.from([Buffer.from('reply')]), leg))
  t.equal(String(await answer), 'reply', 'the other direction can be used')
})

t.test('a stage that stops releases a source that is no leg, and the stages before it', async t => {
  const source = endless()
  const front = new PassThrough()
  const sink = memorySink()
  const { done } = between(t, source, sink, () => [front, limit({ size: 10 })])
  await done
  await Promise.all([source, front].map(each => each.closed || closed(each)))
  t.equal(String(sink.data), 'endless\nen')
})

t.test('a segment behind which another one stops is over with it', async t => {
  const clock = fakeClock(t)
  for (const [title, segments, expected] of [
    ['in front', { cap: () => limit({ size: 5 }), late: () => delay({ latency: 20 }) }, '01234'],
    ['behind', { late: () => delay({ latency: 20 }), cap: () => limit({ size: 5 }) }, '01234'],
    ['behind one that holds', { late: holder, cap: () => limit({ size: 5 }) }, '01234'],
  ] as [string, Record<string, Transforms>, string][]) {
    for (const change of ['clear', 'cap', 'late', 'none']) {
      const { chain, peer, text, done } = flow(t, { segments })
      peer.write('0123456789')
      await new Promise(resolve => setImmediate(resolve))
      const changed =
        change === 'clear' ? chain.clear() : change === 'none' ? Promise.resolve() : chain.set(change, () => [])
      peer.write('abc')
      if (change === 'none' || change === 'cap') peer.end()
      else await turns()
      await Promise.race([done, turns(200).then(() => peer.end())])
      await done
      await changed
      if (change === 'clear') t.equal(text(), expected, `${title}: ${change}`)
      else t.match(text(), /^01234/, `${title}: ${change}`)
    }
  }
  t.ok(clock.now > 1000)
})

t.test('a segment that has stopped, and is replaced before its end was read, is the end all the same', async t => {
  for (const change of ['set', 'remove', 'use'] as const) {
    const { sink, release, taken } = slowSink()
    const segments = { first: () => bracket, more: holder, cap: () => limit({ size: 3 }), last: () => upper }
    const { chain, say, done } = flow(t, { sink, segments })
    await say('abc')
    await chain.remove('more')
    await say('never read')
    const changed = change === 'use' ? chain.use(() => bracket) : chain[change]('cap', () => bracket)
    await say('nor this')
    release()
    await Promise.all([changed, done])
    t.equal(taken(), '[AB', change)
  }
})

t.test('a sink that is closed before its end lets a change that waits be over', async t => {
  const slow = slowEnd()
  const sink = memorySink()
  const { chain, say, done } = flow(t, { sink, segments: { main: slow.make } })
  await say('a')
  const changed = chain.set('main', () => upper)
  sink.destroy()
  await changed
  await t.rejects(done, { code: 'ERR_STREAM_PREMATURE_CLOSE' })
  await t.resolves(chain.clear())
})

t.test('a sink that finishes by itself ends the transfer, and lets a change that waits be over', async t => {
  const slow = slowEnd()
  const sink = memorySink()
  const { chain, say, done, stream } = flow(t, { sink, segments: { main: slow.make } })
  await say('a')
  const changed = chain.set('main', () => upper)
  sink.end()
  await Promise.all([changed, done])
  t.notOk(stream.destroyed)
})

t.test('bytes that are no character, and a change behind them: nothing is held', async t => {
  const { chain, say, end } = flow(t, { segments: { main: () => eachLine(line => line) } })
  await say(Buffer.of(0x80, 0x80, 0x80, 0x80))
  await chain.clear()
  t.equal(await end(), '\ufffd'.repeat(4))
})

t.test('a sink that is shared is told whether lines come, whatever stages there are', async t => {
  const sink: Sink = Object.assign(memorySink(), { lines: false })
  const { chain, say } = flow(t, { sink, segments: { main: () => eachLine(line => line) } })
  t.equal(sink.lines, true)
  await say('a\n')
  for (const [title, change, lines] of [
    ['bytes behind lines', () => chain.set('more', () => upper), false],
    ['lines again', () => chain.set('more', () => [upper, eachLine(line => line)]), true],
    ['nothing behind lines', () => chain.set('more', () => []), true],
    ['nothing', () => chain.clear(), false],
  ] as [string, () => Promise<void>, boolean][]) {
    await change()
    t.equal(sink.lines, lines, title)
  }
})

t.test('the bytes of a direction are those that came and those that went, also after changes', async t => {
  const { leg, peer, connection } = open(t)
  const { chain, run } = openChain('forward', undefined)
  const answer = collect(peer)
  const back = openChain('reply', () => bracket)
  const sink = memorySink()
  const source = new PassThrough()
  const directions = [run(connection, from(leg, sink)), back.run(connection, into(source, leg))]
  const stats = () => connection.stats().directions.map(({ bytesIn, bytesOut }) => [bytesIn, bytesOut])
  peer.write('12')
  source.write('abc')
  await turns()
  t.same(stats(), [
    [2, 2],
    [3, 5],
  ])
  await chain.use(() => bracket)
  await back.chain.clear()
  peer.write('34')
  source.write('de')
  await turns()
  t.same(stats(), [
    [4, 6],
    [5, 7],
  ])
  await chain.use(() => [bracket, bracket])
  await chain.use(holder)
  peer.end('56')
  source.end('f')
  await Promise.all(directions)
  t.same(stats(), [
    [6, 8],
    [6, 8],
  ])
  t.equal(String(sink.data), '12[34]56')
  t.equal(String(await answer), '[abc]def')
  t.match(connection.stats(), { bytesIn: 6, bytesOut: 8 })
})

t.test('the bytes of a direction are those that its segments took, while they flow', async t => {
  const { say, connection, peer } = flow(t, { segments: { a: () => upper, b: () => bracket } })
  for (let i = 1; i <= 5; i++) {
    await say('x'.repeat(i))
    const [direction] = connection.stats().directions
    const [a, b] = direction?.segments ?? []
    t.equal(direction?.bytesIn, a?.bytesIn)
    t.equal(a?.bytesOut, b?.bytesIn)
    t.equal(b?.bytesOut, direction?.bytesOut)
  }
  peer.end()
})

t.test(
  'the bytes of a direction are those that its segments took, also when one has stopped and the rest is dropped',
  async t => {
    const { leg, peer, connection } = open(t)
    const answer = collect(peer)
    const { run } = openChain('forward', () => limit({ size: 3 }))
    const done = run(connection, around(leg))
    peer.write('abcdef')
    await done
    const ended = connection.finish()
    t.equal(String(await answer), 'abc')
    peer.end('what still comes')
    const { directions, bytesIn } = await ended
    t.equal(bytesIn, 22)
    t.match(directions, [{ bytesIn: 6, bytesOut: 3, segments: [{ bytesIn: 6, bytesOut: 3 }] }])
  },
)

t.test('while a stage is stuck in an await, the figures show for how long', async t => {
  const clock = stoppedClock(t)
  let goOn = () => {}
  const stuck: Transforms = () => (chunk: Buffer) =>
    new Promise(resolve => {
      goOn = () => resolve(chunk)
    })
  const { say, connection, end } = flow(t, { segments: { main: stuck } })
  clock.pass(10)
  await say('a')
  clock.pass(60_000)
  const stats = () => connection.stats().directions[0]?.segments[0]?.runs[0]
  t.match(stats(), { waitingForInput: 10, busy: 60_000, waitingForOutput: 0, over: false, stages: [{ busy: 60_000 }] })
  goOn()
  await turns()
  clock.pass(7)
  t.match(stats(), { waitingForInput: 17, busy: 60_000 })
  await end()
  clock.pass(1000)
  t.match(stats(), { waitingForInput: 17, busy: 60_000, over: true })
})

t.test('while the sink is slow, the stages wait for their output', async t => {
  const clock = stoppedClock(t)
  const { sink, release } = heldSink()
  const { say, connection, done, peer } = flow(t, { sink, segments: { main: () => upper } })
  await say(Buffer.alloc(100_000))
  await say(Buffer.alloc(100_000))
  clock.pass(500)
  t.match(connection.stats().directions[0]?.segments[0]?.runs, [{ waitingForOutput: 500, busy: 0, waitingForInput: 0 }])
  release()
  peer.end()
  await done
  clock.pass(500)
  t.match(connection.stats().directions[0]?.segments[0]?.runs, [{ waitingForOutput: 500, over: true }])
})

t.test('stop ends it as if the source had ended: what was read goes on, what follows is not read', async t => {
  for (const lazy of [false, true]) {
    const { connection, say, done, text, sink } = flow(t, { lazy, segments: { main: () => [holder(), upper] } })
    await say('read')
    void connection.close()
    await say('not read')
    await done
    t.equal(text(), 'READ')
    t.ok(sink.writableFinished)
    void connection.close()
  }
})

t.test('stop before the first byte, with lazy stages, is an end', async t => {
  const { connection, done, text, sink } = flow(t, { lazy: true, segments: { main: () => bracket } })
  void connection.close()
  await done
  t.equal(text(), '')
  t.ok(sink.writableFinished)
})

t.test('stop does nothing to what has ended, or is over', async t => {
  const { source, sink } = { source: new PassThrough(), sink: memorySink() }
  const transfer = openTransfer({ direction: 'forward', source, sink, segments: [] }, () => {})
  source.end('a')
  await once(source, 'end')
  transfer.stop()
  await transfer.done
  transfer.stop()
  t.equal(String(sink.data), 'a')
})

t.test('a stop while a change is under way goes through both', async t => {
  const slow = slowEnd()
  const { chain, connection, say, done, text } = flow(t, { segments: { main: slow.make } })
  await say('a')
  const changed = chain.set('main', () => bracket)
  void connection.close()
  slow.release()
  await Promise.all([changed, done])
  t.equal(text(), 'a')
})

t.test('a lazy transfer that is over before it has begun makes no stages', async t => {
  const { sink, ...rest } = { sink: memorySink(), source: silent() }
  const make = () => {
    t.fail('no stages are made')
    return plan([])
  }
  const segments = [{ name: 'main', make }]
  const { done } = openTransfer({ ...rest, direction: 'forward', sink, segments, lazy: true }, () => {})
  sink.destroy()
  await t.rejects(done, { code: 'ERR_STREAM_PREMATURE_CLOSE' })
  rest.source.push('a')
  rest.source.destroy()
  await turns()
})

t.test('open are the stages that have begun, and that cannot be ended in the middle', async t => {
  const source = new PassThrough()
  const sink = memorySink()
  const made = (stages: Stage[]) => () => plan(stages.flatMap(toParts))
  const segments = [
    { name: 'mine', make: made([upper]) },
    { name: 'foreign', make: made([new PassThrough()]) },
  ]
  const transfer = openTransfer({ direction: 'forward', source, sink, segments }, () => {})
  t.same(transfer.open(['mine', 'foreign']), [], 'they have taken nothing')
  source.write('a')
  await turns()
  t.same(transfer.open(['mine', 'foreign']), ['PassThrough'])
  t.same(transfer.open(['mine', 'other']), [])
  source.end()
  await transfer.done
  t.same(transfer.open(['foreign']), [], 'it has ended')
})

t.test('it holds data until its sink has taken it', async t => {
  const source = new PassThrough()
  const { sink, release } = heldSink()
  const heard: string[] = []
  const segments = [{ name: 'main', make: () => plan(toParts(upper, 0)) }]
  const transfer = openTransfer({ direction: 'forward', source, sink, segments }, () => {}, {
    heard: chunk => heard.push(String(chunk)),
  })
  t.notOk(transfer.isHolding())
  source.write('a')
  await turns()
  t.ok(transfer.isHolding())
  release()
  await turns()
  t.notOk(transfer.isHolding())
  source.end()
  await transfer.done
  t.notOk(transfer.isHolding())
  t.same(heard, [], 'no leg is its source')
})

t.test('a leg may be its own source and sink', async t => {
  const { leg, peer, connection } = open(t)
  const answer = collect(peer)
  peer.end('abc')
  await openChain('forward', () => upper).run(connection, around(leg))
  t.equal(String(await answer), 'ABC')
})

t.test('what its streams do after it has failed is nothing to it', async t => {
  for (const lost of ['source', 'sink'] as const) {
    const streams = { source: new PassThrough(), sink: new PassThrough() }
    const { source, sink } = streams
    for (const each of [source, sink]) each.on('error', () => {})
    const segments = [{ name: 'main', make: () => plan(toParts(upper, 0)) }]
    const { done } = openTransfer({ direction: 'forward', ...streams, segments }, () => {})
    streams[lost].destroy(new Error('lost'))
    await t.rejects(done, { message: 'lost' })
    source.resume().end()
    sink.resume().end()
    await turns()
    t.equal(streams[lost === 'sink' ? 'source' : 'sink'].closed, true, 'it ends by itself')
  }
})

t.test('the bytes of a character that never becomes whole are not lost in a change', async t => {
  const slow = slowEnd()
  const { chain, say, peer, leg, done, text } = flow(t, {
    segments: { main: () => [eachLine(line => line), slow.make()] as Stage[] },
  })
  await say(Buffer.of(0x61, 0xe2, 0x82))
  const changed = chain.set('main', () => [])
  await turns()
  peer.end()
  await turns()
  leg.stream.read(0)
  await turns()
  slow.release()
  await Promise.all([changed, done])
  t.equal(text(), 'a\ufffd')
})

t.test('the first bytes of a character go to those that get the rest of it', async t => {
  const lines: Transforms = () => eachLine(line => line)
  const bytes: Transforms = () => (chunk: Buffer) => chunk
  for (const [title, segments] of [
    ['there are none', { main: lines }],
    ['bytes', { main: lines, more: bytes }],
    ['lines', { main: lines, more: lines }],
  ] as [string, Record<string, Transforms>][]) {
    for (const next of [lines, bytes, () => []]) {
      const { chain, say, end } = flow(t, { segments })
      await say(Buffer.of(0x61, 0xe2, 0x82))
      await chain.set('main', next)
      t.equal(await end(Buffer.of(0xac)), 'a€', `${title} behind it`)
    }
  }
})

t.test('the first bytes of a character go to the first of several new ones', async t => {
  const slow = slowEnd()
  const lines: Transforms = () => eachLine(line => line)
  const { chain, say, end, peer } = flow(t, {
    segments: { main: () => [eachLine(line => line), slow.make()] as Stage[] },
  })
  await say(Buffer.of(0x61, 0xe2, 0x82))
  const changes = [
    chain.set('main', lines),
    chain.set('first', lines, { before: 'main' }),
    chain.set('none', () => [], { before: 'main' }),
  ]
  peer.write(Buffer.of(0xac))
  await turns()
  slow.release()
  await Promise.all(changes)
  t.equal(await end(), 'a€')
})

t.test('the first bytes of a character pass all segments that are removed at once', async t => {
  const lines: Transforms = () => eachLine(line => line)
  const { chain, say, end } = flow(t, { segments: { main: lines, more: lines } })
  await say('b\n')
  await say(Buffer.of(0x61, 0xe2, 0x82))
  await chain.clear()
  t.equal(await end(Buffer.of(0xac)), 'b\na€')
})

t.test('a stage that stopped before the segment behind it was replaced can be removed', async t => {
  const slow = slowEnd()
  const { chain, say, done, text } = flow(t, { segments: { main: () => limit({ size: 1 }), more: slow.make } })
  await say('ab')
  const changes = [chain.set('more', () => upper), chain.set('main', () => [])]
  await turns()
  slow.release()
  await Promise.all([...changes, done])
  t.equal(text(), 'a')
})

t.test('of a stage that has stopped nothing is kept for those in its place', async t => {
  const { sink, release, taken } = slowSink()
  const transforms: Transforms = () => [eachLine(line => line), limit({ size: 2 })]
  const { chain, say, done } = flow(t, { sink, segments: { main: transforms } })
  await say('a\nb\n')
  await say(Buffer.of(0xe2, 0x82))
  const changed = chain.set('main', () => bracket)
  release()
  await Promise.all([changed, done])
  t.equal(taken(), 'a\n')
})

t.test(
  'an indivisible stage that has taken nothing is not ended when it is replaced, unless those before it hold something',
  async t => {
    const unpack: Transforms = () => gunzip()
    const behind = flow(t, { segments: { first: holder, unpack, last: () => upper } })
    await behind.say(gzipSync('hello'))
    await behind.chain.clear()
    t.equal(await behind.end('!'), 'HELLO!')
    const before = flow(t, { segments: { last: () => upper } })
    await before.say('hello')
    await before.chain.set('unpack', unpack, { before: 'last' })
    await before.chain.clear()
    t.equal(await before.end('!'), 'HELLO!')
  },
)

t.test('several changes before the first byte are in place when it comes', async t => {
  const { chain, end } = flow(t, { lazy: true })
  await chain.set('a', () => bracket)
  await chain.set('b', () => upper)
  await chain.set(
    'a',
    divisible(() => new PassThrough()),
  )
  await chain.set('c', () => bracket)
  t.equal(await end('x'), '[X]')
})

t.test('with measure, the figures have the source and the sink, from the first byte to the end', async t => {
  const source = new PassThrough()
  const { sink, release } = heldSink()
  const plain = { direction: 'forward', source, sink, segments: [] } as const
  const transfer = openTransfer(plain, () => {}, { measure: true })
  t.match(transfer.stats(), { source: { name: 'source', isNetwork: false }, sink: { name: 'sink', busy: 0 } })
  source.end('abc')
  await turns(5)
  release()
  await transfer.done
  const before = transfer.stats()
  t.ok((before.sink?.busy ?? 0) > 0)
  await turns(5)
  t.same(transfer.stats(), before, 'nothing counts after the end')
  t.notMatch(openTransfer({ ...plain, source: silent(), sink: memorySink() }, () => {}).stats(), { source: {} })
})

t.test('the source and the sink have the names that they are given, and are known as legs', async t => {
  const { leg, peer, connection } = open(t, { measure: true })
  const sink = memorySink()
  const names = { source: 'client', sink: 'file' }
  const done = openChain('forward', undefined).run(connection, { ...from(leg, sink), names, lazy: true })
  t.equal(connection.stats().directions[0]?.source, undefined, 'no byte has come')
  peer.end('abc')
  await done
  t.match(connection.stats().directions, [
    { source: { name: 'client', isNetwork: true }, sink: { name: 'file', isNetwork: false } },
  ])
})

t.test('it is measured from the middle on, too', async t => {
  const { leg, peer, connection } = open(t)
  const { sink, release } = heldSink()
  const done = openChain('forward', undefined).run(connection, { ...from(leg, sink), lazy: true })
  await write(peer, 'abc')
  t.equal(connection.stats().directions[0]?.source, undefined)
  connection.measure()
  connection.measure()
  const [direction] = connection.stats().directions
  t.match(direction, { source: { isNetwork: true }, sink: { isNetwork: false } })
  peer.end('def')
  release()
  await done
  connection.measure()
  t.match(connection.stats().directions[0]?.sink, { busy: Number })
})

t.test('what has not begun is measured when it begins, and what is over is not', async t => {
  const { leg, peer, connection } = open(t)
  const done = openChain('forward', undefined).run(connection, { ...from(leg, memorySink()), lazy: true })
  connection.measure()
  t.equal(connection.stats().directions[0]?.source, undefined)
  peer.end('abc')
  await done
  t.match(connection.stats().directions[0]?.source, { isNetwork: true })
  const { leg: other, peer: its, connection: over } = open(t)
  its.end('abc')
  await openChain('forward', undefined).run(over, from(other, memorySink()))
  over.measure()
  t.equal(over.stats().directions[0]?.source, undefined)
})

t.test('a source that has ended before it is measured waits for nothing', async t => {
  const { sink, release } = heldSink()
  const transfer = openTransfer(
    { direction: 'forward', source: Readable.from([Buffer.from('x')]), sink, segments: [] },
    () => {},
  )
  await turns(5)
  transfer.measure()
  const before = transfer.stats().source
  await turns(5)
  t.same(transfer.stats().source, before)
  release()
  await transfer.done
})

t.test('a transfer that fails is measured until then', async t => {
  const source = new PassThrough()
  const transfer = openTransfer(
    { direction: 'forward', source, sink: failingSink(new Error('full')), segments: [] },
    () => {},
    {
      measure: true,
    },
  )
  source.write('x')
  await t.rejects(transfer.done)
  const before = transfer.stats()
  await turns(5)
  t.same(transfer.stats(), before)
})

t.test('it tells whether data is on its way, from any source to any sink', async t => {
  const { sink, release } = heldSink()
  const source = Readable.from([Buffer.from('abc')])
  const transfer = openTransfer({ direction: 'forward', source, sink, segments: [] }, () => {})
  await turns(5)
  t.equal(transfer.isHolding(), true)
  release()
  await transfer.done
  t.equal(transfer.isHolding(), false)
})
