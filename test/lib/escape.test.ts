import fc from 'fast-check'
import t from 'tap'
import { escapeLine, escapeText } from '../../lib/escape.js'

// C0, DEL and C1; marks, embeddings, overrides and isolates of the bidirectional algorithm; line and paragraph separator.
const dangerous = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/u

for (const [title, text, escaped] of [
  ['text stays', 'Grüße, 日本 😀 \\ "', 'Grüße, 日本 😀 \\ "'],
  ['a title is set no longer', '\x1b]0;owned\x07', '\\e]0;owned\\x07'],
  ['C0', '\0\b\x1f', '\\x00\\x08\\x1f'],
  ['DEL', '\x7f', '\\x7f'],
  ['C1', '\x80\x9b\x9f', '\\x80\\x9b\\x9f'],
  ['a carriage return overwrites nothing', 'safe\rrisk', 'safe\\rrisk'],
  ['bidirectional overrides', '\u202eabc\u202c', '\\u202eabc\\u202c'],
  ['bidirectional marks and isolates', '\u061c\u200e\u2066\u2069', '\\u061c\\u200e\\u2066\\u2069'],
  ['separators that look like a new line', '\u2028\u2029', '\\u2028\\u2029'],
  ['a lone surrogate stays', '\ud800', '\ud800'],
] as const) {
  t.test(title, async t => {
    t.equal(escapeLine(text), escaped, 'in a line')
    t.equal(escapeText(text), escaped, 'in a text')
  })
}

t.test('LF and TAB are shown in a line and stay in a text', async t => {
  t.equal(escapeLine('a\n\tb'), 'a\\n\\tb')
  t.equal(escapeText('a\n\tb'), 'a\n\tb')
})

t.test('nothing dangerous is left of any text, and what is escaped stays as it is', async t => {
  const units = fc.oneof(fc.integer({ min: 0, max: 0x9f }), fc.integer({ min: 0x2000, max: 0x2070 }), fc.nat(0xffff))
  const texts = fc.array(units).map(codes => String.fromCharCode(...codes))
  const isSafe = (text: string) => !dangerous.test(text)
  const isSettled = (line: string) => escapeLine(line) === line && escapeText(line) === line
  t.doesNotThrow(() => fc.assert(fc.property(texts, text => isSafe(escapeLine(text)) && isSettled(escapeLine(text)))))
  t.doesNotThrow(() => fc.assert(fc.property(texts, text => isSafe(escapeText(text).replace(/[\n\t]/g, '')))))
})
