import { once } from 'node:events'
import { type Duplex, PassThrough, Transform } from 'node:stream'
import { buffer, text } from 'node:stream/consumers'
import t from 'tap'
import { openRelay } from '../../../lib/connection/relay.js'
import { compose } from '../../../lib/stages/compose.js'
import { toParts } from '../../../lib/stages/parts.js'
import { type Plan, plan } from '../../../lib/stages/plan.js'
import { eachLine, type Stage } from '../../../lib/stages/stage.js'
import { delay } from '../../../transforms/delay.js'
import { gunzip } from '../../../transforms/gunzip.js'
import { limit } from '../../../transforms/limit.js'
import { stall } from '../../../transforms/stall.js'

const make = (...stages: Stage[]): Plan => plan(stages.flatMap(toParts))

const upper = (chunk: Buffer) => chunk.toString().toUpperCase()

/** A stage that holds everything back until its end. */
function holder(): Duplex {
  const held: Buffer[] = []
  return new Transform({
    transform(chunk, _encoding, callback) {
      held.push(chunk)
      callback()
    },
    flush(callback) {
      callback(null, Buffer.concat(held))
    },
  })
}

function ends(): { source: PassThrough; sink: PassThrough } {
  return { source: new PassThrough(), sink: new PassThrough() }
}

t.test('without stages, with one and with several', async t => {
  for (const [stages, expected] of [
    [() => [], 'abc'],
    [() => [upper], 'ABC'],
    [() => [upper, new PassThrough(), (chunk: Buffer) => `<${chunk}>`], '<ABC>'],
  ] as [() => Stage[], string][]) {
    const { source, sink } = ends()
    const relay = openRelay(source, sink, make(...stages()))
    source.end('abc')
    t.equal(await text(sink), expected)
    await relay.done
  }
})

t.test('a source that has ended already', async t => {
  const { source, sink } = ends()
  source.resume().end()
  await once(source, 'end')
  openRelay(
    source,
    sink,
    make(() => 'never called', new PassThrough()),
  )
  t.equal(await text(sink), '')
})

t.test('a change: what is in the stages comes first, what follows goes through the new ones', async t => {
  const { source, sink } = ends()
  const relay = openRelay(source, sink, make(holder()))
  source.write('one ')
  await relay.change(make(upper))
  source.write('two ')
  await relay.change(make())
  source.write('three ')
  await relay.change(make(holder(), upper))
  source.end('four')
  t.equal(await text(sink), 'one TWO three FOUR')
  await relay.done
})

t.test('the stages are told that they are replaced, and what is over is forgotten', async t => {
  const { source, sink } = ends()
  const first = make(new PassThrough())
  const second = make(upper)
  let told = 0
  const forgotten: Plan[] = []
  const relay = openRelay(source, sink, { ...first, replace: () => told++ })
  await relay.change(second, plan => forgotten.push(plan))
  t.equal(told, 1)
  t.equal(forgotten[0]?.streams[0], first.streams[0])
  source.end()
  sink.resume()
  await relay.done
  const third = make()
  await relay.change(third, plan => forgotten.push(plan))
  t.equal(forgotten[1], third, 'it has come too late')
})

t.test('a record is cut where the change comes', async t => {
  const { source, sink } = ends()
  const lines = () => make(eachLine(line => `[${line}]`))
  const relay = openRelay(source, sink, lines())
  source.write('one\ntw')
  await once(sink, 'readable')
  await relay.change(lines())
  source.end('o\n')
  t.equal(await text(sink), '[one]\n[tw][o]\n')
})

t.test('several changes at once: the last one counts, and all are told', async t => {
  const { source, sink } = ends()
  const relay = openRelay(source, sink, make(holder()))
  source.write('a')
  const changes = [relay.change(make(() => t.fail('never in place'))), relay.change(make(upper))]
  await Promise.all(changes)
  source.end('b')
  t.equal(await text(sink), 'aB')
})

t.test('the end of the source comes during a change', async t => {
  const { source, sink } = ends()
  let flush = () => {}
  const slow = new Transform({
    transform: (chunk, _encoding, callback) => callback(null, chunk),
    flush(callback) {
      flush = callback
    },
  })
  const relay = openRelay(source, sink, make(slow))
  source.write('a')
  await once(sink, 'readable')
  const changed = relay.change(make(upper))
  source.end()
  source.read(0) // as a socket does when its end has come
  await once(source, 'end')
  flush()
  await changed
  t.equal(await text(sink), 'a')
  await relay.done
})

t.test('a change when there is nothing more to pipe is one without effect', async t => {
  const { source, sink } = ends()
  const relay = openRelay(source, sink, make())
  source.end('a')
  t.equal(await text(sink), 'a')
  await relay.change(make())
  await relay.done
})

