import t from 'tap'
import { base64 } from '../../transforms/base64.js'
import { needs, noise, output } from '../laws/support.js'
import { cutEvery, run, textOf } from '../lib/pipes.js'

t.test('the vectors of RFC 4648 §10, and what tells the alphabets apart', async t => {
  for (const [input, expected, url = expected.replaceAll('=', '')] of [
    ['', ''],
    ['f', 'Zg=='],
    ['fo', 'Zm8='],
    ['foo', 'Zm9v'],
    ['foob', 'Zm9vYg=='],
    ['fooba', 'Zm9vYmE='],
    ['foobar', 'Zm9vYmFy'],
    [Buffer.of(0xfb, 0xff, 0xbf, 0xfe), '+/+//g==', '-_-__g'],
  ] as [string | Buffer, string, string?][]) {
    for (const size of [1, 2, 3, 100]) {
      const chunks = cutEvery(size, Buffer.from(input as string))
      t.equal(await textOf([base64()], chunks), expected, `${expected} by ${size}`)
      t.equal(await textOf([base64({ url: true })], chunks), url, `${url} by ${size}`)
    }
  }
})

t.test('lines', async t => {
  for (const [width, input, expected] of [
    [4, '', ''],
    [4, 'foo', 'Zm9v\n'],
    [4, 'foob', 'Zm9v\nYg==\n'],
    [5, 'foobar', 'Zm9vY\nmFy\n'],
    [1, 'f', 'Z\ng\n=\n=\n'],
    [100, 'foo', 'Zm9v\n'],
  ] as const) {
    for (const size of [1, 2, 100])
      t.equal(await textOf([base64({ width })], cutEvery(size, Buffer.from(input))), expected, `${width} ${input}`)
  }
})

t.test('as base64 writes it', needs('base64'), async t => {
  for (const size of [0, 1, 56, 57, 58, 300_000]) {
    const input = noise(size)
    for (const width of [undefined, 1, 75, 76, 77]) {
      const expected = output('base64', ['-w', String(width ?? 0)], input)
      for (const cut of [70_000, 262_144, 300_000]) {
        const { chunks } = await run([base64({ width })], cutEvery(cut, input))
        t.ok(Buffer.concat(chunks).equals(expected), `${size} by ${cut}, width ${width}`)
      }
    }
  }
})

t.test('whole groups of three bytes come at once', async t => {
  const stream = base64()
  const first = new Promise(resolve => stream.once('data', resolve))
  stream.write('foob')
  t.equal(String(await first), 'Zm9v')
  stream.destroy()
})

t.test('the width is checked', async t => {
  t.throws(() => base64({ width: 0 }), { code: 'ERR_OPTION' })
})
