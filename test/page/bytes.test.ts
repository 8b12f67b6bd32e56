import t from 'tap'
import fc from '../fast-check.js'
import { page, utf8 } from './support.js'

const bytes = await page('bytes')

t.test('what is edited as text or hex comes back as the same bytes', async () => {
  const anything = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.string({ unit: 'binary' }).map(utf8),
    fc.string({ unit: fc.constantFrom('\\', '\\n', '\r\n', '\n', 'x', '\u202e', 'é', '\0') }).map(utf8),
  )
  fc.assert(
    fc.property(anything, given => {
      t.same(Buffer.from(bytes.fromEscaped(bytes.toEscaped(given))), Buffer.from(given))
      t.same(Buffer.from(bytes.fromHex(bytes.hexLines(given))), Buffer.from(given))
      t.same(Buffer.from(bytes.fromBase64(bytes.toBase64(given))), Buffer.from(given))
    }),
  )
})

t.test('text with escapes', async t => {
  for (const [given, expected] of [
    ['a\r\nb', 'a\\r\\n\nb'],
    ['a\n', 'a\\n'],
    ['back\\slash', 'back\\\\slash'],
    ['\0\x1b[2J\x7f', '\\x00\\x1b[2J\\x7f'],
    ['\u202egpj', '\\u{202e}gpj'],
    ['zażółć 🎈', 'zażółć 🎈'],
  ])
    t.equal(bytes.toEscaped(utf8(given as string)), expected)
  t.equal(bytes.toEscaped(Uint8Array.of(0xff, 0x61, 0xc3, 0xa9, 0xc3)), '\\xffaé\\xc3')
  t.same(Buffer.from(bytes.fromEscaped('a\\e\\u00e9\\u{1f388}\\x00\n!')), Buffer.from('a\x1bé🎈\0!'))
})

t.test('what is no escape is named, with its place', async t => {
  for (const [given, start] of [
    ['ab\\q', '\\q at character 3 is not allowed; expected '],
    ['\\', '\\ at character 1 is '],
    ['\\x1', '\\x at character 1 is '],
    ['\\u{110000}', '\\u{110000} at character 1 is '],
    ['\\ud800', '\\ud800 at character 1 is '],
  ] as const) {
    let message = ''
    try {
      bytes.fromEscaped(given)
    } catch (error) {
      message = (error as SyntaxError).message
    }
    t.equal(message.slice(0, start.length), start)
  }
})

t.test('hex with any separators', async t => {
  t.same([...bytes.fromHex('0d0a 00:ff,\n7F')], [13, 10, 0, 255, 127])
  t.throws(() => bytes.fromHex('0d 0g'), { message: 'g at character 5 is not a digit in hex' })
  t.throws(() => bytes.fromHex('0d 0'), { message: '0 has an odd number of digits' })
})

t.test('what is read is safe to show, and no valid character is lost', async t => {
  t.equal(
    bytes.visible(utf8('a\r\nb\rc\td\x1b[31m\u0085\u2028\ufeff')),
    'a\nb\\rc\td\\x1b[31m\\u{0085}\\u{2028}\\u{feff}',
  )
  t.equal(
    bytes.visible(Uint8Array.of(0xed, 0xa0, 0x80, 0xc0, 0xaf, 0xf4, 0x90, 0x80, 0x80)),
    '\\xed\\xa0\\x80\\xc0\\xaf\\xf4\\x90\\x80\\x80',
  )
  t.equal(bytes.visible(utf8('<script>alert(1)</script>')), '<script>alert(1)</script>')
  fc.assert(
    fc.property(fc.uint8Array(), given => {
      const text = bytes.visible(given)
      t.notMatch(text, /[\p{Cs}\u202a-\u202e\u2066-\u2069]|(?![\n\t])\p{Cc}/u)
    }),
  )
})

t.test('what is valid UTF-8 stays, and each other byte is escaped', async t => {
  const units = [0x41, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc1, 0xc2, 0xe0, 0xed, 0xef, 0xf0, 0xf4, 0xf5]
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...units)), given => {
      const isValid = Buffer.from(Buffer.from(given).toString()).equals(Buffer.from(given))
      t.equal(/\\x[0-9a-f]{2}/.test(bytes.visible(Uint8Array.from(given))), !isValid)
    }),
  )
})

t.test('text or hex for the editor', async t => {
  t.ok(bytes.isText(utf8('*1\r\n$4\r\nPING\r\n')))
  t.ok(bytes.isText(utf8('')))
  t.notOk(bytes.isText(Uint8Array.of(0xff, 0x41)))
  t.notOk(bytes.isText(Uint8Array.of(0, 0, 0, 1)))
})

t.test('a character that was cut at the end', async t => {
  for (const [given, length] of [
    [[0x41, 0xc3], 1],
    [[0x41, 0xf0, 0x9f, 0x8e], 1],
    [[0x41, 0xc3, 0xa9], 3],
    [[0x41], 1],
    [[], 0],
    [[0x80, 0x80, 0x80, 0x80], 4],
  ] as const)
    t.equal(bytes.wholeCharacters(Uint8Array.from(given)).length, length)
})

t.test('a hex dump, and where the digits of a byte are', async t => {
  const { hexDump, digitsAt } = await page('hex-dump')
  const text = hexDump(utf8('GET / HTTP/1.1\r\nHost: x\r\n'), 0x1000)
  t.equal(
    text,
    '00001000  47 45 54 20 2f 20 48 54  54 50 2f 31 2e 31 0d 0a |GET / HTTP/1.1..|\n' +
      '00001010  48 6f 73 74 3a 20 78 0d  0a                      |Host: x..|',
  )
  for (const [index, digits] of [
    [0, '47'],
    [7, '54'],
    [8, '54'],
    [15, '0a'],
    [16, '48'],
    [24, '0a'],
  ] as const) {
    const { start, end } = digitsAt(index)
    t.equal(text.slice(start, end), digits)
  }
  t.equal(hexDump(new Uint8Array(), 0), '')
})
