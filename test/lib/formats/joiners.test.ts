import t from 'tap'
import { joinByDelimiter, joinByLength } from '../../../lib/formats/joiners.js'

const buffers = (...frames: string[]) => frames.map(frame => Buffer.from(frame))
const whole = (blocks: Iterable<Buffer>) => Buffer.concat([...blocks])

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
    t.ok(whole(joinByLength(format)([frame])).equals(expected), `${length} as ${prefix}`)
  }
  t.equal(whole(joinByLength(two)(buffers('a', '', 'bc'))).toString('latin1'), '\0\x01a\0\0\0\x02bc')
})

t.test('a delimiter behind each', async t => {
  t.equal(String(whole(joinByDelimiter(Buffer.from('|'), 'x', 'y')(buffers('a', '', 'bc')))), 'a||bc|')
  t.equal(
    String(whole(joinByDelimiter(Buffer.from('\r\n'), 'x', 'y')(buffers('a\r', '\n', 'b')))),
    'a\r\r\n\n\r\nb\r\n',
  )
})

t.test('a frame that could not be told from two', async t => {
  for (const [delimiter, frame] of [
    ['|', 'a|b'],
    ['||', '||'],
    ['aa', 'ba'],
    ['aba', 'xab'],
  ] as const) {
    const join = joinByDelimiter(Buffer.from(delimiter), 'name: line', 'cannot be')
    whole(join(buffers('1', '2')))
    const given: Buffer[] = []
    const joinMore = (...frames: string[]) => {
      for (const block of join(buffers(...frames))) given.push(block)
    }
    t.throws(() => joinMore('3', frame), { code: 'ERR_INPUT', message: 'name: line 4 cannot be' }, frame)
    t.equal(String(whole(given)), `3${delimiter}`, 'what precedes it comes first')
    t.throws(() => joinMore(frame), { message: 'name: line 5 cannot be' })
    t.equal(given.length, 1)
  }
})
