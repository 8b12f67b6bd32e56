import t from 'tap'
import { type Cutter, cutByDelimiter, cutByLength, cutBySize } from '../../../lib/formats/cutters.js'
import fc from '../../fast-check.js'
import { noise } from '../../laws/support.js'
import { cutAt, cutEvery, cuts, memoryInUse } from '../pipes.js'

const limit = (bytes: number) => ({ bytes, words: `max, ${bytes} bytes` })
const u16be = { weights: [256, 1], varies: false }
const u32le = { weights: [1, 2 ** 8, 2 ** 16, 2 ** 24], varies: false }
const varint = { weights: Array.from({ length: 10 }, (_, i) => 128 ** i), varies: true }

function frames(cutter: Cutter, chunks: Iterable<Buffer>): Buffer[] {
  return [...[...chunks].flatMap(chunk => [...cutter.write(chunk)]), ...cutter.end()]
}

function texts(cutter: Cutter, chunks: Iterable<Buffer>): string[] {
  return frames(cutter, chunks).map(frame => frame.toString('latin1'))
}

t.test('by size', async t => {
  for (const [input, expected] of [
    ['', []],
    ['ab', ['ab']],
    ['abc', ['abc']],
    ['abcdefg', ['abc', 'def', 'g']],
  ] as const)
    for (const every of [1, 2, 3, 4, 100])
      t.same(texts(cutBySize(3), cutEvery(every, Buffer.from(input))), expected, `'${input}' by ${every}`)
})

t.test('by a delimiter', async t => {
  for (const [delimiter, input, expected] of [
    [',', '', []],
    [',', 'a', ['a']],
    [',', 'a,', ['a']],
    [',', ',', ['']],
    [',', 'a,,b', ['a', '', 'b']],
    ['\r\n', 'a\r\r\nb\nc\r', ['a\r', 'b\nc\r']],
    ['\r\n', '\r\n\r\n', ['', '']],
    ['aa', 'aaab', ['', 'ab']],
    ['aa', 'baaa', ['b', 'a']],
    ['abab', 'aababab', ['a', 'ab']],
    ['--end--', 'one--end--two--end-', ['one', 'two--end-']],
  ] as const) {
    for (const every of [1, 2, 3, 5, 100]) {
      const cutter = cutByDelimiter(Buffer.from(delimiter), limit(100), 'x')
      t.same(texts(cutter, cutEvery(every, Buffer.from(input))), expected, `'${input}' at '${delimiter}' by ${every}`)
    }
  }
})

t.test('by a delimiter: as String.split, whatever the chunks', async t => {
  const letters = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 40 })
  const delimiters = fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 1, maxLength: 4 })
  const property = fc.property(letters, delimiters, cuts, (text, delimiter, places) => {
    const expected = text.split(delimiter)
    if (expected.at(-1) === '') expected.pop()
    const cutter = cutByDelimiter(Buffer.from(delimiter), limit(100), 'x')
    t.strictSame(texts(cutter, cutAt(places, Buffer.from(text))), expected)
  })
  fc.assert(property, { seed: 1 })
})

t.test('by a delimiter: the longest frame', async t => {
  for (const delimiter of ['|', '|||']) {
    for (const behind of ['', delimiter, `${delimiter}b`]) {
      for (const every of [1, 2, 3, 4, 5, 100]) {
        const cut = (length: number) => {
          const input = Buffer.from(`first${delimiter}${'a'.repeat(length)}${behind}`)
          return texts(cutByDelimiter(Buffer.from(delimiter), limit(7), 'name: line'), cutEvery(every, input))
        }
        const title = `before '${behind}', by ${every}`
        t.equal(cut(7)[1], 'aaaaaaa', title)
        const error = { code: 'ERR_RECORD_TOO_LONG', message: 'name: line 2 is longer than max, 7 bytes' }
        t.throws(() => cut(8), error, title)
      }
    }
  }
})

t.test('by a length before each', async t => {
  for (const [format, hex, expected] of [
    [u16be, '', []],
    [u16be, '0000', ['']],
    [u16be, '0001610000000262630000', ['a', '', 'bc', '']],
    [u32le, '0200000061620100000063', ['ab', 'c']],
    [varint, '0001610280', ['', 'a']],
    [varint, `8200${'6162'}8180808080808080800063`, ['ab', 'c']],
    [varint, `ac02${'61'.repeat(300)}`, ['a'.repeat(300)]],
  ] as const) {
    for (const every of [1, 2, 3, 7, 1000]) {
      const input = Buffer.from(hex, 'hex')
      const whole = hex.endsWith('0280') ? input.subarray(0, -2) : input
      t.same(texts(cutByLength(format, limit(300), 'x'), cutEvery(every, whole)), expected, `${hex} by ${every}`)
    }
  }
})

