import { Writable } from 'node:stream'
import { finished, pipeline } from 'node:stream/promises'
import t from 'tap'
import { isNodeWritable, toSink, toWritable } from '../../../lib/endpoints/sink.js'
import { closed } from '../network.js'
import { settled } from '../pipes.js'

/** A Web stream that keeps what it gets, and tells what became of it. */
function webSink(write: (chunk: Uint8Array) => unknown = () => {}) {
  const state = { text: '', end: undefined as unknown }
  const stream = new WritableStream<Uint8Array>({
    write(chunk) {
      state.text += Buffer.from(chunk)
      return write(chunk) as Promise<void>
    },
    close() {
      state.end = 'closed'
    },
    abort(reason) {
      state.end = reason
    },
  })
  return { stream, state }
}

const write = (sink: Writable, chunk: string) =>
  new Promise<Error | null | undefined>(resolve => sink.write(chunk, resolve))

t.test('a Writable stays itself', async t => {
  const writable = new Writable()
  t.equal(toWritable(writable), writable)
  t.equal(toSink(writable), writable)
  t.ok(isNodeWritable(process.stdout))
  t.notOk(isNodeWritable(undefined))
})

t.test('a Writable that throws fails, and nothing else (G-40)', async t => {
  for (const make of [toWritable, toSink]) {
    const boom = new Error('thrown by a Writable')
    const sink = make(
      new Writable({
        write() {
          throw boom
        },
      }),
    )
    t.equal(
      await write(
        sink.on('error', () => {}),
        'x',
      ),
      boom,
    )
  }
})

t.test('another output is refused, and a stream that is locked', async t => {
  for (const [output, what] of [
    [1, 'a number'],
    [undefined, 'undefined'],
    [{ write() {}, on() {} }, 'an object (Object)'],
    ['file', 'a string'],
    [new ReadableStream(), 'an object (ReadableStream)'],
  ] as const) {
    const refusal = (name: string) => ({
      code: 'ERR_OPTION',
      message: `${name}: ${what} is not allowed; expected a Writable, a WritableStream or an address`,
    })
    t.throws(() => toWritable(output as unknown as Writable), refusal('output'))
    t.throws(() => toSink(output as unknown as Writable), refusal('to'))
  }
  const { stream } = webSink()
  stream.getWriter()
  for (const make of [toWritable, toSink])
    t.throws(() => make(stream, 'to'), {
      code: 'ERR_OPTION',
      message: 'to: the WritableStream is locked to another writer',
    })
})

t.test('toWritable: shared, never ended, and free between chunks', async t => {
  const { stream, state } = webSink()
  const writable = toWritable(stream)
  t.equal(toWritable(stream), writable)
  t.notOk(stream.locked)
  await write(writable, 'a')
  t.notOk(stream.locked)
  const owner = stream.getWriter()
  await owner.write(Buffer.from('b'))
  owner.releaseLock()
  await write(toWritable(stream), 'c')
  t.same(state, { text: 'abc', end: undefined })
})

t.test('toWritable: a chunk is taken when the Web stream has taken it', async t => {
  const held: (() => void)[] = []
  const { stream, state } = webSink(() => new Promise<void>(resolve => held.push(resolve)))
  const writable = toWritable(stream)
  let taken = 0
  for (const chunk of ['a', 'b']) writable.write(chunk, () => taken++)
  await settled(() => held.length)
  t.same([state.text, taken], ['a', 0])
  t.ok(stream.locked, 'while it is written')
  held[0]?.()
  await settled(() => held.length)
  t.same([state.text, taken], ['ab', 1])
})

t.test('toWritable: the errors of the Web stream', async t => {
  const boom = new Error('boom')
  for (const [thrown, expected] of [
    [boom, boom],
    ['text', { message: 'text' }],
  ] as const) {
    const { stream } = webSink(() => Promise.reject(thrown))
    const writable = toWritable(stream).on('error', () => {})
    t.match(await write(writable, 'a'), expected)
    t.notOk(stream.locked)
    const again = toWritable(stream).on('error', () => {})
    t.not(again, writable)
    t.match(await write(again, 'a'), expected, 'also for the next connection')
  }
})

t.test('toWritable: an owner that holds the lock', async t => {
  const { stream, state } = webSink()
  const writable = toWritable(stream, 'to').on('error', () => {})
  const owner = stream.getWriter()
  t.match(await write(writable, 'a'), { code: 'ERR_OPTION', message: /^to: the WritableStream is locked/ })
  owner.releaseLock()
  await write(toWritable(stream), 'b')
  t.equal(state.text, 'b')
})

t.test('toSink: locked until its end, and closed', async t => {
  const { stream, state } = webSink()
  const sink = toSink(stream)
  t.ok(stream.locked)
  await pipeline(['a', 'b'], sink)
  t.same(state, { text: 'ab', end: 'closed' })
  t.notOk(stream.locked)
})

t.test('toSink: aborted when it is destroyed', async t => {
  const boom = new Error('boom')
  for (const error of [boom, undefined]) {
    const { stream, state } = webSink()
    const sink = toSink(stream).on('error', () => {})
    await write(sink, 'a')
    sink.destroy(error)
    await closed(sink)
    t.notOk(stream.locked)
    await stream.abort().catch(() => {})
    t.equal(state.end, error)
  }
})

t.test('toSink: the errors of the Web stream', async t => {
  const boom = new Error('boom')
  await t.rejects(pipeline(['a'], toSink(webSink(() => Promise.reject(boom)).stream)), boom)
  const failing = new WritableStream({ close: () => Promise.reject(boom) })
  const sink = toSink(failing)
  sink.end('a')
  await t.rejects(finished(sink), boom)
  const gone = webSink()
  const late = toSink(gone.stream)
  await write(late, 'a')
  late.destroy()
  await closed(late)
  await settled(() => 0)
})
