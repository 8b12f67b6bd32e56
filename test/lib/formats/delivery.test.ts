import { once } from 'node:events'
import { Duplex, PassThrough } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import {
  afterDelivery,
  isBusy,
  markStage,
  notePassing,
  notePipe,
  tracePipes,
  traceStage,
} from '../../../lib/formats/delivery.js'
import { heldSink } from '../network.js'
import { settled } from '../pipes.js'

const error = new Error('the very error')

/** A stream whose sink has not taken what was written yet. */
async function stalled() {
  const { sink, release } = heldSink()
  const stream = tracePipes(new PassThrough())
  stream.pipe(sink)
  stream.write('x')
  await settled(() => sink.writableLength)
  return { sink, stream, release }
}

/** Resolves when the stream would fail. */
function failing(stream: Duplex): { promise: Promise<void>; state: { failed: number } } {
  const state = { failed: 0 }
  const promise = new Promise<void>(resolve =>
    afterDelivery(stream, () => {
      state.failed++
      resolve()
    }),
  )
  return { promise, state }
}

t.test('without output it fails at once', async t => {
  t.equal(failing(new PassThrough()).state.failed, 1)
  const destroyed = new PassThrough()
  destroyed.write('x')
  destroyed.destroy()
  t.equal(await settled(() => failing(destroyed).state.failed), 0, 'one that is destroyed fails no more')
})

t.test('it waits until its output is read, in whatever way', async t => {
  for (const [title, read] of [
    ['read()', async stream => void stream.read()],
    ['data', async stream => void stream.resume()],
    ['piped', async stream => void stream.pipe(new PassThrough()).resume()],
    [
      'for await',
      async stream => {
        void (async () => {
          for await (const _ of stream);
        })()
      },
    ],
  ] as [string, (stream: Duplex) => Promise<void>][]) {
    const stream = new PassThrough()
    stream.write('x')
    const { promise, state } = failing(stream)
    t.equal(await settled(() => state.failed), 0, title)
    await read(stream)
    await promise
    t.equal(state.failed, 1)
  }
})

t.test('the reader gets it before the error', async t => {
  const stream = new PassThrough()
  stream.write('one')
  stream.write('two')
  afterDelivery(stream, () => stream.destroy(error))
  const chunks: unknown[] = []
  await t.rejects(async () => {
    for await (const chunk of stream) chunks.push(String(chunk))
  }, error)
  t.same(chunks.join(''), 'onetwo')
})

t.test('it waits until a sink has written it', async t => {
  const { sink, stream, release } = await stalled()
  const { promise, state } = failing(stream)
  t.equal(await settled(() => state.failed), 0)
  release()
  await promise
  t.equal(sink.writableLength, 0)
})

t.test('and not for a sink that is destroyed', async t => {
  const { sink, stream } = await stalled()
  const { promise } = failing(stream)
  sink.destroy()
  await promise
  t.pass()
})

t.test('it waits until stages behind it have given everything', async t => {
  const { sink, release } = heldSink()
  let holds = true
  const first = tracePipes(new PassThrough())
  const second = traceStage(new PassThrough())
  const third = traceStage(new PassThrough(), () => holds)
  first.pipe(second).pipe(third).pipe(sink)
  first.write('x')
  await settled(() => sink.writableLength)
  const { promise, state } = failing(first)
  release()
  t.equal(await settled(() => state.failed), 0, 'one of them holds some')
  t.ok(isBusy(third))
  holds = false
  t.notOk(isBusy(third))
  t.notOk(isBusy(second))
  await promise
})

t.test('a sink is no stage: what it has to be read is not waited for', async t => {
  const socket = new PassThrough()
  const stream = tracePipes(new PassThrough())
  stream.pipe(socket)
  stream.write('x')
  await settled(() => socket.readableLength)
  await failing(stream).promise
  t.equal(socket.readableLength, 1)
})

t.test('a class of stages', async t => {
  class Stage extends PassThrough {}
  markStage(Stage.prototype)
  const [first, second] = [new PassThrough(), new Stage()]
  notePipe(first, second)
  first.write('x')
  first.on('data', chunk => second.write(chunk))
  await once(first, 'data')
  const { promise, state } = failing(first)
  t.equal(await settled(() => state.failed), 0)
  t.ok(isBusy(second))
  second.resume()
  await promise
})

t.test('output that becomes that of another stream', async t => {
  const inner = new PassThrough()
  const outer = traceStage(new Duplex({ read() {} }), () => true)
  notePassing(inner, outer)
  inner.write('x')
  inner.on('data', chunk => outer.push(chunk))
  await once(inner, 'data')
  const { promise, state } = failing(inner)
  t.equal(await settled(() => state.failed), 0)
  outer.resume()
  await promise
  t.equal(state.failed, 1, 'what else the other one holds is that which fails')
})

t.test('after it is closed nothing fails, and nothing is left', async t => {
  const { stream } = await stalled()
  const { state } = failing(stream)
  stream.destroy()
  await once(stream, 'close')
  await setImmediate()
  t.equal(state.failed, 0)
  t.notOk(process.getActiveResourcesInfo().includes('Timeout'))
})

t.test('destroyed by its last reader, it does not fail', async t => {
  const stream = new PassThrough()
  stream.write('x')
  const { state } = failing(stream)
  stream.once('data', () => stream.destroy())
  await once(stream, 'close')
  t.equal(await settled(() => state.failed), 0)
})
