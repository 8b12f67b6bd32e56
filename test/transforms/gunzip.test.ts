import { createGzip, gzipSync } from 'node:zlib'
import t from 'tap'
import { gunzip } from '../../transforms/gunzip.js'
import { needs, noise, output } from '../laws/support.js'
import { bomb, explode } from '../lib/bombs.js'
import { cutEvery, errorOf, run, settled, textOf } from '../lib/pipes.js'

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
  const invalid = Buffer.concat([hello.subarray(0, 10), Buffer.alloc(10, 0xff)])
  t.match(await errorOf([gunzip()], invalid), {
    message: 'gunzip: invalid block type',
    cause: { code: 'Z_DATA_ERROR' },
  })
})

t.test('what precedes an error in its chunk is delivered, many small members too (G-10)', async t => {
  const members = Array.from({ length: 3000 }, (_, i) => gzipSync(`line ${i}\n`))
  const lines = Buffer.from(members.map((_, i) => `line ${i}\n`).join(''))
  const large = gzipSync(noise(300_000))
  const wrong = Buffer.from(large)
  wrong[wrong.length - 5] = (wrong.at(-5) as number) ^ 1
  for (const [title, input, expected] of [
    ['junk behind a file', Buffer.concat([large, Buffer.from('junk\n')]), noise(300_000)],
    ['a wrong checksum before others', Buffer.concat([wrong, large]), noise(300_000)],
    ['junk behind small members', Buffer.concat([...members, Buffer.from('junk\n')]), lines],
    [
      'small members behind a large one',
      Buffer.concat([large, ...members, wrong]),
      [noise(300_000), lines, noise(300_000)],
    ],
  ] as const) {
    for (const size of [65_536, 1_000_000]) {
      const { chunks, error } = await run([gunzip()], cutEvery(size, input))
      t.match(error, { code: 'ERR_INPUT' }, title)
      t.ok(Buffer.concat(chunks).equals(Buffer.concat([expected].flat())), `${title} by ${size}`)
    }
  }
})

t.test('small members wait for a slow reader', async t => {
  const stream = gunzip({ ratio: 1100 })
  stream.write(Buffer.concat(Array(2000).fill(gzipSync(Buffer.alloc(10_000)))))
  stream.end()
  t.ok((await settled(() => stream.readableLength)) < 100_000)
  t.equal((await textOf([stream], [])).length, 20_000_000)
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

t.test('what Python writes, with names, one after another', needs('python3'), async t => {
  const script = `import sys, gzip
data = sys.stdin.buffer.read()
with gzip.GzipFile('a name', 'wb', 9, sys.stdout.buffer, 0) as file: file.write(data)
sys.stdout.buffer.write(gzip.compress(b''))
sys.stdout.buffer.write(gzip.compress(data, 1))`
  const input = output('python3', ['-c', script], noise(100_000))
  for (const size of [1000, 1_000_000]) {
    const { chunks } = await run([gunzip()], cutEvery(size, input))
    t.ok(Buffer.concat(chunks).equals(Buffer.concat([noise(100_000), noise(100_000)])))
  }
})
