import t from 'tap'
import { compose } from '../../lib/stages/compose.js'
import { frame } from '../../transforms/frame.js'
import { spec } from '../../transforms/spec.js'
import { unframe } from '../../transforms/unframe.js'
import fc from '../fast-check.js'
import { needs, noise, output } from '../laws/support.js'
import { cutAt, cutEvery, cuts, errorOf, run, textOf } from '../lib/pipes.js'

t.test('each line is a frame', async t => {
  for (const [title, input, expected] of [
    ['nothing', '', ''],
    ['lines', 'one\ntwo\n', '\x03one\x03two'],
    ['a last line without LF', 'one\ntwo', '\x03one\x03two'],
    ['empty lines', '\n\n', '\0\0'],
    ['a CR stays', 'a\r\n', '\x02a\r'],
    ['characters of several bytes', 'é\n', '\x02é'],
  ] as const) {
    for (const size of [1, 2, 100])
      t.equal(
        await textOf([frame({ format: 'u8' })], cutEvery(size, Buffer.from(input))),
        expected,
        `${title} by ${size}`,
      )
  }
})

t.test('each block is a frame', async t => {
  for (const size of [1, 2, 100]) {
    const text = await textOf([frame({ format: 'varint', size: 3 })], cutEvery(size, Buffer.from('ab\ncdefg')))
    t.equal(text, '\x03ab\n\x03cde\x02fg')
  }
})

t.test('as tr', needs('tr'), async t => {
  const input = Buffer.from('one\n\ntwo\r\nthree\n')
  const { chunks } = await run([frame({ format: 'nul' })], input)
  t.ok(Buffer.concat(chunks).equals(output('tr', ['\\n', '\\0'], input)))
})

t.test('a frame leaves when its end has come', async t => {
  const stage = compose(frame({ format: 'u8' }))
  const chunks: string[] = []
  stage.on('data', chunk => chunks.push(String(chunk)))
  const write = (text: string) => new Promise(resolve => stage.write(text, resolve))
  await write('one\ntwo\nthr')
  t.same(chunks, ['\x03one\x03two'])
  await write('ee\n')
  t.same(chunks.slice(1), ['\x05three'])
})

t.test('small frames leave in one block for each that comes', async t => {
  const { chunks } = await run([frame({ format: 'u32be' })], Buffer.from(`${'x'.repeat(79)}\n`.repeat(800)))
  t.equal(chunks.length, 1)
})

t.test('what cannot be framed', async t => {
  for (const [options, input, code, message] of [
    [{ format: 'u8' }, `\n${'a'.repeat(256)}`, 'ERR_RECORD_TOO_LONG', 'line 2 is longer than u8 can count, 255 bytes'],
    [{ format: 'u32be', max: 3 }, 'abcd\n', 'ERR_RECORD_TOO_LONG', 'line 1 is longer than max, 3 bytes'],
    [{ format: 'nul' }, 'a\nb\0\n', 'ERR_INPUT', 'line 2 contains the delimiter'],
    [{ delimiter: '||' }, 'a|\n', 'ERR_INPUT', 'line 1 contains the delimiter, or ends with a part of it'],
    [{ delimiter: '|', size: 2 }, 'ab|c', 'ERR_INPUT', 'block 2 contains the delimiter'],
  ] as const) {
    for (const size of [1, 3, 1000]) {
      const error = await errorOf([frame(options)], cutEvery(size, Buffer.from(input)))
      t.match(
        error,
        { code, message: new RegExp(`^frame: ${message.replaceAll('|', '\\|')}`) },
        `${message} by ${size}`,
      )
    }
  }
  t.match(await errorOf([frame({ format: 'nul', max: 3 })], 'a\0\nabcd\n'), { code: 'ERR_INPUT' }, 'the first one')
})

const framings = [
  ...(['u8', 'u16be', 'u16le', 'u32be', 'u32le', 'varint', 'nul'] as const).map(format => ({ format })),
  { delimiter: '\\r\\n' },
  { delimiter: '\\xff\\0' },
] as const

t.test('lines are framed and unframed, in every format and chunking (A-10)', async t => {
  const line = fc.string({ unit: fc.constantFrom('a', '漢', '\r', ' '), maxLength: 60 })
  for (const framing of framings) {
    const property = fc.asyncProperty(
      fc.array(line),
      cuts,
      fc.integer({ min: 1, max: 50 }),
      async (lines, places, size) => {
        const text = lines.map(line => `${line.replace(/\r$/, '')}\n`).join('')
        const stages = [frame(framing), (chunk: Buffer) => cutEvery(size, chunk).values(), unframe(framing)]
        t.equal(await textOf(stages, cutAt(places, Buffer.from(text))), text)
      },
    )
    await fc.assert(property, { numRuns: 30, seed: 4 })
  }
})

t.test('any bytes are framed in blocks and unframed (A-10)', async t => {
  for (const framing of framings.slice(0, 6)) {
    const blocks = fc.tuple(fc.integer({ min: 1, max: 255 }), fc.integer({ min: 1, max: 300 }))
    const property = fc.asyncProperty(
      fc.uint8Array({ maxLength: 2000 }),
      cuts,
      blocks,
      async (array, places, [size, cut]) => {
        const bytes = Buffer.from(array)
        const back = unframe({ ...framing, raw: true })
        const stages = [frame({ ...framing, size }), (chunk: Buffer) => cutEvery(cut, chunk).values(), back]
        const { chunks, error } = await run(stages, cutAt(places, bytes))
        t.equal(error, undefined)
        t.ok(Buffer.concat(chunks).equals(bytes))
      },
    )
    await fc.assert(property, { numRuns: 30, seed: 5 })
  }
  for (const size of [0, 1, 65_535, 65_536, 65_537, 2 ** 20]) {
    const { chunks } = await run(spec('frame u32be size=777 | unframe u32be raw=true')(), [noise(size)])
    t.ok(Buffer.concat(chunks).equals(noise(size)), `${size} bytes`)
  }
})

t.test('options are checked', async t => {
  t.throws(() => spec('frame'), {
    code: 'ERR_SPEC',
    message: /frame needs a format \(u8, .*, nul\) or delimiter=/,
  })
  t.throws(() => spec('frame u8 size=256'), { message: /frame size: 256 is not allowed; expected at most 255/ })
  t.throws(() => spec('frame u8 max=1k'), { message: /frame max: 1024 is not allowed; expected at most 255/ })
  t.throws(() => spec('frame u64'), { message: /frame format: 'u64' is not allowed; expected u8, u16be/ })
  t.throws(() => frame({ delimiter: '\\y' }), {
    code: 'ERR_OPTION',
    message: /frame delimiter: '\\\\y' is not allowed/,
  })
  t.equal(await textOf(spec("frame delimiter='\\r\\n'")(), 'a\n'), 'a\r\n')
})
