import { once } from 'node:events'
import type { Writable } from 'node:stream'
import t from 'tap'
import { DropSink } from '../../../../lib/endpoints/fan-out/drop-sink.js'
import fc from '../../../fast-check.js'
import { fakeClock } from '../../clock.js'
import { closed, heldSink, memorySink, recorder } from '../../network.js'
import { cutAt, cuts } from '../../pipes.js'

const block = (fill: string) => Buffer.alloc(256 * 1024, fill)

function dropping(target: Writable, endTime = 60_000) {
  const { log, lines } = recorder()
  const totals = { dropped: 0 }
  const sink = new DropSink(async () => target, { to: 'there', totals, log, endTime })
  return { sink, lines, totals }
}

const written = (sink: Writable, chunk: Buffer | string) => new Promise(resolve => sink.write(chunk, resolve))
const turn = () => new Promise(resolve => setImmediate(resolve))

t.test('what a target takes in time is not dropped', async t => {
  const target = memorySink()
  const { sink, lines } = dropping(target)
  await written(sink, 'a\n')
  sink.end('b')
  await once(sink, 'finish')
  t.equal(String(target.data), 'a\nb')
  t.same(sink.report(), { bytes: 3 })
  t.same(lines, [])
})

t.test('a slow target loses whole chunks, and its loss is counted and logged', async t => {
  const { sink: target, held, release } = heldSink()
  const { sink, lines, totals } = dropping(target)
  for (const fill of 'abcd') await written(sink, block(fill))
  t.same(totals, { dropped: 3 * 256 * 1024 })
  t.same(sink.report(), { bytes: 0, dropped: { bytes: 3 * 256 * 1024, chunks: 3 } })
  await turn()
  t.equal(held.length, 1)
  release()
  sink.end()
  await once(sink, 'finish')
  t.same(sink.report(), { bytes: 256 * 1024, dropped: { bytes: 3 * 256 * 1024, chunks: 3 } })
  t.match(lines, [
    { level: 40, msg: 'a further sink is slow, dropping data', to: 'there' },
    { level: 30, msg: 'a further sink drops no more data', to: 'there', dropped: { chunks: 3 } },
  ])
  t.equal(lines.length, 2)
})

t.test('it is calm again when nothing was lost for a while', async t => {
  const clock = fakeClock(t)
  const { sink: target, release } = heldSink()
  const { sink, lines } = dropping(target)
  await written(sink, block('a'))
  await written(sink, 'lost')
  release()
  clock.now += 500
  await written(sink, 'b')
  t.equal(lines.length, 1)
  clock.now += 1000
  await written(sink, 'c')
  t.equal(lines.length, 2)
  sink.destroy()
  await closed(sink)
})

t.test(
  'lines: what a target gets is whole lines in order, whatever it takes and however they are cut (G-70)',
  async t => {
    const line = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 9 })
    const scene = fc.tuple(
      fc.array(line, { maxLength: 40 }),
      cuts,
      fc.array(fc.boolean(), { maxLength: 12 }),
      fc.boolean(),
    )
    const check = async ([texts, positions, takes, isTerminated]: [string[], number[], boolean[], boolean]) => {
      const lines = texts.map((text, i) => `${i} ${text}`)
      const all = Buffer.from(lines.join('\n') + (isTerminated && lines.length > 0 ? '\n' : ''))
      const target = memorySink()
      const { sink } = dropping(target)
      sink.lines = true
      let isSlow = false
      Object.defineProperty(sink['target' as never], 'writableNeedDrain', { get: () => isSlow })
      for (const [i, chunk] of cutAt(positions, all).entries()) {
        isSlow = takes[i] === false
        await written(sink, chunk)
      }
      sink.end()
      await once(sink, 'finish')
      const came = String(target.data)
      const { bytes, dropped } = sink.report()
      const got = came.split('\n').filter(text => text !== '')
      const rest = [...lines]
      for (const text of got) while (rest.length > 0 && rest.shift() !== text);
      const isSubsequence = got.every(text => lines.includes(text)) && new Set(got).size === got.length
      const inOrder = got
        .map(text => Number(text.split(' ')[0]))
        .every((number, i, all) => i === 0 || number > (all[i - 1] as number))
      const count = lines.length - got.length
      return (
        isSubsequence &&
        inOrder &&
        bytes === came.length &&
        bytes + (dropped?.bytes ?? 0) === all.length &&
        (dropped?.lines ?? 0) === count
      )
    }
    await fc.assert(fc.asyncProperty(scene, check))
    t.pass()
  },
)

t.test('a target that does not end in time fails (G-71)', async t => {
  const { sink: target } = heldSink()
  const { sink } = dropping(target, 1)
  sink.end('a')
  const [error] = await once(sink, 'error')
  t.match(error, { code: 'ERR_TIMEOUT', message: /has not taken what it was given 1 ms after the end/ })
  await closed(target)
})

t.test('it fails with its target', async t => {
  const boom = new Error('boom')
  const target = memorySink()
  const { sink } = dropping(target)
  await written(sink, 'a')
  await turn()
  target.destroy(boom)
  t.same(await once(sink, 'error'), [boom])
})
