import { createGzip, gzipSync } from 'node:zlib'
import t from 'tap'
import { gunzip } from '../../transforms/gunzip.js'
import { needs, noise, output } from '../laws/support.js'
import { bomb, explode } from '../lib/bombs.js'
import { cutEvery, errorOf, run, textOf } from '../lib/pipes.js'

const hello = gzipSync('hello')
const zeros = Buffer.alloc(64)

t.test('members, whole and cut', async t => {
  for (const [title, input, expected] of [
    ['one member', hello, 'hello'],
    ['two members', Buffer.concat([hello, gzipSync(' you')]), 'hello you'],
    ['an empty member', gzipSync(''), ''],
    ['padding', Buffer.concat([hello, zeros]), 'hello'],
  ] as const) {
    for (const size of [1, 7, 24, 25, 1000])
      t.equal(await textOf([gunzip()], cutEvery(size, input)), expected, `${title} by ${size}`)
  }
})

t.test('what is no gzip', async t => {
  for (const [title, input, message] of [
    ['nothing', Buffer.alloc(0), /^gunzip: unexpected end of file$/],
    ['text', Buffer.from('hello, hello'), /^gunzip: incorrect header check$/],
    ['cut short', hello.subarray(0, -1), /^gunzip: unexpected end of file$/],
    [
      'a wrong checksum',
      Buffer.concat([hello.subarray(0, -8), zeros.subarray(0, 8)]),
      /^gunzip: incorrect data check$/,
    ],
    ['text behind the member', Buffer.concat([hello, Buffer.from('garbage')]), /^gunzip: incorrect header check$/],
    ['text behind padding', Buffer.concat([hello, zeros, Buffer.from('x')]), /^gunzip: unexpected data after the end/],
    ['a member behind padding', Buffer.concat([hello, zeros, hello]), /^gunzip: unexpected data after the end/],
  ] as const) {
    for (const size of [1, 7, 24, 25, 1000])
      t.match(await errorOf([gunzip()], cutEvery(size, input)), { code: 'ERR_INPUT', message }, `${title} by ${size}`)
  }
  t.match(await errorOf([gunzip()], 'hello, hello'), { cause: { code: 'Z_DATA_ERROR' } })
})

t.test('max is the most that comes out', async t => {
  const input = gzipSync(noise(100_000))
  t.equal((await textOf([gunzip({ max: 5 })], hello)).length, 5)
  const { error, chunks } = await run([gunzip({ max: 70_000 })], input)
  t.match(error, { code: 'ERR_OUTPUT_LIMIT', message: /^gunzip: the output exceeds max=70000 bytes$/ })
  t.ok(Buffer.concat(chunks).length <= 70_000)
})

t.test('a bomb is stopped, and so is a nested one (E-01)', async t => {
  const stopped = {
    code: 'ERR_OUTPUT_LIMIT',
    message: /^gunzip: the output exceeds ratio=200: \d+ bytes of input gave \d+ bytes; a higher ratio allows it$/,
  }
  const { size, error } = await explode(gunzip(), bomb(createGzip({ level: 9 }), 40))
  t.match(error, stopped)
  t.ok(size <= 16 * 2 ** 20)
  const nested = await bomb(createGzip({ level: 9 }), 40)
    .pipe(createGzip())
    .toArray()
  t.match(await errorOf([gunzip(), gunzip()], nested), stopped)
})

t.test('with a ratio that the format cannot reach zeros pass', async t => {
  t.match(await explode(gunzip({ ratio: 1100 }), bomb(createGzip({ level: 9 }), 40)), { size: 40 * 2 ** 20 })
})

t.test('what gzip writes', needs('gzip'), async t => {
  const input = output('gzip', ['-c', '-9'], noise(200_000))
  t.ok(Buffer.concat((await run([gunzip()], cutEvery(1000, input))).chunks).equals(noise(200_000)))
})
