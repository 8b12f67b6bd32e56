/** What holds for every transform. A new one needs a line in `samples.ts`. */
import { createHash } from 'node:crypto'
import { getEventListeners, once } from 'node:events'
import { type Duplex, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setImmediate, setTimeout } from 'node:timers/promises'
import t from 'tap'
import { compose } from '../../lib/stages/compose.js'
import type { Definition } from '../../lib/stages/define.js'
import { Run } from '../../lib/stages/run.js'
import { spec } from '../../transforms/spec.js'
import fc from '../fast-check.js'
import { resources, restored } from '../fuzz/resources.js'
import { cutAt, cutEvery, cuts, textOf } from '../lib/pipes.js'
import { definitions, drain, firstStream, large, law, make, mebibyte, outcome, source } from './law.js'
import { samples } from './samples.js'
import { possible } from './support.js'

t.test('every transform has samples', async t => {
  const names = definitions().map(({ name }) => name)
  t.same(Object.keys(samples).sort(), names.sort())
  for (const [name, list] of Object.entries(samples))
    t.ok(list.length > 0 && list.every(({ spec }) => spec.split(' ')[0] === name))
})

t.test('each example is true', async t => {
  for (const { name, example } of definitions()) {
    if (!example) continue
    t.match(example.spec, new RegExp(`(^|\\| )${name}\\b`))
    await t.test(example.spec, possible(example.spec), async t =>
      t.equal(await textOf([make(example.spec).stream], example.input), example.output),
    )
  }
})

law('empty input ends it in a way that is known', async (t, { spec, empty }) => {
  t.match(await outcome(spec, []), empty ?? /^[\da-f]{64}$/)
})

law('a reader that does not read stops it, and one that is slow loses nothing', async (t, { spec, input, stops }) => {
  const bytes = input(large, 4)
  let taken = 0
  const chunks = function* () {
    for (const chunk of cutEvery(16_384, bytes)) {
      taken += chunk.length
      yield chunk
    }
  }
  const { stream } = make(spec)
  const from = source(chunks())
  from.pipe(stream)
  for (let before = -1; before !== taken; ) {
    before = taken
    await setTimeout(20) // that nothing happens cannot be awaited
  }
  t.ok(stops || taken <= mebibyte, `${taken} bytes were taken in`)
  t.ok(stream.readableLength <= mebibyte, `${stream.readableLength} bytes wait for the reader`)
  from.unpipe(stream)
  t.equal(await drain(from, stream, true), await outcome(spec, [bytes]))
})

law('destroyed at any time it leaves nothing', async (t, { spec, input }) => {
  const bytes = input(large, 5)
  const first = input(100_000, 5)
  for (const [title, prepare] of [
    ['before it began', async () => {}],
    ['with input that nobody reads', async stream => void stream.write(first)],
    [
      'while it is read',
      async stream => {
        source(cutEvery(10_000, bytes)).pipe(stream)
        await once(stream, 'readable')
        stream.read()
      },
    ],
    [
      'after its input ended',
      async stream => {
        stream.end(first)
        await setImmediate()
      },
    ],
  ] as [string, (stream: Duplex) => Promise<void>][]) {
    for (const error of [undefined, new Error('destroyed')]) {
      const before = resources()
      const listeners = process.eventNames().map(name => process.listenerCount(name))
      const { stream, signal } = make(spec)
      const closed = new Promise(resolve => stream.once('close', resolve))
      const errors: unknown[] = []
      stream.on('error', error => errors.push(error))
      await prepare(stream)
      stream.destroy(error)
      await closed
      await restored(`${title}, ${error ?? 'no error'}: resources`, before, resources, 2000)
      t.same(errors, error ? [error] : [])
      t.same(
        process.eventNames().map(name => process.listenerCount(name)),
        listeners,
      )
      t.equal(getEventListeners(signal, 'abort').length, 0)
    }
  }
})

law('an error on either side reaches it and the other side', async (t, { spec, input }) => {
  const expected = new Error('expected')
  const bytes = cutEvery(10_000, input(large, 6))
  const failing = new Writable({ write: (_chunk, _encoding, callback) => callback(expected) })
  const { stream } = make(spec)
  await t.rejects(pipeline(source(bytes), stream, failing), expected)
  t.ok(stream.destroyed)
  const behind = make(spec).stream
  const broken = function* () {
    yield* bytes.slice(0, 10)
    throw expected
  }
  await t.rejects(
    pipeline(source(broken()), behind, new Writable({ write: (_chunk, _encoding, done) => done() })),
    expected,
  )
  t.ok(behind.destroyed)
})

