import { createDeflate, deflateRawSync, deflateSync } from 'node:zlib'
import t from 'tap'
import { inflate } from '../../transforms/inflate.js'
import { needs, noise, output } from '../laws/support.js'
import { bomb, explode } from '../lib/bombs.js'
import { cutEvery, errorOf, run, textOf } from '../lib/pipes.js'

t.test('zlib and bare deflate, cut anywhere', async t => {
  for (const size of [1, 2, 3, 1000]) {
    t.equal(await textOf([inflate()], cutEvery(size, deflateSync('hello'))), 'hello')
    t.equal(await textOf([inflate({ raw: true })], cutEvery(size, deflateRawSync('hello'))), 'hello')
  }
})

t.test('one is not the other', async t => {
  const wrong = { code: 'ERR_INPUT', message: /^inflate: incorrect header check$/ }
  t.match(await errorOf([inflate()], deflateRawSync('hello')), wrong)
  t.match(await errorOf([inflate()], 'hello'), wrong)
  t.match(await errorOf([inflate({ raw: true })], deflateSync('hello')), { message: /^inflate: invalid/ })
})

t.test('what ends early or goes on', async t => {
  const hello = deflateSync('hello')
  t.match(await errorOf([inflate()], ''), { code: 'ERR_INPUT', message: /^inflate: unexpected end of file$/ })
  t.match(await errorOf([inflate()], hello.subarray(0, -1)), { message: /^inflate: unexpected end of file$/ })
  t.match(await errorOf([inflate()], [hello, Buffer.of(0)]), { message: /^inflate: unexpected data after the end/ })
})

t.test('what precedes an error in its chunk is delivered (G-10)', async t => {
  const text = noise(300_000)
  const wrong = deflateSync(text)
  wrong[wrong.length - 1] = (wrong.at(-1) as number) ^ 1
  for (const [input, message] of [
    [Buffer.concat([wrong, wrong]), 'inflate: incorrect data check'],
    [Buffer.concat([deflateSync(text), Buffer.from('junk')]), 'inflate: unexpected data after the end'],
    [wrong.subarray(0, -1), 'inflate: unexpected end of file'],
  ] as const) {
    const { chunks, error } = await run([inflate()], [input])
    t.match(error, { code: 'ERR_INPUT', message })
    t.ok(Buffer.concat(chunks).equals(text), message)
  }
})

t.test('max and ratio', async t => {
  t.match(await errorOf([inflate({ max: 4 })], deflateSync('hello')), {
    code: 'ERR_OUTPUT_LIMIT',
    message: /max=4 bytes/,
  })
  const { error, size } = await explode(inflate(), bomb(createDeflate(), 40))
  t.match(error, { code: 'ERR_OUTPUT_LIMIT', message: /the output exceeds ratio=200: / })
  t.ok(size <= 16 * 2 ** 20)
})

t.test('what zlib of Python writes', needs('python3'), async t => {
  const script = 'import sys, zlib; sys.stdout.buffer.write(zlib.compress(sys.stdin.buffer.read()))'
  const { chunks } = await run([inflate()], cutEvery(1000, output('python3', ['-c', script], noise(200_000))))
  t.ok(Buffer.concat(chunks).equals(noise(200_000)))
})
