import t from 'tap'
import { compose } from '../../lib/stages/compose.js'
import { spec } from '../../transforms/spec.js'
import { unframe } from '../../transforms/unframe.js'
import { needs, output } from '../laws/support.js'
import { cutEvery, errorOf, run, textOf } from '../lib/pipes.js'

t.test('each frame is a line', async t => {
  for (const [options, input, expected] of [
    [{ format: 'u16be' }, '', ''],
    [{ format: 'u16be' }, '\0\x03one\0\0\0\x03two', 'one\n\ntwo\n'],
    [{ format: 'u16be', raw: true }, '\0\x03one\0\0\0\x03tw\n', 'onetw\n'],
    [{ format: 'varint' }, '\x03one\x82\0ab', undefined],
    [{ format: 'nul' }, 'one\0\0two\r\0', 'one\n\ntwo\r\n'],
    [{ format: 'nul' }, 'one\0two', 'one\ntwo\n'],
    [{ format: 'nul', raw: true }, 'one\0t\nwo', 'onet\nwo'],
    [{ delimiter: '\\r\\n' }, 'one\r\r\n\r\ntwo\r', 'one\r\n\ntwo\r\n'],
    [{ delimiter: '\\n' }, 'one\n\ntwo', 'one\n\ntwo\n'],
  ] as const) {
    for (const size of [1, 2, 5, 100]) {
      const bytes = Buffer.from(input, 'latin1')
      const text = await textOf([unframe(options)], cutEvery(size, bytes))
      t.equal(text, expected ?? 'one\nab\n', `${JSON.stringify(options)} by ${size}`)
    }
  }
})

t.test('as tr', needs('tr'), async t => {
  const input = Buffer.from('one\0\0two\r\0')
  t.equal(await textOf([unframe({ format: 'nul' })], input), String(output('tr', ['\\0', '\\n'], input)))
})

t.test('a frame that would become two lines', async t => {
  const message = 'unframe: frame 2 contains an LF; raw=true passes frames unchanged'
  for (const size of [1, 100])
    t.match(await errorOf([unframe({ format: 'u8' })], cutEvery(size, Buffer.from('\x01a\x02\nb'))), {
      code: 'ERR_INPUT',
      message,
    })
})

t.test('lengths at and over max, without data (E-03)', async t => {
  for (const [prefix, code, message] of [
    ['00000000', undefined, ''],
    ['00000064', 'ERR_INPUT', /^unframe: the frame at offset 0 is truncated at offset 4; bytes missing: 100$/],
    [
      '00000065',
      'ERR_RECORD_TOO_LONG',
      /^unframe: the frame at offset 0 announces 101 bytes or more, longer than max, 100/,
    ],
    ['ffffffff', 'ERR_RECORD_TOO_LONG', /^unframe: the frame at offset 0 announces \d+ bytes or more/],
  ] as const) {
    for (const size of [1, 100]) {
      const { error, text } = await run(
        [unframe({ format: 'u32be', max: 100 })],
        cutEvery(size, Buffer.from(prefix, 'hex')),
      )
      if (code === undefined) t.same({ error, text }, { error: undefined, text: '\n' })
      else t.match(error, { code, message }, `${prefix} by ${size}`)
    }
  }
})

t.test('an excessive length is an error before more data arrives (E-03)', async t => {
  for (const [options, input] of [
    [{ format: 'u32be' }, Buffer.from('7fffffff', 'hex')],
    [{ format: 'varint' }, Buffer.alloc(8, 0xff)],
    [{ format: 'nul', max: 10 }, Buffer.alloc(11, 'a')],
  ] as const) {
    const stage = compose(unframe(options))
    stage.write(input)
    const error = await new Promise(resolve => stage.once('error', resolve))
    t.match(error, { code: 'ERR_RECORD_TOO_LONG' })
  }
})

t.test('an announced length takes no memory (E-03)', async t => {
  const stages = Array.from({ length: 20 }, () => compose(unframe({ format: 'u32be', max: 2 ** 30 })))
  const before = process.memoryUsage().arrayBuffers
  for (const stage of stages) await new Promise(resolve => stage.write(Buffer.from('4000000061', 'hex'), resolve))
  t.ok(process.memoryUsage().arrayBuffers - before < 2 ** 20)
  for (const stage of stages) stage.destroy()
})

t.test('options are checked', async t => {
  t.throws(() => spec('unframe'), { code: 'ERR_SPEC', message: /unframe needs a format/ })
  t.throws(() => spec('unframe nul delimiter=x'), { message: /unframe takes a format or delimiter=, not both/ })
  t.throws(() => spec('unframe u16be max=64k'), {
    message: /unframe max: 65536 is not allowed; expected at most 65535/,
  })
})

t.test('the frames before one that cannot be a line come first (G-10)', async t => {
  for (const size of [1, 2, 100]) {
    const { text, error } = await run([unframe({ format: 'u8' })], cutEvery(size, Buffer.from('\x02hi\0\x02a\n\x01b')))
    t.equal(text, 'hi\n\n', `by ${size}`)
    t.match(error, { code: 'ERR_INPUT', message: /^unframe: frame 3 contains an LF/ })
  }
})
