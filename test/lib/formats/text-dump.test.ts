import t from 'tap'
import { readable, textRows } from '../../../lib/formats/text-dump.js'
import fc from '../../fast-check.js'

t.test('readable: one line, in which nothing is hidden', async t => {
  for (const [bytes, text] of [
    ['', ''],
    ['aä€😀', 'aä€😀'],
    ['a\tb\r\n\0\x1b[2J\x7f', 'a\\tb\\r\\n\\x00\\e[2J\\x7f'],
    ['\u009b31m\u202e\u200b', '\\x9b31m\\u202e\\u200b'],
    [Buffer.of(0xff, 0xc0, 0xaf), '\\xff\\xc0\\xaf'],
    [Buffer.of(0xe2, 0x82, 0x41), '\\xe2\\x82A'],
    [Buffer.of(0xed, 0xa0, 0x80), '\\xed\\xa0\\x80'],
    [Buffer.of(0xf4, 0x90, 0x80, 0x80), '\\xf4\\x90\\x80\\x80'],
  ] as const)
    t.equal(readable(Buffer.from(bytes as string)), text)
})

t.test('any bytes: printable, and well-formed UTF-8 stays as it is', async () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), bytes => {
      // biome-ignore lint/suspicious/noControlCharactersInRegex: none of them may come out
      return !/[\x00-\x1f\x7f-\x9f\ufffd]/.test(readable(Buffer.from(bytes)))
    }),
  )
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), text => {
      const plain = text.replace(/[^\p{L}\p{N}]|\p{Default_Ignorable_Code_Point}/gu, '') // fillers are letters, too
      return readable(Buffer.from(plain)) === plain
    }),
  )
})

t.test('textRows', async t => {
  for (const [bytes, columns, rows] of [
    ['a\nb', 80, '  a\\n\n  b\n'],
    ['a\n', 80, '  a\\n\n'],
    ['\n\n', 80, '  \\n\n  \\n\n'],
    ['abcdef', 6, '  abcd\n  ef\n'],
    ['ab', 1, '  a\n  b\n'],
    ['a'.repeat(500), Number.POSITIVE_INFINITY, `  ${'a'.repeat(500)}\n`],
  ] as const)
    t.equal(textRows(Buffer.from(bytes), columns), rows)
})
