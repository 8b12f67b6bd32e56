import { once } from 'node:events'
import { type Duplex, PassThrough, Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip, createGzip } from 'node:zlib'
import { many, stop } from 'stream-chain/defs.js'
import t from 'tap'
import { compose, lazyStream, records } from '../../../lib/stages/compose.js'
import { defineTransform } from '../../../lib/stages/define.js'
import { recipe } from '../../../lib/stages/parts.js'
import { eachJson, eachLine, type Stage } from '../../../lib/stages/stage.js'
import fc from '../../fast-check.js'
import { cutAt, cuts, errorOf, run, settled, source } from '../pipes.js'

const error = new Error('the very error')
/** For stages that the compiler does not know one by one. */
const composeAny = compose as (...stages: readonly Stage[]) => Duplex
const never = new Promise<never>(() => {})
const same = () => eachLine(line => line)
const upper = defineTransform({ name: 'upper', summary: 's', unit: 'line', create: () => line => line.toUpperCase() })

/** What a stream makes of an input, as in any pipeline. */
async function through(stream: Duplex, input: Parameters<typeof source>[0]): Promise<string> {
  const chunks: Buffer[] = []
  await pipeline(source(input), stream, async (output: AsyncIterable<Buffer>) => {
    for await (const chunk of output) chunks.push(chunk)
  })
  return Buffer.concat(chunks).toString()
}

t.test('stages of every kind, in one Duplex', async t => {
  for (const [title, stages, output] of [
    ['none', [], 'a\nb'],
    ['a function', [(chunk: Buffer) => chunk.toString('hex')], '610a62'],
    ['a function of lines', [eachLine(line => `<${line}>`)], '<a>\n<b>'],
    ['a Duplex', [new PassThrough()], 'a\nb'],
    ['an object', [{ write: (chunk: Buffer) => chunk, flush: () => '.', destroy() {} }], 'a\nb.'],
    ['a transform', [upper()], 'A\nB'],
    [
      'another compose',
      [
        compose(
          upper(),
          eachLine(line => line + line),
        ),
      ],
      'AA\nBB',
    ],
    ['a compose of none', [compose(), compose()], 'a\nb'],
    ['Duplexes', [createGzip(), createGunzip()], 'a\nb'],
    [
      'all together',
      [upper(), createGzip(), createGunzip(), async (chunk: Buffer) => chunk, new PassThrough()],
      'A\nB',
    ],
    ['values', [eachLine(line => ({ line })), eachJson<{ line: string }>(({ line }) => line)], 'a\nb\n'],
  ] as const) {
    t.equal(await through(composeAny(...(stages as readonly Stage[])), 'a\nb'), output, title)
  }
})

t.test('any bytes, however cut, come back from gzip and gunzip with lines between', async t => {
  const isSame = async (bytes: Uint8Array, positions: number[]) => {
    const buffer = Buffer.from(bytes)
    const { chunks, error } = await run(
      [(chunk: Buffer) => chunk, createGzip(), createGunzip()],
      cutAt(positions, buffer),
    )
    return error === undefined && Buffer.concat(chunks).equals(buffer)
  }
  await t.resolves(fc.assert(fc.asyncProperty(fc.uint8Array(), cuts, isSame), { numRuns: 50 }))
})

t.test('nothing is made before the first chunk, the first read or the end', async t => {
  for (const [title, use] of [
    ['write', (stream: Duplex) => stream.write('x')],
    ['read', (stream: Duplex) => stream.read()],
    ['end', (stream: Duplex) => stream.end()],
  ] as const) {
    let made = 0
    const stream = lazyStream([
      recipe('x', undefined, () => {
        made++
        return chunk => chunk
      }),
    ])
    stream.on('error', () => {})
    await settled(() => made)
    t.equal(made, 0)
    use(stream)
    await settled(() => made)
    t.equal(made, 1, title)
    stream.destroy()
  }
})

t.test('a stage that cannot be made is an error of the stream', async t => {
  const fails = () =>
    lazyStream([
      recipe('x', undefined, () => {
        throw error
      }),
    ])
  for (const use of [
    (stream: Duplex) => stream.write('x'),
    (stream: Duplex) => stream.resume(),
    (stream: Duplex) => stream.end(),
  ]) {
    const stream = fails()
    use(stream)
    t.equal((await once(stream, 'error'))[0], error)
  }
})

