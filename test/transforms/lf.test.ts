import { once } from 'node:events'
import t from 'tap'
import { crlf } from '../../transforms/crlf.js'
import { lf } from '../../transforms/lf.js'
import { needs, noise, output } from '../laws/support.js'
import { cutEvery, run, textOf } from '../lib/pipes.js'

t.test('each CR LF loses its CR, in any chunking (A-09)', async t => {
  for (const [input, expected] of [
    ['', ''],
    ['a', 'a'],
    ['\r\n', '\n'],
    ['a\r\nb\r\n', 'a\nb\n'],
    ['a\nb\n', 'a\nb\n'],
    ['a\rb\r', 'a\rb\r'],
    ['\r\r\n\r\r', '\r\n\r\r'],
    ['\r\n\r\n\n\r\n', '\n\n\n\n'],
  ] as const) {
    for (const size of [1, 2, 3, 100])
      t.equal(await textOf([lf()], cutEvery(size, Buffer.from(input))), expected, JSON.stringify(input))
  }
})

t.test('a CR at the end of a block and its LF in the next (A-09)', async t => {
  for (const size of [65_534, 65_535, 65_536, 65_537])
    t.equal(await textOf([lf()], `${'x'.repeat(size)}\r\n\r`), `${'x'.repeat(size)}\n\r`)
})

t.test('all other bytes pass, and crlf is undone', async t => {
  const input = Buffer.from(noise(300_000).map(byte => (byte === 13 ? 0 : byte)))
  t.ok(Buffer.concat((await run([lf()], input)).chunks).equals(input))
  t.ok(Buffer.concat((await run([crlf(), lf()], input)).chunks).equals(input))
})

t.test('the chunk that it is given stays as it is', async t => {
  const chunk = Buffer.from('a\r\nb\r\n')
  t.equal(await textOf([lf()], chunk), 'a\nb\n')
  t.equal(String(chunk), 'a\r\nb\r\n')
})

t.test('only a CR is held back', async t => {
  const stage = lf()
  stage.write('login: \r')
  t.equal(String((await once(stage, 'data'))[0]), 'login: ')
  stage.destroy()
})

t.test('as dos2unix', needs('dos2unix'), async t => {
  const input = Buffer.from(noise(100_000).map(byte => [10, 13, 65, 66][byte % 4] as number))
  t.ok(Buffer.concat((await run([lf()], input)).chunks).equals(output('dos2unix', ['-f'], input)))
})
