import {
  brotliCompressSync,
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createInflateRaw,
  deflateRawSync,
  deflateSync,
  gzipSync,
} from 'node:zlib'
import t from 'tap'
import { decompressor } from '../../../lib/formats/decompressor.js'
import { type Format, outputOptions, zlibEngine } from '../../../lib/formats/zlib-engine.js'
import { TcpPipeError } from '../../../lib/text/errors.js'
import { noise } from '../../laws/support.js'
import { cutEvery, errorOf, run, textOf } from '../pipes.js'

const formats = [
  ['gzip', gzipSync, createGunzip],
  ['zlib', deflateSync, createInflate],
  ['deflate', deflateRawSync, createInflateRaw],
  ['brotli', brotliCompressSync, createBrotliDecompress],
] as const

const sizes = [1, 2, 3, 5, 8, 13, 21, 1000]
const zeros = Buffer.alloc(20)

function stage(stream: Format['stream'], more: Partial<Format> = {}) {
  return decompressor('test', { max: undefined, ratio: 100 }, zlibEngine({ name: 'test', stream, ...more }))
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

t.test('a call ends when its last block has been read, although it is not a full one', async t => {
  const data = Buffer.alloc(135_693, 'abc')
  const blocks: Buffer[] = []
  const engine = zlibEngine({ name: 'unbrotli', stream: createBrotliDecompress(outputOptions) })(block => {
    blocks.push(block)
    engine.pause()
    setTimeout(() => engine.resume(), 20) // zlib goes on meanwhile
  })
  for (const byte of brotliCompressSync(data)) await engine.write(Buffer.of(byte))
  t.ok(Buffer.concat(blocks).equals(data))
  await t.rejects(engine.write(Buffer.of(0)), { code: 'ERR_INPUT' })
  engine.destroy()
})