t.test('words that are numbered, a change every few of them', async t => {
  const { source, sink } = ends()
  const relay = openRelay(source, sink, make())
  const result = text(sink)
  const kinds = [
    () => make(),
    () => make(holder()),
    () => make(chunk => chunk),
    () =>
      make(
        compose(chunk => chunk),
        holder(),
      ),
  ]
  let expected = ''
  for (let i = 0; i < 20_000; i++) {
    const word = `${i} `
    expected += word
    if (!source.write(word)) await once(source, 'drain')
    if (i % 50 === 0) void relay.change((kinds[(i / 50) % kinds.length] as () => Plan)())
  }
  source.end()
  t.ok((await result) === expected)
})

t.test('a stage that stops ends the sink well, and the source is no longer read', async t => {
  const { source, sink } = ends()
  const behind = new PassThrough()
  const relay = openRelay(source, sink, make(limit({ size: 3 }), behind))
  source.write('abcdef')
  t.equal(await text(sink), 'abc')
  await relay.done
  t.ok(source.isPaused())
  t.notOk(source.destroyed)
  t.ok(behind.destroyed, 'the stages are over')
  await relay.change(make())
})

t.test('a stage that fails', async t => {
  const broken = () => {
    throw new Error('broken')
  }
  for (const stages of [[broken], [broken, new PassThrough()]]) {
    const { source, sink } = ends()
    const relay = openRelay(source, sink, make(...stages))
    source.write('a')
    await t.rejects(relay.done, { message: 'broken' })
  }
})

t.test('the sink is closed before its end: a change that waits is over', async t => {
  const { source, sink } = ends()
  const relay = openRelay(source, sink, make(new Transform({ flush: () => {} })))
  const changed = relay.change(make())
  sink.destroy()
  await changed
  await relay.done
  await t.resolves(relay.change(make()))
})

t.test('open are the stages that have begun, and that cannot be ended in the middle', async t => {
  const { source, sink } = ends()
  const relay = openRelay(source, sink, make(gunzip()))
  t.same(relay.open, [], 'it has taken nothing')
  source.write(Buffer.from([0x1f]))
  await new Promise(resolve => setImmediate(resolve))
  t.same(relay.open, ['gunzip'])
  const other = ends()
  const foreign = openRelay(other.source, other.sink, make(new PassThrough()))
  other.source.write('a')
  await once(other.sink, 'readable')
  t.same(foreign.open, ['PassThrough'], 'of a Duplex of somebody else nobody knows')
  other.source.end()
  await buffer(other.sink)
  t.same(foreign.open, [], 'it has ended')
})

t.test('an end that turns out to be a failure is not passed on', async t => {
  const { source, sink } = ends()
  source.on('error', () => {})
  source.once('end', () => source.destroy(new Error('reset'))) // as a connection does that finds a reset behind it
  openRelay(source, sink, make())
  source.end('a')
  sink.resume()
  await new Promise(resolve => source.once('close', resolve))
  t.notOk(sink.writableEnded)
})

t.test('a change behind the end of the source: what is held back goes on', async t => {
  const { source, sink } = ends()
  const relay = openRelay(source, sink, make(stall({ after: 2 })))
  source.end('abcd')
  await once(source, 'end')
  await relay.change(make())
  t.equal(await text(sink), 'abcd')
  await relay.done
})

t.test('a stage that has stopped is over, also if others are to take its place', async t => {
  for (const stages of [
    () => [limit({ size: 5 }), delay({ latency: 20 })],
    () => [delay({ latency: 20 }), limit({ size: 5 })],
    () => [holder(), limit({ size: 5 })],
  ] as (() => Stage[])[]) {
    const { source, sink } = ends()
    const relay = openRelay(source, sink, make(...stages()))
    source.write('0123456789')
    await new Promise(resolve => setImmediate(resolve))
    const changed = relay.change(make())
    source.write('abc')
    t.equal(await text(sink), '01234')
    await changed
    await relay.done
  }
})

t.test('a character is not lost where a change comes into it', async t => {
  const line = () => make(eachLine(line => line))
  for (const next of [() => make(), line]) {
    for (const [first, second] of [
      [1, 2],
      [2, 3],
      [1, 4],
      [3, 4],
    ] as const) {
      const character = Buffer.from(['', '', 'é', '€', '𝄞'][second] as string)
      const { source, sink } = ends()
      const relay = openRelay(source, sink, line())
      source.write(Buffer.concat([Buffer.from('a'), character.subarray(0, first)]))
      await new Promise(resolve => setImmediate(resolve))
      await relay.change(next())
      source.end(character.subarray(first))
      t.equal(await text(sink), `a${character}`, `${character}, ${first} bytes of it`)
    }
  }
  const { source, sink } = ends()
  const relay = openRelay(source, sink, line())
  source.write(Buffer.of(0x80, 0x80, 0x80, 0x80)) // no character at all
  await new Promise(resolve => setImmediate(resolve))
  await relay.change(make())
  source.end()
  t.equal(await text(sink), '\ufffd'.repeat(4))
})