t.test('an error anywhere destroys the whole with that very error', async t => {
  const fail = () => {
    throw error
  }
  const failing = () => new Transform({ transform: (_chunk, _encoding, callback) => callback(error) })
  for (const [title, make] of [
    ['in the only stage', () => [fail]],
    ['in the first stream', () => [fail, createGzip(), same()]],
    ['in the last stream', () => [createGzip(), fail]],
    ['in a Duplex', () => [same(), failing(), same()]],
    ['in the only Duplex', () => [failing()]],
    ['at the end', () => [same(), new PassThrough(), { write: (chunk: Buffer) => chunk, flush: fail }]],
    ['in another compose', () => [compose(fail, createGzip()), new PassThrough()]],
  ] as [string, () => Stage[]][]) {
    t.equal(await errorOf(make(), 'x'), error, `planned: ${title}`)
    t.equal(await through(compose(...make()), 'x').catch(each => each), error, `composed: ${title}`)
  }
})

t.test('a Duplex that closes before its end is an error', async t => {
  for (const stages of [[], [same()]]) {
    const closing = new PassThrough()
    const stream = compose(...stages, closing)
    stream.resume().write('x')
    await settled(() => stream.writableLength)
    closing.destroy()
    t.match((await once(stream, 'error'))[0], { code: 'ERR_STREAM_PREMATURE_CLOSE' })
  }
  const closed = new PassThrough()
  const stream = compose(closed)
  closed.destroy()
  stream.write('x')
  t.match((await once(stream, 'error'))[0], { code: /^ERR_STREAM_/ }, 'and so is one that closed before the start')
})

t.test('a Duplex that calls back twice is an error', async t => {
  const twice = () =>
    new Transform({
      transform(chunk, _encoding, callback) {
        callback(null, chunk)
        callback(null, chunk)
      },
    })
  for (const make of [() => [twice()], () => [twice(), same()], () => [same(), twice()]] as (() => Stage[])[])
    t.match(await through(composeAny(...make()), 'x').catch(each => each), { code: 'ERR_MULTIPLE_CALLBACK' })
})

t.test('an error of a Duplex behind its end ends no process', async t => {
  for (const place of [0, 1, 2]) {
    const late = new PassThrough()
    const stages: Stage[] = [same(), same()]
    stages.splice(place, 0, late)
    t.equal(await through(composeAny(...stages), 'x'), 'x')
    t.doesNotThrow(() => late.emit('error', error))
  }
})

t.test('destroy destroys all within, with an error or without', async t => {
  for (const reason of [undefined, error]) {
    let destroyed = 0
    const inner = new PassThrough()
    const object = { write: (chunk: Buffer) => chunk, destroy: () => void destroyed++ }
    const stream = compose(object, inner, { write: () => never, destroy: () => void destroyed++ })
    stream.on('error', each => t.equal(each, reason))
    stream.write('x')
    await settled(() => inner.readableLength)
    stream.destroy(reason)
    await once(stream, 'close').catch(() => {})
    await settled(() => destroyed)
    t.ok(inner.destroyed)
    t.equal(destroyed, 2)
  }
  const unused = compose(same())
  unused.destroy()
  await once(unused, 'close')
})

t.test('an error while cleaning up behind a destroy ends no process', async t => {
  const bad = () => ({ write: (chunk: Buffer) => chunk, destroy: () => Promise.reject(error) })
  for (const stages of [[bad()], [bad(), new PassThrough()], [new PassThrough(), bad()]]) {
    const stream = composeAny(...stages)
    stream.resume().write('x')
    await settled(() => stream.readableLength)
    stream.destroy()
    await once(stream, 'close')
    await settled(() => 0)
    t.ok(stream.destroyed)
  }
})

t.test('stop ends the output; the input goes on and is dropped', async t => {
  for (const stages of [[], [new PassThrough()]]) {
    const stream = compose(
      eachLine(line => (line === 'b' ? stop : line)),
      ...stages,
    )
    const chunks: Buffer[] = []
    stream.on('data', chunk => chunks.push(chunk))
    stream.write('a\nb\nc\n')
    await once(stream, 'end')
    t.equal(Buffer.concat(chunks).toString(), 'a\n')
    await new Promise(resolve => stream.write('more\n', resolve))
    stream.destroy()
  }
})

t.test('a reader that has stalled stops the source', async t => {
  const block = Buffer.alloc(65_536, `${'x'.repeat(79)}\n`)
  for (const [title, stages] of [
    ['five functions', [1, 2, 3, 4, 5].map(same)],
    ['functions and Duplexes', [same(), new PassThrough(), same(), new PassThrough(), same()]],
  ] as [string, Stage[]][]) {
    let offered = 0
    const endless = new Readable({
      read() {
        offered += block.length
        this.push(block)
      },
    })
    const stream = endless.pipe(compose(...stages))
    await settled(() => offered)
    t.ok(offered > 0 && offered <= 1024 * 1024, `${title}: ${offered} bytes`)
    endless.destroy()
    stream.destroy()
  }
})

