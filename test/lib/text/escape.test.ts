import t from 'tap'
import { escapeJson, escapeLine, escapeText } from '../../../lib/text/escape.js'
import fc from '../../fast-check.js'

// Cf has all that turns the direction of text and most of what is invisible.
const dangerous = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u

for (const [title, text, line, shown = line] of [
  ['text stays', 'Grüße, 日本 😀 \\ "', 'Grüße, 日本 😀 \\ "'],
  ['a title is set no longer', '\x1b]0;owned\x07', '\\e]0;owned\\x07'],
  ['C0', '\0\b\x1f', '\\x00\\x08\\x1f'],
  ['DEL', '\x7f', '\\x7f'],
  ['C1', '\x80\x9b\x9f', '\\x80\\x9b\\x9f'],
  ['a carriage return overwrites nothing', 'safe\rrisk', 'safe\\rrisk'],
  ['bidirectional overrides', '\u202eabc\u202c', '\\u202eabc\\u202c'],
  ['bidirectional marks and isolates', '\u061c\u200e\u2066\u2069', '\\u061c\\u200e\\u2066\\u2069'],
  ['separators that look like a new line', '\u2028\u2029', '\\u2028\\u2029'],
  ['zero-width characters', 'a\u200bb\u2060\ufeff\xad', 'a\\u200bb\\u2060\\ufeff\\xad'],
  ['fillers', '\u3164\u115f\uffa0\u034f', '\\u3164\\u115f\\uffa0\\u034f'],
  ['annotations', '\ufff9a\ufffab\ufffb', '\\ufff9a\\ufffab\\ufffb'],
  ['text in tags', '\u{e0001}\u{e0041}\u{e007f}', '\\u{e0001}\\u{e0041}\\u{e007f}'],
  ['bytes in variation selectors', '😀\u{e0100}\u{e01ef}', '😀\\u{e0100}\\u{e01ef}'],
  ['halves of surrogate pairs', 'a\ud800b\udc00', 'a\\ud800b\\udc00'],
  ['joiners of a script', 'می\u200cخواهم', 'می\\u200cخواهم', 'می\u200cخواهم'],
  ['joiners and forms of emoji', '👩\u200d💻❤\ufe0f', '👩\\u200d💻❤\\ufe0f', '👩\u200d💻❤\ufe0f'],
] as [string, string, string, string?][]) {
  t.test(`${title} (C-11)`, async t => {
    t.equal(escapeLine(text), line, 'in a line')
    t.equal(escapeText(text), shown, 'in a text')
  })
}

t.test('LF and TAB are shown in a line and stay in a text', async t => {
  t.equal(escapeLine('a\n\tb'), 'a\\n\\tb')
  t.equal(escapeText('a\n\tb'), 'a\n\tb')
})

// Unpaired halves, and characters over U+FFFF.
const codes = fc.oneof(
  fc.integer({ min: 0, max: 0x9f }),
  fc.integer({ min: 0x2000, max: 0x2070 }),
  fc.integer({ min: 0xe0000, max: 0xe0200 }),
  fc.nat(0xffff),
  fc.nat(0x10ffff),
)
const texts = fc.array(codes).map(list => String.fromCodePoint(...list))

t.test('nothing dangerous is left of any text, and what is escaped stays as it is (C-11)', async t => {
  const visible = /[\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2\u{110bd}\u{110cd}\u{13430}-\u{1343f}]/gu // Cf with a glyph
  const isSafe = (text: string) => !dangerous.test(text.replace(visible, ''))
  const isSettled = (line: string) => escapeLine(line) === line && escapeText(line) === line
  t.doesNotThrow(() => fc.assert(fc.property(texts, text => isSafe(escapeLine(text)) && isSettled(escapeLine(text)))))
  const rest = (text: string) => escapeText(text).replace(/\n|\t|\u200c|\u200d|\ufe0e|\ufe0f/g, '')
  t.doesNotThrow(() => fc.assert(fc.property(texts, text => isSafe(rest(text)))))
})

t.test('JSON stands for the same value, and is plain (C-11)', async t => {
  for (const [value, json] of [
    ['a\n\x1b\x7f\x9b\u202e\u200b', '"a\\n\\u001b\\u007f\\u009b\\u202e\\u200b"'],
    ['\u{e0041}😀', '"\\udb40\\udc41😀"'],
    ['\ud800', '"\\ud800"'],
  ] as const)
    t.equal(escapeJson(JSON.stringify(value)), json)
  t.equal(escapeJson('{"a":1,\n\t"b":2}\r\n'), '{"a":1,\n\t"b":2}\r\n', 'white space between values')
  const property = fc.property(texts, text => {
    const json = escapeJson(JSON.stringify({ [text]: text }))
    return escapeLine(json) === json && JSON.parse(json)[text] === text
  })
  t.doesNotThrow(() => fc.assert(property))
})
