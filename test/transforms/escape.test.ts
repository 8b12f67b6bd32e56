import t from 'tap'
import { escape as escapeControls } from '../../transforms/escape.js'
import { cutEvery, errorOf, planned, textOf } from '../lib/pipes.js'

t.test('what is shown, cut anywhere', async t => {
  for (const [input, expected, all = expected] of [
    ['plain, ß€漢😀', 'plain, ß€漢😀'],
    ['a\tb\n', 'a\tb\n', 'a\\tb\\n'],
    ['\x1b[2J\x07\r\0\x7f', '\\e[2J\\x07\\r\\x00\\x7f'],
    ['\u009b31m\u202e\u2028', '\\x9b31m\\u202e\\u2028'],
    ['\\x1b', '\\x1b'],
    ['👩\u200d💻❤\ufe0f', '👩\u200d💻❤\ufe0f', '👩\\u200d💻❤\\ufe0f'],
    ['\u{e0041}', '\\u{e0041}'],
    ['\ufeffBOM', '\\ufeffBOM'],
  ] as [string, string, string?][]) {
    for (const size of [1, 2, 3, 100]) {
      const chunks = cutEvery(size, Buffer.from(input))
      t.equal(await textOf([escapeControls()], chunks), expected, all)
      t.equal(await textOf([escapeControls({ all: true })], chunks), all, `${all}, all`)
    }
  }
})

t.test('invalid UTF-8 becomes U+FFFD, once per sequence as the Encoding Standard specifies (A-08)', async t => {
  for (const [bytes, expected] of [
    [[0xff, 0x9b, 0x0a], '\ufffd\ufffd\n'],
    [[0xe2, 0x82], '\ufffd'],
    [[0xe2, 0x82, 0x41], '\ufffdA'],
    [[0xc0, 0xaf], '\ufffd\ufffd'],
    [[0xed, 0xa0, 0x80], '\ufffd\ufffd\ufffd'],
    [[0xf0, 0x9f, 0x98, 0x1b], '\ufffd\\e'],
  ] as const) {
    for (const size of [1, 2, 100])
      t.equal(await textOf([escapeControls()], cutEvery(size, Buffer.from(bytes))), expected, bytes.join())
  }
})

t.test('it makes lines, and gets bytes behind whatever stands before it', async t => {
  t.equal(planned([escapeControls()]).makesLines, true)
  t.equal(await textOf([() => 'one\r\ntwo', escapeControls()], 'x'), 'one\\r\ntwo')
  t.match(await errorOf([() => ({}), escapeControls()], 'x'), { code: 'ERR_STAGE_RESULT' })
})