t.test('a reader that pauses loses nothing', async t => {
  const text = Array.from({ length: 20_000 }, (_, i) => `line ${i}\n`).join('')
  for (const stages of [
    [same(), same()],
    [same(), new PassThrough(), same()],
  ] as Stage[][]) {
    const stream = source(text.match(/[\s\S]{1,5000}/g) as string[]).pipe(compose(...stages))
    const chunks: Buffer[] = []
    stream.on('data', chunk => {
      chunks.push(chunk)
      stream.pause()
      setImmediate(() => stream.resume())
    })
    await once(stream, 'end')
    t.ok(Buffer.concat(chunks).toString() === text)
  }
})

t.test('records of a stream', async t => {
  const all = async <T>(iterable: AsyncIterable<T>) => {
    const list: T[] = []
    for await (const each of iterable) list.push(each)
    return list
  }
  const text = 'a\nbb\n\nc'
  const input = () => Readable.from([Buffer.from(text)])
  const number = (line: string) => line.length
  t.same(await all(records(input().pipe(compose(same())))), ['a', 'bb', '', 'c'], 'lines')
  t.same(await all(records(input().pipe(compose(same(), number)))), [1, 2, 0, 1], 'values of a function')
  t.same(await all(records(input().pipe(compose()))), [Buffer.from(text)], 'chunks')
  t.same(await all(records(Readable.from(['1 "a" {}']).pipe(compose(eachJson(value => value))))), [1, 'a', {}], 'json')
  const unzipped = compose(same(), createGzip(), createGunzip())
  t.same(Buffer.concat(await all(records(input().pipe(unzipped)))).toString(), text, 'chunks of a Duplex')
  const inner = compose(compose(same()), (line: string) => many([line, line]))
  t.same(await all(records(Readable.from(['x']).pipe(inner))), ['x', 'x'], 'of a composed one')
})

t.test('records arrive while the input goes on, and stop it when nobody takes them', async t => {
  let given = 0
  const endless = new Readable({
    read() {
      given++
      this.push('line\n'.repeat(1000))
    },
  })
  const stream = compose(same())
  const iterator = records(endless.pipe(stream))
  t.equal((await iterator.next()).value, 'line')
  t.ok((await settled(() => given)) < 200, `${given} chunks were taken`)
  const closed = once(stream, 'close')
  await iterator.return()
  await closed
  t.ok(stream.destroyed, 'leaving destroys the stream')
  endless.destroy()
})

t.test('an error reaches who reads records', async t => {
  const failing = compose(
    eachLine((): string => {
      throw error
    }),
  )
  await t.rejects(records(Readable.from(['a\n']).pipe(failing)).next(), error)
  const stream = compose(same())
  const reading = records(stream).next()
  stream.destroy(new Error('from outside'))
  await t.rejects(reading, { message: 'from outside' })
  const closed = compose(same())
  const waiting = records(closed).next()
  closed.destroy()
  await t.rejects(waiting, { code: 'ERR_STREAM_PREMATURE_CLOSE' }, 'an end that is none')
})

t.test('records of a stream that is destroyed', async t => {
  for (const error of [new Error('why'), undefined]) {
    const stream = compose(same())
    const iterator = records(stream)
    stream.destroy(error)
    await t.rejects(iterator.next(), error ?? { code: 'ERR_STAGE', message: 'this stream is destroyed' })
    const late = compose(same())
    late.on('error', () => {}).destroy(error)
    await t.rejects(records(late).next(), error ?? { code: 'ERR_STAGE' })
  }
})

t.test('a stream that was composed into another one says so when it is used', async t => {
  const inner = compose(same())
  const outer = compose(inner)
  inner.write('x')
  t.match((await once(inner, 'error'))[0], { code: 'ERR_STAGE', message: /composed into another one/ })
  outer.destroy()
})

t.test('what precedes an error passes through every stream behind it (G-10)', async t => {
  const failing = () =>
    compose(function* (chunk: Buffer) {
      yield chunk
      throw error
    })
  const slow = () => async (chunk: Buffer) => {
    await new Promise(resolve => setImmediate(resolve))
    return chunk
  }
  for (const [title, behind] of [
    ['one', [compose(slow())]],
    ['two', [compose(slow()), compose(new PassThrough(), slow())]],
    ['a part of it', []],
  ] as [string, Duplex[]][]) {
    const first = behind.length > 0 ? failing() : composeAny(failing(), new PassThrough(), slow())
    const sink = new PassThrough({ highWaterMark: 1 })
    const chunks: unknown[] = []
    sink.on('data', chunk => chunks.push(chunk))
    await t.rejects(pipeline([source(['some text']), first, ...behind, sink] as never), error, title)
    t.equal(chunks.join(''), 'some text', title)
  }
})
