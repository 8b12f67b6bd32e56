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
