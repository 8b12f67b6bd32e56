import { once } from 'node:events'
import type { Writable } from 'node:stream'
import t from 'tap'
import { lateSink } from '../../../../lib/endpoints/fan-out/late-sink.js'
import { closed, memorySink } from '../../network.js'

/** An opening that the test completes. */
function opening() {
  let open!: (sink: Writable) => void
  let refuse!: (error: Error) => void
  const promise = new Promise<Writable>((resolve, reject) => {
    open = resolve
    refuse = reject
  })
  let signal: AbortSignal | undefined
  const late = lateSink(given => {
    signal = given
    return promise
  }, 4)
  return { late, open, refuse, isAborted: () => signal?.aborted }
}

t.test('it takes data while its sink opens, up to its high-water mark', async t => {
  const { late, open } = opening()
  const sink = memorySink()
  t.equal(late.write('abc'), true)
  t.equal(late.write('def'), false)
  late.end()
  open(sink)
  await once(late, 'finish')
  t.equal(String(sink.data), 'abcdef')
  t.ok(sink.writableFinished)
})

t.test('it fails with its sink, and if that cannot be opened', async t => {
  const boom = new Error('boom')
  const { late, refuse } = opening()
  late.write('a')
  refuse(boom)
  t.same(await once(late, 'error'), [boom])
  const other = opening()
  const sink = memorySink()
  other.open(sink)
  other.late.write('a')
  await new Promise(resolve => setImmediate(resolve))
  sink.destroy(boom)
  t.same(await once(other.late, 'error'), [boom])
})

t.test('a sink that opens too late is destroyed', async t => {
  const { late, open, isAborted } = opening()
  const sink = memorySink()
  late.destroy()
  t.equal(isAborted(), true)
  open(sink)
  await closed(sink)
  t.ok(sink.destroyed)
})

t.test('destroying it destroys its sink', async t => {
  const { late, open } = opening()
  const sink = memorySink().on('error', () => {})
  open(sink)
  await new Promise(resolve => setImmediate(resolve))
  const boom = new Error('boom')
  late.on('error', () => {}).destroy(boom)
  await closed(sink)
  t.equal(sink.errored, boom)
})
