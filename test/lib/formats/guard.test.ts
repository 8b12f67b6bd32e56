import { once } from 'node:events'
import { Duplex, PassThrough, Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import t from 'tap'
import { checkChunks, checkPiped, guardStage, guardWrites } from '../../../lib/formats/guard.js'

const boom = new Error('thrown by a Writable')
const fail = () => {
  throw boom
}
const refuse = (value: unknown) => new Error(`refused: ${typeof value}`)

/** Resolves with what a write gives back, when there is room for the next one. */
function write(stream: Writable, chunk: string): Promise<Error | null | undefined> {
  return new Promise(resolve => stream.write(chunk, resolve))
}

t.test('what a Writable throws fails the write, and destroys the stream', async t => {
  for (const [title, stream] of [
    ['write', new Writable({ write: fail })],
    ['writev', new Writable({ writev: fail })],
    ['transform', new PassThrough({ transform: fail })],
  ] as const) {
    const failed = once(guardWrites(stream), 'error')
    t.equal(await write(stream, 'x'), boom, title)
    t.same(await failed, [boom], title)
    t.ok(stream.destroyed, title)
  }
})

t.test('so does what it throws for a chunk that had to wait', async t => {
  let calls = 0
  const stream = new Writable({
    write(_chunk, _encoding, callback) {
      if (++calls === 2) fail()
      setImmediate(callback)
    },
  })
  guardWrites(stream).on('error', () => {})
  t.same(await Promise.all([write(stream, 'a'), write(stream, 'b')]), [undefined, boom])
})

t.test('and chunks that are written together', async t => {
  const stream = new Writable({ writev: fail })
  guardWrites(stream).on('error', () => {})
  stream.cork()
  const written = [write(stream, 'a'), write(stream, 'b')]
  stream.uncork()
  t.same(await Promise.all(written), [boom, boom])
})

t.test('what it throws after its callback, and what is no Error', async t => {
  const late = new Writable({
    write(_chunk, _encoding, callback) {
      callback()
      fail()
    },
  })
  const failed = once(guardWrites(late), 'error')
  t.notOk(await write(late, 'x'), 'the chunk was taken')
  t.same(await failed, [boom])
  const text = new Writable({
    write() {
      throw 'a text'
    },
  })
  guardWrites(text).on('error', () => {})
  t.match(await write(text, 'x'), { message: 'a text', cause: 'a text' })
})

t.test('a stream of another make has no _write', async t => {
  let destroyed: unknown
  const foreign = { write: fail, destroy: (error: unknown) => (destroyed = error) } as unknown as Writable
  guardWrites(foreign)
  const told = await new Promise(resolve => t.equal(foreign.write('x', resolve), false))
  t.equal(told, boom)
  t.equal(destroyed, undefined)
  t.equal(foreign.write('x'), false)
  t.equal(destroyed, boom, 'without a callback')
  const good = { write: () => true } as unknown as Writable
  t.equal(guardWrites(good).write('x'), true)
})

t.test('a stream is guarded once, and works as before', async t => {
  const stream = new PassThrough()
  const { _write } = guardWrites(stream)
  t.equal(guardWrites(stream)._write, _write)
  stream.end('through')
  t.equal(String(await stream.toArray()), 'through')
})

t.test('guardStage: what a stage gave before its error is delivered first (G-52)', async t => {
  const give = (stream: Duplex): Error | undefined => {
    for (const chunk of ['one', 'two', 'three']) stream.push(chunk)
    return undefined
  }
  for (const [title, make] of [
    ['transform', () => transform((stream, done) => done(give(stream) ?? boom))],
    ['transform, later', () => transform((stream, done) => setImmediate(done, give(stream) ?? boom))],
    ['transform throws', () => transform(stream => give(stream) ?? fail())],
    [
      'flush',
      () =>
        transform(
          (stream, done) => done(give(stream)),
          done => done(boom),
        ),
    ],
    ['flush throws', () => transform((stream, done) => done(give(stream)), fail)],
    ['write', () => duplex('write')],
    ['writev', () => duplex('writev')],
    ['final', () => duplex('final')],
  ] as [string, () => Duplex][]) {
    const stage = guardStage(make())
    const got: string[] = []
    stage.end('x')
    await t.rejects(async () => {
      for await (const chunk of stage) got.push(String(chunk))
    }, boom)
    t.equal(got.join(''), 'onetwothree', title)
  }
  const flushed = guardStage(
    transform(
      (_stream, done) => done(),
      done => done(null, 'last'),
    ),
  )
  flushed.end('x')
  t.equal(String(await flushed.toArray()), 'last', 'what its callback gives is kept')

  type Done = (error?: Error | null, data?: string) => void
  function transform(work: (stream: Duplex, done: Done) => unknown, flush?: (done: Done) => void) {
    const stream: Duplex = new PassThrough({
      transform: (_chunk, _encoding, done) => void work(stream, done),
      ...(flush && { flush }),
    })
    return stream
  }

  function duplex(method: 'write' | 'writev' | 'final') {
    const stream: Duplex = new Duplex({
      read() {},
      ...(method === 'final' && { write: (_chunk, _encoding, done) => done() }),
      [method]: (...given: unknown[]) => (given.at(-1) as Done)(give(stream) ?? boom),
    })
    return stream
  }
})

t.test('checkChunks: a value that is no data fails its stream', async t => {
  for (const value of [{}, 5, true]) {
    const source = Readable.from([value])
    checkChunks(source, refuse)
    await t.rejects(pipeline(source, new PassThrough()), { message: `refused: ${typeof value}` })
  }
  const source = Readable.from(['text', Buffer.from(' bytes'), new DataView(new ArrayBuffer(1))])
  checkChunks(source, refuse)
  t.equal(String(Buffer.concat(await source.pipe(new PassThrough()).toArray())), 'text bytes\0')
  const plain = new PassThrough()
  const { emit } = plain
  checkChunks(plain, refuse)
  t.equal(plain.emit, emit, 'only in object mode')
})

t.test('checkPiped: only where the next stream takes no values', async t => {
  const source = Readable.from([{}])
  checkPiped(source, refuse)
  await t.rejects(pipeline(source, new PassThrough()), { message: 'refused: object' })
  const values = Readable.from([{ a: 1 }])
  checkPiped(values, refuse)
  t.same(await values.pipe(new PassThrough({ objectMode: true })).toArray(), [{ a: 1 }])
  const read = Readable.from([{ a: 1 }])
  checkPiped(read, refuse)
  const [value] = (await once(read, 'data')) as [unknown]
  t.same(value, { a: 1 }, 'piped nowhere')
  const plain = new PassThrough()
  const { pipe } = plain
  checkPiped(plain, refuse)
  t.equal(plain.pipe, pipe, 'only in object mode')
})
