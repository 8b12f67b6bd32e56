import t from 'tap'
import {
  checkFraming,
  type FramingValues,
  frameCutter,
  frameJoiner,
  frameLimit,
  frameSize,
  framingOptions,
  lengthCutter,
  reframe,
} from '../../../lib/formats/framing.js'

const values = (given: Partial<FramingValues>): FramingValues => ({
  format: undefined,
  delimiter: undefined,
  max: undefined,
  ...given,
})

t.test('what is wrong with the options together', async t => {
  const either = 'needs a format (u8, u16be, u16le, u32be, u32le, varint, nul) or delimiter=TEXT'
  for (const [given, size, expected] of [
    [{}, undefined, either],
    [{ format: 'u8', delimiter: '|' }, undefined, 'takes a format or delimiter=, not both'],
    [{ format: 'u8' }, 255, undefined],
    [{ format: 'u8' }, 256, 'size: 256 is not allowed; expected at most 255, the bytes that u8 can count'],
    [
      { format: 'u16le', max: 65_536 },
      undefined,
      'max: 65536 is not allowed; expected at most 65535, the bytes that u16le can count',
    ],
    [{ delimiter: '|', max: 99 }, 100, 'size: 100 is not allowed; expected at most max, 99 bytes'],
    [{ format: 'u32be', max: 2 ** 30 }, 2 ** 30, undefined],
    [{ format: 'varint', max: 2 ** 30 }, undefined, undefined],
    [{ format: 'nul', max: 2 ** 30 }, undefined, undefined],
  ] as const)
    t.equal(checkFraming(values(given), size), expected, JSON.stringify({ ...given, size }))
})

t.test('the longest frame', async t => {
  for (const [given, bytes, words] of [
    [{ format: 'u8' }, 255, 'u8 can count, 255 bytes'],
    [{ format: 'u8', max: 10 }, 10, 'max, 10 bytes'],
    [{ format: 'u16be' }, 65_535, 'u16be can count, 65535 bytes'],
    [{ format: 'u32le' }, 2 ** 20, 'max, 1048576 bytes'],
    [{ format: 'varint', max: 2 ** 30 }, 2 ** 30, 'max, 1073741824 bytes'],
    [{ delimiter: '|' }, 2 ** 20, 'max, 1048576 bytes'],
  ] as const)
    t.same(frameLimit(values(given)), { bytes, words })
  t.equal(frameSize('x').accepts(2 ** 30 + 1), false)
})

t.test('the escapes of a delimiter', async t => {
  const { delimiter } = framingOptions
  for (const text of ['\\', 'a\\', '\\a', '\\x1', '\\xgg', '\\N', ''])
    t.throws(() => delimiter.parse(text), { code: 'ERR_OPTION', message: /is not allowed; expected text; '\\n', / })
  for (const [text, hex] of [
    ['||', '7c7c'],
    ['\\n\\r\\t\\0\\\\', '0a0d09005c'],
    ['\\\\n', '5c6e'],
    ['\\x00\\xfF\\x0a1', '00ff0a31'],
    ['é\n\\n', 'c3a90a0a'],
  ] as const) {
    const joined = [...frameJoiner(values({ delimiter: delimiter.parse(text) }), 'x')([Buffer.alloc(0)])]
    t.equal(Buffer.concat(joined).toString('hex'), hex, text)
  }
})

t.test('each format, written and found', async t => {
  for (const [given, hex] of [
    [{ format: 'u8' }, '026162'],
    [{ format: 'u16be' }, '00026162'],
    [{ format: 'u16le' }, '02006162'],
    [{ format: 'u32be' }, '000000026162'],
    [{ format: 'u32le' }, '020000006162'],
    [{ format: 'varint' }, '026162'],
    [{ format: 'nul' }, '616200'],
    [{ delimiter: '\\r\\n' }, '61620d0a'],
  ] as const) {
    const written = Buffer.concat([...frameJoiner(values(given), 'x')([Buffer.from('ab')])])
    t.equal(written.toString('hex'), hex)
    t.equal([...frameCutter(values(given), 'x').write(written)].join(), 'ab')
  }
})

t.test('errors name the transform and what it found', async t => {
  const nul = values({ format: 'nul', max: 2 })
  t.throws(() => [...frameJoiner(nul, 'frame: line')([Buffer.of(0)])], {
    message: 'frame: line 1 contains the delimiter, or ends with a part of it',
  })
  const cut = (given: Partial<FramingValues>) => [...frameCutter(values(given), 'unframe').write(Buffer.from('abc'))]
  t.throws(() => cut(nul), { message: 'unframe: frame 1 is longer than max, 2 bytes' })
  t.throws(() => cut({ format: 'u8', max: 2 }), {
    message: /^unframe: the frame at offset 0 announces 97 bytes or more/,
  })
})

t.test('frames that come together leave together, in blocks', async t => {
  const blocks = (frames: Buffer[]) => {
    const cutter = { write: () => frames, end: () => frames.slice(0, 1) }
    const stage = reframe(cutter, batch => [Buffer.concat(batch)])
    return [[...stage.write(Buffer.alloc(0))], [...stage.flush()]].map(each => each.map(block => block.length))
  }
  t.same(blocks([]), [[], []])
  t.same(blocks(Array(2500).fill(Buffer.alloc(10))), [[10_240, 10_240, 4520], [10]])
  t.same(blocks(Array(3).fill(Buffer.alloc(40_000))), [[80_000, 40_000], [40_000]])
})

t.test('of two errors the first one in the input is told, wherever the chunks are cut', async t => {
  function* frames() {
    yield Buffer.from('bad')
    throw new Error('second')
  }
  let joins = 0
  const join = () => {
    joins++
    throw new Error('first')
  }
  const stage = reframe({ write: frames, end: () => [] }, join)
  t.throws(() => [...stage.write(Buffer.alloc(0))], { message: 'first' })
  t.equal(joins, 1)
  const passed: Buffer[] = []
  const good = reframe({ write: frames, end: () => [] }, batch => [Buffer.concat(batch)])
  t.throws(
    () => {
      for (const block of good.write(Buffer.alloc(0))) passed.push(block)
    },
    { message: 'second' },
  )
  t.equal(String(passed), 'bad', 'what came before it')
})

t.test('frames with a length prefix, and where they end', async t => {
  const cutter = lengthCutter('u16be', 5, 'records')
  const ends: number[] = []
  for (const bytes of [Buffer.from([0, 1, 65, 0, 2, 65]), Buffer.from([66])])
    for (const _frame of cutter.write(bytes)) ends.push(cutter.offset())
  t.same(ends, [3, 7])
  t.throws(() => [...cutter.write(Buffer.from([0, 6]))], {
    code: 'ERR_RECORD_TOO_LONG',
    message: 'records: the frame at offset 7 announces 6 bytes or more, longer than 5 bytes',
  })
})
