import { brotliCompressSync, createBrotliCompress } from 'node:zlib'
import t from 'tap'
import { unbrotli } from '../../transforms/unbrotli.js'
import { needs, noise, output } from '../laws/support.js'
import { bomb, explode } from '../lib/bombs.js'
import { cutEvery, errorOf, run, textOf } from '../lib/pipes.js'

const hello = brotliCompressSync('hello')

t.test('cut anywhere', async t => {
  for (const size of [1, 2, 3, 1000]) t.equal(await textOf([unbrotli()], cutEvery(size, hello)), 'hello')
})

t.test('what is no brotli, ends early or goes on', async t => {
  for (const [input, message] of [
    [Buffer.alloc(20, 0xff), /^unbrotli: Decompression failed$/],
    ['', /^unbrotli: unexpected end of file$/],
    [hello.subarray(0, -1), /^unbrotli: unexpected end of file$/],
    [[hello, Buffer.of(0)], /^unbrotli: unexpected data after the end$/],
    [[hello, hello], /^unbrotli: unexpected data after the end$/],
  ] as const)
    t.match(await errorOf([unbrotli()], input), { code: 'ERR_INPUT', message })
})

t.test('max and ratio', async t => {
  t.match(await errorOf([unbrotli({ max: 4 })], hello), { code: 'ERR_OUTPUT_LIMIT', message: /max=4 bytes/ })
  const { error, size } = await explode(unbrotli(), bomb(createBrotliCompress({ params: { 1: 4 } }), 40))
  t.match(error, { code: 'ERR_OUTPUT_LIMIT', message: /the output exceeds ratio=1000: / })
  t.ok(size <= 16 * 2 ** 20)
})

t.test('what brotli writes', needs('brotli'), async t => {
  const { chunks } = await run([unbrotli()], cutEvery(1000, output('brotli', ['-c'], noise(200_000))))
  t.ok(Buffer.concat(chunks).equals(noise(200_000)))
})
