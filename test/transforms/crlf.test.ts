import t from 'tap'
import { crlf } from '../../transforms/crlf.js'
import { needs, noise, output } from '../laws/support.js'
import { cutEvery, run, textOf } from '../lib/pipes.js'

t.test('each LF without a CR gets one, in any chunking (A-09)', async t => {
  for (const [input, expected] of [
    ['', ''],
    ['a', 'a'],
    ['\n', '\r\n'],
    ['a\nb\n', 'a\r\nb\r\n'],
    ['a\r\nb\r\n', 'a\r\nb\r\n'],
    ['\n\n\r\n\n', '\r\n\r\n\r\n\r\n'],
    ['a\rb\r', 'a\rb\r'],
    ['\r\r\n\n\r', '\r\r\n\r\n\r'],
  ] as const) {
    for (const size of [1, 2, 3, 100])
      t.equal(await textOf([crlf()], cutEvery(size, Buffer.from(input))), expected, JSON.stringify(input))
  }
})

t.test('a CR at the end of a block and its LF in the next (A-09)', async t => {
  for (const size of [65_535, 65_536, 65_537]) {
    const input = `${'x'.repeat(size)}\r\n\n`
    t.equal(await textOf([crlf()], input), `${'x'.repeat(size)}\r\n\r\n`)
  }
})

t.test('all other bytes pass', async t => {
  const input = noise(300_000).map(byte => (byte === 10 ? 0 : byte))
  t.ok(Buffer.concat((await run([crlf()], Buffer.from(input))).chunks).equals(input))
})

t.test('as unix2dos', needs('unix2dos'), async t => {
  const text = Array.from(noise(100_000), byte => ['\n', '\r', 'A', 'B'][byte % 4]).join('')
  const input = Buffer.from(text.replace(/\r+/g, '\r')) // of several, unix2dos takes two together
  t.ok(Buffer.concat((await run([crlf()], input)).chunks).equals(output('unix2dos', ['-f'], input)))
})

t.test('an empty chunk between CR and LF changes nothing', async t => {
  const stream = crlf()
  for (const text of ['a\r', '', '\n']) stream.write(text)
  t.equal((await stream.end().toArray()).join(''), 'a\r\n')
})