law('a function behind it receives what its type says', async (t, { spec, input }) => {
  const { unit, name } = definitions().find(({ name }) => name === spec.split(' ')[0]) as Definition
  if (unit === 'json') return
  const texts = unit === 'line' || name === 'buffer-to-string' || name === 'escape'
  const isRight = (value: unknown) => (texts ? typeof value === 'string' : Buffer.isBuffer(value))
  const wrong: unknown[] = []
  const spy = (value: unknown) => void (isRight(value) || wrong.push(value))
  await drain(source(cutEvery(5000, input(20_000, 9))), compose(make(spec).stream, spy))
  t.same(wrong, [])
})

law('memory that it passes on or releases may be used again', async (t, { spec, input }) => {
  const stream = firstStream(spec)
  if (!(stream instanceof Run) || !stream.memory) return
  const bytes = input(large, 10)
  const given = cutEvery(100_000, bytes).map(chunk => Buffer.from(chunk))
  const hash = createHash('sha256')
  let taken = 0
  stream.on('data', chunk => {
    hash.update(chunk)
    if (stream.memory === 'passes') t.equal(chunk, given[taken++], 'each chunk itself')
  })
  const ended = once(stream, 'end')
  for (const chunk of given) {
    await new Promise(resolve => stream.write(chunk, resolve))
    chunk.fill('again')
  }
  stream.end()
  await ended
  t.equal(hash.digest('hex'), await outcome(spec, [bytes]))
})

law('two at once do not mix', async (t, { spec, input }) => {
  const [one, two] = [input(50_000, 7), input(60_000, 8)]
  const alone = [await outcome(spec, [one]), await outcome(spec, [two])]
  t.same(await Promise.all([outcome(spec, cutEvery(777, one)), outcome(spec, cutEvery(777, two))]), alone)
  t.not(alone[0], alone[1])
})

/** Each stage undoes the one before it. */
const inverses = [
  ['frame u8 size=1', 'unframe u8 raw=true'],
  ['frame u32be size=777', 'unframe u32be raw=true'],
  ['frame varint size=100k', 'unframe varint raw=true'],
  ['gzip', 'gunzip'],
  ['gzip level=0', 'gunzip'],
  ['gzip flush=true', 'gunzip'],
  ['base64', 'unbase64'],
  ['base64 url=true', 'unbase64'],
  ['base64 width=76', 'unbase64'],
  ['base64 width=1', 'unbase64'],
  ['deflate', 'inflate'],
  ['deflate raw=true flush=true', 'inflate raw=true'],
  ['brotli', 'unbrotli'],
  ['brotli quality=1 flush=true', 'unbrotli'],
  ['zstd', 'unzstd'],
  ['zstd level=1 flush=true', 'unzstd'],
  ['hex', 'unhex'],
  ['hex plain=true', 'unhex'],
  ['hex width=1', 'unhex form=canonical'],
  ['hex width=256', 'unhex'],
  ['hex plain=true width=1', 'unhex form=plain'],
  ['hex plain=true width=13', 'unhex'],
] as const

t.test('encoding and decoding is the identity (A-10)', async t => {
  const back = async ([there, back]: (typeof inverses)[number], bytes: Buffer, size: number) => {
    const stage = compose(...spec(there)(), (chunk: Buffer) => cutEvery(size, chunk).values(), ...spec(back)())
    return Buffer.concat(await source([bytes]).pipe(stage).toArray()).equals(bytes)
  }
  for (const pair of inverses) {
    await t.test(pair.join(' | '), possible(...pair), async t => {
      for (const size of [0, 1, 65_535, 65_536, 65_537])
        t.ok(await back(pair, Buffer.alloc(size, 'abc'), 1000), `${size} bytes`)
      const property = fc.asyncProperty(
        fc.uint8Array({ maxLength: 3000 }),
        fc.integer({ min: 1, max: 200 }),
        (array, size) => back(pair, Buffer.from(array), size),
      )
      await fc.assert(property, { numRuns: 20, seed: 3 })
    })
  }
})

t.test('JSON values survive any notation and chunking (A-10)', async t => {
  const through = async (chunks: Buffer[], stages: string) =>
    String(
      Buffer.concat(
        await source(chunks)
          .pipe(compose(...spec(stages)()))
          .toArray(),
      ),
    )
  for (const size of [0, 1, 65_535, 65_536, 65_537]) {
    const line = size === 0 ? '' : size === 1 ? '7' : JSON.stringify('a'.repeat(size - 2))
    const back = await through([Buffer.from(line)], 'json pretty=true | json')
    t.ok(back === (line && `${line}\n`), `${size} bytes`)
  }
  const property = fc.asyncProperty(fc.array(fc.jsonValue()), cuts, async (values, places) => {
    const lines = values.map(value => `${JSON.stringify(value)}\n`).join('')
    return (await through(cutAt(places, Buffer.from(lines)), 'json pretty=true | slice 3 | json')) === lines
  })
  await fc.assert(property, { numRuns: 50, seed: 4 })
})
