import { EventEmitter, on, once } from 'node:events'
import { PassThrough, Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import t from 'tap'
import { type SourceInput, toSource } from '../../../lib/endpoints/source.js'
import { closed, heldSink, memorySink } from '../network.js'
import { settled } from '../pipes.js'

const bytes = new Uint8Array([104, 105])

/** A Web stream of the values that tells what became of it. */
function webStream(values: unknown[], more: UnderlyingDefaultSource = {}) {
  const state = { pulled: 0, reason: undefined as unknown }
  const stream = new ReadableStream(
    {
      pull(controller) {
        if (state.pulled === values.length) controller.close()
        else controller.enqueue(values[state.pulled++])
      },
      cancel(reason) {
        state.reason = reason
      },
      ...more,
    },
    { highWaterMark: 0 },
  )
  return { stream, state }
}

type UnderlyingDefaultSource = {
  start?(controller: ReadableStreamDefaultController): void
  pull?(controller: ReadableStreamDefaultController): void | Promise<never>
}

/** As the streams of packages are: no class of Node's, and no more than events. */
function foreign(values: unknown[], end: [name: string, ...unknown[]] = ['end']) {
  const left = [...values]
  let flowing = false
  const run = () => {
    while (flowing && left.length > 0) stream.emit('data', left.shift())
    if (flowing && left.length === 0) stream.emit(...end)
  }
  const stream = Object.assign(new EventEmitter(), {
    left,
    destroyed: undefined as unknown,
    pipe() {},
    pause() {
      flowing = false
    },
    resume() {
      if (!flowing) setImmediate(run)
      flowing = true
    },
    destroy(error?: Error) {
      stream.destroyed = error ?? true
    },
  })
  return stream
}

/** An iterator that tells of its `return`. */
function watched(next: () => unknown) {
  const state = { returned: 0, taken: 0 }
  const iterator = {
    next() {
      state.taken++
      return next()
    },
    return() {
      state.returned++
      return { done: true, value: undefined }
    },
  }
  return { state, input: { [Symbol.asyncIterator]: () => iterator } as unknown as AsyncIterable<string> }
}

async function textOf(source: Readable): Promise<string> {
  const sink = memorySink()
  await pipeline(source, sink)
  return String(sink.data)
}

async function errorOf(input: unknown): Promise<Error> {
  const source = toSource(input as SourceInput)
  return pipeline(source, memorySink()).then(
    () => new Error('no error'),
    error => error,
  )
}

const nodeStream = (stream: unknown) => stream as NodeJS.ReadableStream

t.test('what it takes', async t => {
  const data = [
    'a',
    Buffer.from('b'),
    bytes,
    new DataView(bytes.buffer, 0, 1),
    bytes.buffer.slice(1),
    '',
    Buffer.alloc(0),
  ]
  const expected = 'abhihi'
  for (const [name, input, text = expected] of [
    ['a Readable', Readable.from(['a', 'b']), 'ab'],
    ['an object stream', Readable.from(data)],
    ['an array', data],
    ['a set', new Set(data)],
    ['an array of promises', data.map(each => Promise.resolve(each))],
    [
      'a generator',
      (function* () {
        yield* data
      })(),
    ],
    [
      'an async generator',
      (async function* () {
        yield* data
      })(),
    ],
    [
      'an async iterable',
      {
        [Symbol.asyncIterator]: async function* () {
          yield* data
        },
      },
    ],
    ['no values', [], ''],
    ['a Web stream', webStream(data).stream],
    ['an empty Web stream', webStream([]).stream, ''],
    ['a Blob', new Blob(['a', bytes]), 'ahi'],
    ['an empty Blob', new Blob([]), ''],
    ['a File of a form', new Blob(['a']).slice(0, 1), 'a'],
    ['a string', 'grüß', 'grüß'],
    ['an empty string', '', ''],
    ['a Buffer', Buffer.from('x'), 'x'],
    ['a Uint8Array', bytes, 'hi'],
    ['an ArrayBuffer', bytes.buffer, 'hi'],
    ['a foreign stream', nodeStream(foreign(data))],
    ['an empty foreign stream', nodeStream(foreign([])), ''],
  ] as [string, SourceInput, string?][])
    t.equal(await textOf(toSource(input)), text, name)
})

t.test('a Readable stays itself', async t => {
  const binary = new PassThrough()
  const { emit } = binary
  t.equal(toSource(binary), binary)
  t.equal(binary.emit, emit, 'and is not touched where Node checks its chunks')
  const objects = Readable.from(['x'])
  t.equal(toSource(objects), objects)
})

t.test('an input of another type is refused', async t => {
  const expected = 'expected a stream, an iterable, a Blob, bytes or a string'
  for (const [input, what] of [
    [1, 'a number'],
    [null, 'null'],
    [undefined, 'undefined'],
    [{}, 'an object (Object)'],
    [() => [], 'a function'],
    [Promise.resolve(''), 'an object (Promise)'],
    [new Writable(), 'an object (Writable)'],
    [new TransformStream(), 'an object (TransformStream)'],
  ] as const)
    t.throws(() => toSource(input as unknown as SourceInput, 'from'), {
      code: 'ERR_OPTION',
      message: `from: ${what} is not allowed; ${expected}`,
    })
  const { stream } = webStream([])
  stream.getReader()
  const message = 'body: the ReadableStream is locked to another reader'
  t.throws(() => toSource(stream, 'body'), { code: 'ERR_OPTION', message })
})

t.test('a chunk that is no data is an error in words', async t => {
  for (const [value, what] of [
    [1, 'a number'],
    [null, 'null'],
    [{}, 'an object (Object)'],
    [['x'], 'an array'],
  ] as const) {
    const message = new RegExp(
      `^from: ${what.replace(/[()]/g, '\\$&')} is not allowed as a chunk; expected a string, a B`,
    )
    t.match(await errorOf(['a', value]), { code: 'ERR_OPTION', message })
    t.match(await errorOf(webStream([value]).stream), { code: 'ERR_OPTION', message })
    t.match(await errorOf(foreign([value])), { code: 'ERR_OPTION', message })
    if (value === null) continue
    t.match(await errorOf(Readable.from(['a', value])), { code: 'ERR_OPTION', message })
    const pushed = new Readable({ objectMode: true, read() {} })
    pushed.push(value) // before it is a source, and again while it flows
    t.match(await errorOf(pushed), { code: 'ERR_OPTION', message })
    const flowing = new PassThrough({ objectMode: true })
    const failed = errorOf(flowing)
    setImmediate(() => flowing.write(value))
    t.match(await failed, { code: 'ERR_OPTION', message })
  }
})

t.test('an error of the input is the error of the source', async t => {
  const boom = new Error('boom')
  const fail = () => {
    throw boom
  }
  for (const [name, input] of [
    [
      'a generator',
      (function* () {
        yield 'a'
        fail()
      })(),
    ],
    [
      'an async generator',
      (async function* () {
        yield 'a'
        fail()
      })(),
    ],
    ['a promise', [Promise.reject(boom)]],
    ['a Web stream', webStream([], { pull: fail }).stream],
    ['a foreign stream', foreign(['a'], ['error', boom])],
    [
      'a Readable',
      Readable.from(
        (function* () {
          yield fail()
        })(),
      ),
    ],
  ] as const)
    t.equal(await errorOf(input), boom, name)
  t.match(await errorOf(foreign(['a'], ['close'])), { code: 'ERR_STREAM_PREMATURE_CLOSE' })
  const falsy = (function* () {
    yield 'a'
    throw undefined
  })()
  t.match(await errorOf(falsy), { message: 'undefined' })
})

t.test('what precedes an error of the input is read before it, however slow the reader is (G-51)', async t => {
  const boom = new Error('boom')
  const pulls = { pull: () => Promise.reject(boom) }
  for (const [name, input, expected] of [
    [
      'a generator',
      (function* () {
        yield 'good'
        throw boom
      })(),
      boom,
    ],
    ['a wrong value', ['good', 5], { code: 'ERR_OPTION' }],
    ['a Web stream', webStream([], { start: control => control.enqueue('good'), ...pulls }).stream, boom],
    ['a foreign stream', foreign(['good'], ['error', boom]), boom],
    ['a wrong value of one', foreign(['good', 5, 'dropped']), { code: 'ERR_OPTION' }],
  ] as [string, SourceInput, object][]) {
    const source = toSource(input)
    const errors: Error[] = []
    source.on('error', error => errors.push(error))
    await once(source, 'readable')
    t.equal(await settled(() => errors.length), 0, name)
    t.equal(String(source.read()), 'good', name)
    await closed(source)
    t.match(errors, [expected], name)
    if (input instanceof EventEmitter) input.emit('error', boom) // nobody needs it any more
  }
})

t.test('large data comes in blocks', async t => {
  const size = 2_000_000
  for (const [name, input] of [
    ['a Buffer', Buffer.alloc(size, 'x')],
    ['a string', 'x'.repeat(size)],
    ['a Blob', new Blob(['x'.repeat(size)])],
    ['a chunk of an iterable', ['x'.repeat(size)]],
    ['a chunk of a Web stream', webStream([Buffer.alloc(size, 'x')]).stream],
  ] as [string, SourceInput][]) {
    const lengths: number[] = []
    for await (const chunk of toSource(input)) lengths.push(chunk.length)
    t.equal(
      lengths.reduce((a, b) => a + b),
      size,
      name,
    )
    t.ok(
      lengths.slice(0, -1).every(length => length >= 65_536 && length <= 524_288),
      `${name}: ${lengths}`,
    )
  }
})

t.test('backpressure holds', async t => {
  const block = 'x'.repeat(65_536)
  const web = webStream(Array(1000).fill(block))
  const { state, input } = watched(() => ({ done: false, value: block }))
  const old = foreign(Array(1000).fill(block))
  const blob = new Blob([block.repeat(100)])
  let slices = 0
  const { slice } = blob
  blob.slice = (...range) => {
    slices++
    return slice.apply(blob, range)
  }
  for (const [name, source, taken] of [
    ['an iterable', input, () => state.taken],
    ['a Web stream', web.stream, () => web.state.pulled],
    ['a foreign stream', nodeStream(old), () => 1000 - old.left.length],
    ['a Blob', blob, () => slices],
  ] as [string, SourceInput, () => number][]) {
    const { sink } = heldSink()
    const readable = toSource(source)
    readable.on('error', () => {})
    readable.pipe(sink)
    await once(readable, 'data')
    const count = await settled(taken)
    t.ok(count >= 1 && count <= 4, `${name}: ${count}`)
    readable.destroy()
  }
})

t.test('a reader that comes back gets everything', async t => {
  const chunks = Array.from({ length: 300 }, (_, i) => String(i).padStart(1000, '0'))
  const source = toSource(chunks)
  let text = ''
  source.on('data', chunk => {
    text += chunk
    source.pause()
    queueMicrotask(() => source.resume())
  })
  await once(source, 'end')
  t.equal(text, chunks.join(''))
})

t.test('destroying the source lets go of its input', async t => {
  const never = () => new Promise(() => {})
  const boom = new Error('boom')
  for (const [name, next] of [
    ['before it is read', undefined],
    ['while a value is awaited', never],
    ['between values', () => ({ done: false, value: 'x'.repeat(100_000) })],
  ] as const) {
    const { state, input } = watched(next ?? never)
    const source = toSource(input).on('error', () => {})
    if (next) source.read()
    await settled(() => state.taken)
    source.destroy(boom)
    await closed(source)
    t.equal(await settled(() => state.returned), 1, `an iterable, ${name}`)
  }
  for (const read of [false, true]) {
    const { stream, state } = webStream(['x'], { pull: () => {} })
    const source = toSource(stream).on('error', () => {})
    if (read) source.read()
    source.destroy(boom)
    await closed(source)
    await settled(() => Number(state.reason === boom))
    t.equal(state.reason, boom, 'a Web stream')
  }
  const old = foreign(['x'])
  const source = toSource(nodeStream(old)).on('error', () => {})
  source.destroy(boom)
  await closed(source)
  t.equal(old.destroyed, boom, 'a foreign stream')
  const quiet = foreign(['x'])
  toSource(nodeStream(quiet)).destroy()
  t.equal(quiet.destroyed, true, 'without an error')
})

t.test('an input that has ended, or has no return, is left alone', async t => {
  let left = 2
  const { state, input } = watched(() => (left-- > 0 ? { done: false, value: 'x' } : { done: true }))
  t.equal(await textOf(toSource(input)), 'xx')
  t.equal(await settled(() => state.returned), 0)
  const bare = toSource({ [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => {}) }) })
  bare.read()
  bare.destroy()
  await closed(bare)
})

