import { Readable } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import { createBrotliCompress, createBrotliDecompress, createGzip, deflateSync, gzipSync } from 'node:zlib'
import t from 'tap'
import { contained } from '../../../lib/formats/contained.js'
import { gzip, zlib } from '../../../lib/formats/containers.js'
import { capOptions, decompressor, type Engine, freeOutput, type Take } from '../../../lib/formats/decompressor.js'
import { outputOptions, zlibEngine } from '../../../lib/formats/zlib-engine.js'
import { noise } from '../../laws/support.js'
import { bomb, explode } from '../bombs.js'
import { cutEvery, run, settled, textOf } from '../pipes.js'

const caps = { max: undefined, ratio: 100 }
const brotli = () => zlibEngine({ name: 'test', stream: createBrotliDecompress(outputOptions) })

function stage(open: (take: Take) => Engine = contained(gzip), given: Parameters<typeof decompressor>[1] = caps) {
  return decompressor('test', given, open)
}

t.test('max is the most that comes out', async t => {
  const input = gzipSync(noise(100_000))
  const { error, chunks } = await run([stage(contained(gzip), { ...caps, max: 70_000 })], input)
  t.match(error, { code: 'ERR_OUTPUT_LIMIT', message: /^test: the output exceeds max=70000 bytes$/ })
  t.ok(Buffer.concat(chunks).equals(noise(100_000).subarray(0, 70_000)))
  const more = Buffer.concat([input, Buffer.from('garbage')])
  const { error: first } = await run([stage(contained(gzip), { ...caps, max: 99_999 })], more)
  t.match(first, { code: 'ERR_OUTPUT_LIMIT' }, 'it precedes an error')
  t.equal(await textOf([stage(contained(gzip), { ...caps, max: 5 })], gzipSync('hello')), 'hello')
})

t.test('a bomb is stopped at its ratio, in bounded memory', async t => {
  for (const [create, compressor] of [
    [() => contained(gzip), () => createGzip({ level: 9 })],
    [brotli, () => createBrotliCompress({ params: { 1: 1 } })],
  ] as const) {
    await explode(stage(create(), { max: undefined, ratio: 1e9 }), bomb(compressor(), 20)) // warm
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
  t.match(await explode(stage(), bomb(createGzip(), 16)), { size: freeOutput, error: undefined })
  const high = stage(contained(gzip), { max: undefined, ratio: 1100 })
  t.match(await explode(high, bomb(createGzip(), 40)), { size: 40 * 2 ** 20, error: undefined })
})

t.test('a reader that does not read stops it', async t => {
  const stream = stage(contained(gzip), { max: undefined, ratio: 1100 })
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
  for (const [title, input] of [
    ['data after the end', Buffer.concat([deflateSync(text), Buffer.from('garbage')])],
    ['a wrong checksum', checksum],
    ['a wrong checksum before others', Buffer.concat([checksum, checksum])],
    ['no end', deflateSync(text).subarray(0, -1)],
  ] as const) {
    for (const size of [10_000, 400_000]) {
      const stream = stage(contained(zlib))
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
  const stream = stage(contained(gzip), { ...caps, max: 100_000 })
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