t.test('by a length: input that ends early', async t => {
  for (const [format, hex, message] of [
    [u16be, '00', 'at offset 0 is truncated within its length prefix, at offset 1; bytes missing: 1 or more'],
    [u32le, '000000000a', 'at offset 4 is truncated within its length prefix, at offset 5; bytes missing: 3 or more'],
    [varint, '0080', 'at offset 1 is truncated within its length prefix, at offset 2; bytes missing: 1 or more'],
    [u16be, '0003', 'at offset 0 is truncated at offset 2; bytes missing: 3'],
    [u16be, '0001610005626364', 'at offset 3 is truncated at offset 8; bytes missing: 2'],
  ] as const) {
    for (const every of [1, 2, 3, 100]) {
      const cutter = cutByLength(format, limit(300), 'the frame')
      const error = { code: 'ERR_INPUT', message: `the frame ${message}` }
      t.throws(() => frames(cutter, cutEvery(every, Buffer.from(hex, 'hex'))), error, `${hex} by ${every}`)
    }
  }
})

t.test('by a length: one that is too long is an error at once', async t => {
  for (const [format, hex, code, message] of [
    [u16be, '0065', 'ERR_RECORD_TOO_LONG', 'at offset 0 announces 101 bytes or more, longer than max, 100 bytes'],
    [u32le, '00000000ffffffff', 'ERR_RECORD_TOO_LONG', 'at offset 4 announces 255 bytes or more'],
    [u32le, '000000ff', 'ERR_RECORD_TOO_LONG', 'at offset 0 announces 4278190080 bytes or more'],
    [varint, '65', 'ERR_RECORD_TOO_LONG', 'at offset 0 announces 101 bytes or more'],
    [varint, '808080808080808001', 'ERR_RECORD_TOO_LONG', 'at offset 0 announces 72057594037927940 bytes or more'],
    [varint, '80808080808080808080', undefined, ''],
    [varint, '8080808080808080808000', 'ERR_INPUT', 'at offset 0 has a length prefix of more than 10 bytes'],
  ] as const) {
    for (const every of [1, 3, 100]) {
      const cutter = cutByLength(format, limit(100), 'the frame')
      const write = () => cutEvery(every, Buffer.from(hex, 'hex')).map(chunk => [...cutter.write(chunk)])
      if (code === undefined) t.doesNotThrow(write)
      else t.throws(write, { code, message: new RegExp(`^the frame ${message}`) }, `${hex} by ${every}`)
    }
  }
})

t.test(
  'what a length announces takes no memory before it comes, and single bytes take no more than their number',
  async t => {
    const gibibyte = 2 ** 30
    const before = process.memoryUsage().arrayBuffers
    const cutters = Array.from({ length: 20 }, () => cutByLength(u32le, limit(gibibyte), 'x'))
    for (const cutter of cutters)
      for (const byte of [0, 0, 0, 0x40, ...noise(100)]) t.same([...cutter.write(Buffer.of(byte))], [])
    t.ok(process.memoryUsage().arrayBuffers - before < 2 ** 20)
    const cutter = cutBySize(gibibyte)
    for (let i = 0; i < 2 ** 20; i++) for (const _ of cutter.write(Buffer.from('a'))) t.fail()
    memoryInUse() // collects what nobody has
    t.ok(process.memoryUsage().arrayBuffers - before < 24 * 2 ** 20)
  },
)

t.test('a frame stays what it was, whatever comes behind it', async t => {
  for (const cutter of [cutBySize(3), cutByDelimiter(Buffer.from('|'), limit(9), 'x')]) {
    const [first] = [...'ab', 'c|'].flatMap(text => [...cutter.write(Buffer.from(text))]) as [Buffer]
    for (const text of 'xyz|xyz|') for (const _ of cutter.write(Buffer.from(text)));
    t.equal(String(first), 'abc')
  }
})

t.test('the offset after the last frame', async t => {
  const cutter = cutByLength({ weights: [1], varies: false }, limit(300), 'x')
  t.equal(cutter.offset(), 0)
  t.same([...cutter.write(Buffer.from([1, 65, 1]))].length, 1)
  t.same([...cutter.write(Buffer.from([66]))].length, 1)
  t.equal(cutter.offset(), 4)
})