t.test('what goes wrong after the destruction is not told', async () => {
  const bad = {
    next: () => new Promise(() => {}),
    return: () => Promise.reject(new Error('late')),
  }
  const source = toSource({ [Symbol.asyncIterator]: () => bad } as unknown as AsyncIterable<string>)
  source.read()
  source.destroy()
  await closed(source)
  await settled(() => 0)
})

t.test('an iterator that destroys its own source is returned', async t => {
  let released = false
  const destroy = () => void source.destroy()
  const own = (function* () {
    try {
      yield 'a'
      destroy()
      yield 'b'
    } finally {
      released = true
    }
  })()
  const source: Readable = toSource(own)
  source.resume()
  await closed(source)
  await settled(() => Number(released))
  t.ok(released)
})

t.test('an iterator of events', async t => {
  const emitter = new EventEmitter()
  const source = toSource(on(emitter, 'x') as AsyncIterable<never>)
  source.read()
  t.equal(emitter.listenerCount('x'), 1)
  source.destroy()
  await closed(source)
  t.equal(await settled(() => emitter.listenerCount('x')), 0)
})

t.test('a stream that has only pipe and events', async t => {
  const stream = Object.assign(new EventEmitter(), { pipe() {} })
  const source = toSource(nodeStream(stream))
  const text = textOf(source)
  stream.emit('data', 'x')
  stream.emit('end')
  t.equal(await text, 'x')
  const left = toSource(nodeStream(Object.assign(new EventEmitter(), { pipe() {} })))
  left.read()
  left.destroy()
  await closed(left)
  const large = Object.assign(new EventEmitter(), { pipe() {} })
  const taken = textOf(toSource(nodeStream(large)))
  large.emit('data', 'x'.repeat(300_000))
  large.emit('end')
  t.equal((await taken).length, 300_000)
})

t.test('values that come slowly are asked for one at a time', async t => {
  let asked = 0
  let most = 0
  let left = 20
  const next = async () => {
    most = Math.max(most, ++asked)
    await new Promise(setImmediate)
    asked--
    return left-- > 0 ? { done: false, value: 'x' } : { done: true }
  }
  t.equal(await textOf(toSource(watched(next).input)), 'x'.repeat(20))
  t.equal(most, 1)
})
