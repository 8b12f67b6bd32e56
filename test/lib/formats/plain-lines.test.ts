import t from 'tap'
import { toJson } from '../../../lib/formats/json-number.js'
import { parseJson } from '../../../lib/formats/json-value.js'
import { copyPlainLines } from '../../../lib/formats/plain-lines.js'
import fc from '../../fast-check.js'

const copy = (text: string | Buffer, maxRecord = 1000) => copyPlainLines(Buffer.from(text as string), maxRecord)

t.test('plain lines are copied without their white space', async t => {
  for (const [text, expected] of [
    ['{}\n', '{}'],
    ['[]\n', '[]'],
    [' { "a" : [ 1 , "b c" , { } , [ ] ] ,\t"d": true }\r\n', '{"a":[1,"b c",{},[]],"d":true}'],
    ['false\n', 'false'],
    ['null\n', 'null'],
    ['"é😀 \\"\\\\\\b\\f\\n\\r\\t"\n', '"é😀 \\"\\\\\\b\\f\\n\\r\\t"'],
    ['{"a":{"a":{"a":1}},"b":[{"a":1}]}\n', '{"a":{"a":{"a":1}},"b":[{"a":1}]}'],
    ['0\n', '0'],
    ['-1\n', '-1'],
    ['123456789012345\n', '123456789012345'],
    ['0.5\n', '0.5'],
    ['-0.5\n', '-0.5'],
    ['0.000001\n', '0.000001'],
    ['120.05\n', '120.05'],
  ] as const) {
    const { end, lines, blank, text: copied } = copy(text)
    t.strictSame([end, lines, blank, copied.toString()], [Buffer.byteLength(text), 1, 0, `${expected}\n`], text)
  }
})

t.test('other lines are not', async t => {
  for (const text of [
    ...['', '1', '{"a":1}', '1 2\n', '{} []\n', '{"a":1,\n"b":2}\n', 'tru\n', 'nul}\n', '+1\n', '\ufeff1\n'],
    ...['{,}\n', '{"a":1,}\n', '{"a"}\n', '{"a":}\n', '{"a" 1}\n', '{"a":1 "b":2}\n', '{"a":1,2}\n', '{1:2}\n', '{\n'],
    ...['[,]\n', '[1,]\n', '[1 2]\n', '[\n', '[1\n', ']\n'],
    ...['"a\n', '"\t"\n', '"\\/"\n', '"\\u0041"\n', '"\\\n', '"a" "b"\n', '"\\\\" "\n'],
    ...['-\n', '-0\n', '01\n', '-01\n', '1.\n', '.5\n', '1.0\n', '0.0\n', '1e5\n', '1E5\n', '0.0000001\n'],
    ...['1234567890123456\n', '0.123456789012345\n'],
    ...['{"a":1,"a":2}\n', '{"a":{"b":1,"b":2}}\n', '{"b":1,"1":2}\n'],
    `${'['.repeat(40)}${']'.repeat(40)}\n`,
    `${'{"a":'.repeat(40)}1${'}'.repeat(40)}\n`,
    `{${Array.from({ length: 300 }, (_, i) => `"n${i}":0`).join(',')}}\n`,
  ]) {
    const { end, lines, text: copied } = copy(text, 1e6)
    t.strictSame([end, lines, copied.length], [0, 0, 0], text)
  }
  for (const bytes of ['"\xff"\n', '"\xc3"\n', '"\xed\xa0\x80"\n'])
    t.equal(copy(Buffer.from(bytes, 'latin1')).lines, 0, 'invalid UTF-8')
})

t.test('up to the first that is not plain, longer than allowed, or has no LF', async t => {
  for (const [text, maxRecord, expected] of [
    ['1\n2\n1.0\n4\n', 10, [4, 2, 0, '1\n2\n']],
    ['1\n\n \r\n2\n3', 10, [8, 4, 2, '1\n2\n']],
    ['\n', 10, [1, 1, 1, '']],
    ['"abc"\n"abcd"\n', 5, [6, 1, 0, '"abc"\n']],
    ['"a"\n{"b":1,"c"\n', 10, [4, 1, 0, '"a"\n']],
    ['"é"\n"\\/é"\n"a"\n', 10, [5, 1, 0, '"é"\n']],
  ] as const) {
    const { end, lines, blank, text: copied } = copy(text, maxRecord)
    t.strictSame([end, lines, blank, copied.toString()], expected, JSON.stringify(text))
  }
})

t.test('a copy is what parsing and writing give', async t => {
  const pieces = fc.constantFrom(
    ...[
      '{',
      '}',
      '[',
      ']',
      ':',
      ',',
      '"',
      '\\',
      ' ',
      '"a":',
      '"b":',
      '"1":',
      '{"a":1',
      '"a"',
      '\\n',
      '\\u0041',
      'é',
      '\x01',
    ],
    ...['0', '1', '-', '.', '00000', '12', '15', 'e', 'true', 'null'],
  )
  const broken = fc.array(pieces, { maxLength: 12 }).map(parts => parts.join(''))
  const valid = fc.jsonValue().chain(value => fc.constantFrom(JSON.stringify(value), JSON.stringify(value, null, '\t')))
  const lines = fc.oneof(broken, valid).map(text => text.replaceAll('\n', ' '))
  let copies = 0
  fc.assert(
    fc.property(lines, line => {
      const { lines, blank, text } = copy(`${line}\n`, 1e6)
      copies += lines - blank
      if (lines > blank) t.equal(text.toString(), `${toJson(parseJson(line))}\n`, line)
      else if (lines > 0) t.equal(line.trim(), '')
    }),
    { numRuns: 3000 },
  )
  t.ok(copies > 100, `${copies} copies`)
})
