import { Readable } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import {
  brotliCompressSync,
  createBrotliCompress,
  createBrotliDecompress,
  createGunzip,
  createGzip,
  createInflate,
  createInflateRaw,
  deflateRawSync,
  deflateSync,
  gzipSync,
} from 'node:zlib'
import t from 'tap'
import { capOptions, decompressor, type Format, freeOutput, outputOptions } from '../../../lib/formats/decompressor.js'
import { TcpPipeError } from '../../../lib/text/errors.js'
import { noise } from '../../laws/support.js'
import { bomb, explode } from '../bombs.js'
import { cutEvery, errorOf, run, settled, textOf } from '../pipes.js'

const formats = [
  ['gzip', gzipSync, createGunzip],
  ['zlib', deflateSync, createInflate],
  ['deflate', deflateRawSync, createInflateRaw],
  ['brotli', brotliCompressSync, createBrotliDecompress],
] as const

const sizes = [1, 2, 3, 5, 8, 13, 21, 1000]
const garbage = Buffer.from('garbage')
const zeros = Buffer.alloc(20)
const caps = { max: undefined, ratio: 100 }

function stage(
  stream: Format['stream'],
  more: Partial<Format> = {},
  given = caps as Parameters<typeof decompressor>[1],
) {
  return decompressor({ name: 'test', stream, ...more }, given)
}

t.test('what was compressed, cut anywhere', async t => {
  for (const [title, compress, create] of formats) {
    for (const size of sizes) {
      for (const text of ['', 'hello'])
        t.equal(await textOf([stage(create())], cutEvery(size, compress(text))), text, `${title} by ${size}`)
    }
    const { chunks } = await run([stage(create())], compress(noise(300_000)))
    t.ok(Buffer.concat(chunks).equals(noise(300_000)), title)
  }
})

t.test('what ends early, what goes on and what is none of it', async t => {
  for (const [title, compress, create] of formats) {
    const hello = compress('hello')
    for (const [what, input, message] of [
      ['nothing', Buffer.alloc(0), /^test: unexpected end of file$/],
      ['the first byte', hello.subarray(0, 1), /^test: unexpected end of file$/],
      ['all but the last byte', hello.subarray(0, -1), /^test: unexpected end of file$/],
      ['something behind it', Buffer.concat([hello, zeros]), /^test: unexpected data after the end$/],
      ['itself behind it', Buffer.concat([hello, hello]), /^test: unexpected data after the end$/],
    ] as const) {
      if (title === 'gzip' && what === 'itself behind it') continue
      for (const size of sizes)
        t.match(
          await errorOf([stage(create())], cutEvery(size, input)),
          { code: 'ERR_INPUT', message },
          `${title}, ${what} by ${size}`,
        )
    }
    const error = await errorOf([stage(create())], Buffer.alloc(100, 0xff))
    t.match(error, { code: 'ERR_INPUT', message: /^test: ./, cause: { code: /./ } }, `${title}, something else`)
  }
})

t.test('zero bytes behind the end, where they are padding', async t => {
  for (const size of sizes) {
    const padded = Buffer.concat([deflateSync('hello'), zeros])
    t.equal(await textOf([stage(createInflate(), { padding: true })], cutEvery(size, padded)), 'hello')
    const more = cutEvery(size, Buffer.concat([padded, garbage]))
    t.match(await errorOf([stage(createInflate(), { padding: true })], more), { message: /unexpected data after/ })
  }
})

t.test('input can be cut before zlib gets it, and checked at its end', async t => {
  const parts = [gzipSync('one'), gzipSync('two')]
  const pieces: number[] = []
  function* cut(chunk?: Buffer) {
    for (const byte of chunk ?? []) {
      pieces.push(byte)
      if (byte === 0xff) throw new TcpPipeError('ERR_INPUT', 'no such byte')
      yield Buffer.of(byte)
    }
    if (!chunk && pieces.length < 30) throw new TcpPipeError('ERR_INPUT', 'too few')
  }
  const input = Buffer.concat(parts)
  t.equal(await textOf([stage(createGunzip(), { cut })], input), 'onetwo')
  t.ok(Buffer.from(pieces).equals(input))
  pieces.length = 0
  t.match(await errorOf([stage(createGunzip(), { cut })], parts[0] as Buffer), { message: 'too few' })
  t.match(await errorOf([stage(createGunzip(), { cut })], Buffer.of(0xff)), { message: 'no such byte' })
})

