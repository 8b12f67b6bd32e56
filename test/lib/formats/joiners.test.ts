import t from 'tap'
import { joinByDelimiter, joinByLength } from '../../../lib/formats/joiners.js'

const buffers = (...frames: string[]) => frames.map(frame => Buffer.from(frame))

t.test('a length before each', async t => {
  const two = { weights: [256, 1], varies: false }
  const varint = { weights: [1, 128, 128 ** 2, 128 ** 3], varies: true }
  for (const [format, length, prefix] of [
    [{ weights: [1], varies: false }, 255, 'ff'],
    [two, 0, '0000'],
    [two, 258, '0102'],
    [two, 65_535, 'ffff'],
    [{ weights: [1, 256], varies: false }, 258, '0201'],
    [varint, 0, '00'],
    [varint, 127, '7f'],
    [varint, 128, '8001'],
    [varint, 150, '9601'],
    [varint, 300, 'ac02'],
    [varint, 16_383, 'ff7f'],
    [varint, 16_384, '808001'],
  ] as const) {
    const frame = Buffer.alloc(length, 'a')
    const expected = Buffer.concat([Buffer.from(prefix, 'hex'), frame])
    t.ok(joinByLength(format)([frame]).equals(expected), `${length} as ${prefix}`)
  }
  t.equal(joinByLength(two)(buffers('a', '', 'bc')).toString('latin1'), '\0\x01a\0\0\0\x02bc')
})

t.test('a delimiter behind each', async t => {
  t.equal(String(joinByDelimiter(Buffer.from('|'), 'x', 'y')(buffers('a', '', 'bc'))), 'a||bc|')
  t.equal(String(joinByDelimiter(Buffer.from('\r\n'), 'x', 'y')(buffers('a\r', '\n', 'b'))), 'a\r\r\n\n\r\nb\r\n')
})

t.test('a frame that could not be told from two', async t => {
  for (const [delimiter, frame] of [
    ['|', 'a|b'],
    ['||', '||'],
    ['aa', 'ba'],
    ['aba', 'xab'],
  ] as const) {
    const join = joinByDelimiter(Buffer.from(delimiter), 'name: line', 'cannot be')
    join(buffers('1', '2'))
    t.throws(() => join(buffers('3', frame)), { code: 'ERR_INPUT', message: 'name: line 4 cannot be' }, frame)
  }
})
