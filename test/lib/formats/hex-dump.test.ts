import t from 'tap'
import { canonicalRows, coloredRows, formatOffset, plainRows, rowColumns } from '../../../lib/formats/hex-dump.js'
import fc from '../../fast-check.js'
import { needs, noise, output } from '../../laws/support.js'

const sizes = [0, 1, 7, 8, 9, 15, 16, 17, 31, 255, 65_537]

t.test('canonical rows are those of hexdump', needs('hexdump'), async t => {
  for (const size of sizes) {
    const expected = output('hexdump', ['-v', '-C'], noise(size)).toString()
    const end = size > 0 ? `${formatOffset(size)}\n` : ''
    t.ok(`${canonicalRows(16)(noise(size), 0)}${end}` === expected, `${size} bytes`)
  }
})

t.test('plain rows are those of xxd', needs('xxd'), async t => {
  for (const size of sizes) {
    for (const width of [1, 2, 7, 30, 256]) {
      const expected = output('xxd', ['-p', '-c', String(width)], noise(size)).toString()
      t.ok(plainRows(width)(noise(size), 0).toString() === expected, `${size} bytes by ${width}`)
    }
  }
})

t.test('a row that is not full keeps the column of the text', async t => {
  for (const [width, text, expected] of [
    [1, 'a', '00000100  61  |a|\n'],
    [4, 'abcde', '00000100  61 62 63 64  |abcd|\n00000104  65           |e|\n'],
    [12, 'abc', '00000100  61 62 63                              |abc|\n'],
    [12, 'abcdefgh', '00000100  61 62 63 64 65 66 67 68               |abcdefgh|\n'],
    [12, 'abcdefghi', '00000100  61 62 63 64 65 66 67 68  69           |abcdefghi|\n'],
    [16, '', ''],
  ] as const) {
    t.equal(canonicalRows(width)(Buffer.from(text), 0x100).toString(), expected)
  }
})

t.test('offsets, also over 4 GiB', async t => {
  t.same([0, 255, 2 ** 32, 2 ** 44].map(formatOffset), ['00000000', '000000ff', '100000000', '100000000000'])
  const bytes = Buffer.from('abcdefghijkl0')
  const start = 2 ** 32 - 8
  const expected = ['fffffff8', 'fffffffb', 'fffffffe', '100000001', '100000004']
  for (const rows of [canonicalRows(3), coloredRows(3)]) {
    const lines = withoutColors(rows(bytes, start).toString()).trim().split('\n')
    t.same(
      lines.map(line => line.split(' ')[0]),
      expected,
    )
    t.equal(lines[4], '100000004  30        |0|')
  }
})

t.test('each class of bytes has its colour', async t => {
  t.equal(
    coloredRows(8)(Buffer.from('a\0\0 \n\x0b\x1bz\xff\x9b\x7f~', 'latin1'), 16).toString(),
    '\x1b[90m00000010\x1b[39m  ' +
      '\x1b[36m61 \x1b[90m00 00 \x1b[32m20 0a \x1b[35m0b 1b \x1b[36m7a  \x1b[39m' +
      '|\x1b[36ma\x1b[90m..\x1b[32m .\x1b[35m..\x1b[36mz\x1b[39m|\n' +
      '\x1b[90m00000018\x1b[39m  ' +
      '\x1b[33mff 9b \x1b[35m7f \x1b[36m7e \x1b[39m             ' +
      '|\x1b[33m..\x1b[35m.\x1b[36m~\x1b[39m|\n',
  )
})

t.test('without the colours the rows are the canonical ones', async () => {
  const property = fc.property(
    fc.uint8Array({ maxLength: 600 }),
    fc.integer({ min: 1, max: 256 }),
    fc.nat(),
    (bytes, width, offset) =>
      withoutColors(coloredRows(width)(bytes, offset).toString()) === canonicalRows(width)(bytes, offset).toString(),
  )
  fc.assert(property, { seed: 1 })
})

t.test('nothing but printable ASCII comes of any bytes (C-11)', async t => {
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
  for (const rows of [canonicalRows(7), plainRows(7), coloredRows(7)])
    t.match(withoutColors(rows(bytes, 0).toString('latin1')), /^[ -~\n]+$/)
})

const color = new RegExp(`${String.fromCharCode(27)}\\[\\d+m`, 'g')

function withoutColors(text: string): string {
  return text.replaceAll(color, '')
}

t.test('the columns of a row', async t => {
  for (const width of [1, 2, 7, 8, 9, 16, 256])
    t.equal(canonicalRows(width)(noise(width), 0).toString().trimEnd().length, rowColumns(width), String(width))
})
