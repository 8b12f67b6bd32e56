import { once } from 'node:events'
import { Writable } from 'node:stream'
import t from 'tap'
import type { Leg } from '../../../lib/endpoints/endpoint.js'
import { fanOut } from '../../../lib/endpoints/fan-out.js'
import { meterSink } from '../../../lib/stats/foreign-meter.js'
import fc from '../../fast-check.js'
import { closed, failingSink, heldSink, memorySink, recorder } from '../network.js'
import { settled } from '../pipes.js'

const boom = Object.assign(new Error('boom'), { code: 'EBOOM' })
const end = { to: 'there', fail: 'end' } as const
const goOn = { to: 'there', fail: 'continue' } as const
const quiet = () => memorySink().on('error', () => {})

t.test('each sink gets every byte, whatever order they take them in', async t => {
  const taker = () => {
    const chunks: Buffer[] = []
    const waiting: (() => void)[] = []
    const sink = new Writable({
      highWaterMark: 1,
      write(chunk, _encoding, callback) {
        chunks.push(chunk)
        waiting.push(callback)
      },
    })
    return { sink, waiting, text: () => String(Buffer.concat(chunks)) }
  }
  const scene = fc.tuple(
    fc.array(fc.string({ minLength: 1 }), { minLength: 1, maxLength: 8 }),
    fc.infiniteStream(fc.nat(2)),
  )
  await fc.assert(
    fc.asyncProperty(scene, async ([texts, turns]) => {
      const takers = [taker(), taker(), taker()] as const
      const sink = fanOut(takers[0].sink, [
        { ...end, sink: takers[1].sink },
        { ...end, sink: takers[2].sink },
      ])
      for (const text of texts) sink.write(text)
      sink.end()
      const over = once(sink, 'finish')
      let isOver = false
      void over.then(() => {
        isOver = true
      })
      while (!isOver) {
        takers[turns.next().value as 0].waiting.shift()?.()
        await new Promise(resolve => setImmediate(resolve))
      }
      return takers.every(({ text }) => text() === texts.join(''))
    }),
    { numRuns: 30 },
  )
  t.pass()
})

t.test('a chunk is taken when all sinks have taken it (G-70)', async t => {
  const { sink: slow, release } = heldSink()
  const main = memorySink()
  const sink = fanOut(main, [{ ...end, sink: slow }])
  let taken = 0
  sink.write('a', () => taken++)
  t.equal(await settled(() => taken), 0)
  t.equal(String(main.data), 'a')
  release()
  sink.end()
  await once(sink, 'finish')
  t.equal(taken, 1)
  t.same(sink.report?.(), { also: [{ to: 'there', bytes: 1 }] })
})

t.test('it can be metered', async t => {
  const main = memorySink()
  const sink = fanOut(main, [{ ...end, sink: memorySink() }])
  const meter = meterSink(sink)
  sink.write('a')
  sink.write('b')
  sink.end('c')
  await once(sink, 'finish')
  t.equal(String(main.data), 'abc')
  t.equal(meter.bytesIn, 3)
})

t.test('a further sink that fails: the others go on, with a warning', async t => {
  const { log, lines } = recorder()
  const main = memorySink()
  const sink = fanOut(main, [{ ...goOn, sink: failingSink(boom) }], log)
  sink.write('a')
  sink.end('b')
  await once(sink, 'finish')
  t.equal(String(main.data), 'ab')
  t.same(sink.warnings, ['there failed: boom'])
  t.same(sink.report?.(), { also: [{ to: 'there', bytes: 0, error: 'boom' }] })
  t.match(lines, [
    { level: 40, msg: 'a further sink failed, the others go on', to: 'there', error: 'boom', code: 'EBOOM' },
  ])
})

t.test('a sink that fails, and that must not: all fail', async t => {
  for (const [main, further] of [
    [quiet(), failingSink(boom)],
    [failingSink(boom), quiet()],
  ] as const) {
    const sink = fanOut(main, [{ ...end, sink: further }])
    sink.write('a')
    t.same(await once(sink, 'error'), [boom])
    await closed(sink)
    t.ok(main.destroyed)
    t.ok(further.destroyed)
    t.ok(sink.destroyed)
  }
})

t.test('to fail it fails all, and it is closed when they are', async t => {
  const order: string[] = []
  const main = new Writable({ destroy: (error, callback) => setImmediate(callback, error) })
  const further = quiet().on('close', () => order.push('further'))
  const sink = fanOut(
    main.on('error', () => {}).on('close', () => order.push('main')),
    [{ ...goOn, sink: further }],
  )
  sink.on('error', () => {}).destroy(boom)
  await closed(sink)
  t.same(order, ['further', 'main'])
  t.equal(further.errored, boom)
})

t.test('it has what its sinks have', async t => {
  const leg = {} as Leg
  const legs = fanOut(Object.assign(memorySink(), { leg }), [{ ...end, sink: Object.assign(memorySink(), { leg }) }])
  t.equal(legs.leg, leg)
  t.same(legs.legs, [leg])
  const shared = Object.assign(memorySink(), { lines: false, report: () => ({ file: 'x' }) })
  const further = Object.assign(memorySink(), { report: () => ({ answered: 1 }) })
  const sink = fanOut(shared, [{ ...end, sink: further }])
  t.notOk('leg' in sink)
  sink.lines = true
  t.equal(sink.lines, true)
  t.equal(shared.lines, true)
  t.notOk('lines' in further)
  t.same(sink.report?.(), { file: 'x', also: [{ to: 'there', bytes: 0, answered: 1 }] })
})
