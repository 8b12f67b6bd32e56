import t from 'tap'
import { countLines } from '../../../lib/formats/count-lines.js'

t.test('each LF counts, in texts and in bytes', async t => {
  for (const [text, lines] of [
    ['', 0],
    ['a', 0],
    ['\n', 1],
    ['a\nb', 1],
    ['a\r\n\nü\n', 3],
  ] as const) {
    t.equal(countLines(text), lines)
    t.equal(countLines(Buffer.from(text)), lines)
  }
})

t.test('wherever the bytes begin and end', async t => {
  const all = Buffer.alloc(200, '\n\nx\n')
  for (let from = 0; from < 8; from++) {
    for (let end = from; end < all.length; end++) {
      const bytes = all.subarray(from, end)
      const lines = bytes.filter(byte => byte === 10).length
      if (countLines(bytes) !== lines) t.fail(`${from} to ${end}`)
    }
  }
  t.pass()
})

t.test('short lines in many bytes', async t => {
  const text = `${'\n'.repeat(3000)}${'a\n\x8aß\u0a0a'.repeat(500)}${'\n'.repeat(5)}`
  for (let from = 0; from < 9; from++) {
    for (let end = 0; end < 5; end++) {
      const bytes = Buffer.from(text).subarray(from, Buffer.byteLength(text) - end)
      t.equal(countLines(bytes), 3505 - from - end)
    }
  }
  t.equal(countLines(Buffer.alloc(65, '\n')), 65)
  t.equal(countLines(Buffer.alloc(64, '\n')), 64)
  t.equal(countLines(Buffer.from(`${'\n'.repeat(64)}${'x'.repeat(1e4)}`)), 64)
  t.equal(countLines(Buffer.from(`${'x'.repeat(99)}\n`.repeat(100))), 100)
})