t.test('max is the most that comes out', async t => {
  const input = gzipSync(noise(100_000))
  const { error, chunks } = await run([stage(createGunzip(), {}, { ...caps, max: 70_000 })], input)
  t.match(error, { code: 'ERR_OUTPUT_LIMIT', message: /^test: the output exceeds max=70000 bytes$/ })
  t.ok(Buffer.concat(chunks).equals(noise(100_000).subarray(0, 70_000)))
  t.equal(await textOf([stage(createGunzip(), {}, { ...caps, max: 5 })], gzipSync('hello')), 'hello')
})

t.test('a bomb is stopped at its ratio, in bounded memory', async t => {
  for (const [create, compressor] of [
    [createGunzip, () => createGzip({ level: 9 })],
    [createBrotliDecompress, () => createBrotliCompress({ params: { 1: 1 } })],
  ] as const) {
    await explode(stage(create(), {}, { max: undefined, ratio: 1e9 }), bomb(compressor(), 20)) // warm
    const { size, error, grown } = await explode(stage(create()), bomb(compressor(), 300))
    t.match(error, {
      code: 'ERR_OUTPUT_LIMIT',
      message: /^test: the output exceeds ratio=100: \d+ bytes of input gave \d+ bytes; a higher ratio allows it$/,
    })
    t.equal(size, freeOutput)
    t.ok(grown < 32 * 2 ** 20, 'less than 32 MiB')
  }
})

t.test('below 16 MiB, and with a higher ratio, zeros pass', async t => {
  t.match(await explode(stage(createGunzip()), bomb(createGzip(), 16)), { size: freeOutput, error: undefined })
  const high = stage(createGunzip(), {}, { max: undefined, ratio: 1100 })
  t.match(await explode(high, bomb(createGzip(), 40)), { size: 40 * 2 ** 20, error: undefined })
})

t.test('a reader that does not read stops it', async t => {
  const stream = stage(createGunzip(), {}, { max: undefined, ratio: 1100 })
  const input = Readable.from(cutEvery(1000, gzipSync(Buffer.alloc(2 ** 24)))).pipe(stream)
  while (stream.readableLength < 2 ** 16) await setImmediate()
  t.ok((await settled(() => stream.readableLength)) <= 2 ** 17)
  t.equal(
    (await input.toArray()).reduce((sum, chunk) => sum + chunk.length, 0),
    2 ** 24,
  )
})

t.test('the options', async t => {
  const { max, ratio } = capOptions(250)
  t.equal(ratio.default, 250)
  t.equal(max.parse('1m'), 2 ** 20)
  for (const option of [max, ratio]) t.notOk(option.accepts(0))
})

t.test('what precedes an error is delivered, however slowly it is read (G-10)', async t => {
  const text = noise(300_000)
  const checksum = Buffer.from(deflateSync(text))
  checksum[checksum.length - 1] = (checksum.at(-1) as number) ^ 1
  for (const [title, input, more] of [
    ['data after the end', Buffer.concat([deflateSync(text), garbage]), {}],
    ['a wrong checksum', checksum, { trailer: 4 }],
    ['no end', deflateSync(text).subarray(0, -1), {}],
  ] as const) {
    for (const size of [10_000, 400_000]) {
      const stream = stage(createInflate(outputOptions), more)
      Readable.from(cutEvery(size, input)).pipe(stream)
      const chunks: Buffer[] = []
      const error = await new Promise(resolve => {
        stream.once('error', resolve)
        stream.on('data', chunk => {
          chunks.push(chunk)
          stream.pause()
          void setImmediate().then(() => stream.resume())
        })
      })
      t.match(error, { code: 'ERR_INPUT' }, `${title} by ${size}`)
      t.ok(Buffer.concat(chunks).equals(text), `${Buffer.concat(chunks).length} bytes`)
    }
  }
})

t.test('after a limit it decompresses no more', async t => {
  const inner = createGunzip(outputOptions)
  const stream = stage(inner, {}, { ...caps, max: 100_000 })
  stream.on('error', () => {})
  stream.write(gzipSync(Buffer.alloc(10_000_000)))
  stream.once('readable', () => stream.read(1))
  while (stream.readableLength < 99_999) await setImmediate()
  t.equal(await settled(() => stream.readableLength), 99_999)
  t.notOk(stream.destroyed)
  stream.resume()
  await new Promise(resolve => stream.once('close', resolve))
  t.match(stream.errored, { code: 'ERR_OUTPUT_LIMIT' })
})
