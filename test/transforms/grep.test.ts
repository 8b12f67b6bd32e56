import t from 'tap'
import { grep } from '../../transforms/grep.js'
import { spec } from '../../transforms/spec.js'
import { cutAt, cutEvery, errorOf, textOf } from '../lib/pipes.js'

const log = 'INFO up\nERROR down\ninfo id=3\nERROR again'

t.test('which lines are kept', async t => {
  for (const [title, options, input, expected] of [
    ['a word', { pattern: /ERROR/ }, log, 'ERROR down\nERROR again'],
    ['a pattern', { pattern: /^info|down$/i }, log, 'INFO up\nERROR down\ninfo id=3\n'],
    ['the others', { pattern: /ERROR/, invert: true }, log, 'INFO up\ninfo id=3\n'],
    ['a global pattern', { pattern: /R/g }, 'RRR\nR\nRR\n', 'RRR\nR\nRR\n'],
    ['a sticky pattern', { pattern: /R/y }, 'aR\nR\n', 'aR\nR\n'],
    ['none', { pattern: /nothing/ }, log, ''],
    ['all', { pattern: /(?:)/ }, '\n\nx\n', '\n\nx\n'],
    ['CR stays', { pattern: /b/ }, 'a\r\nb\r\nc\r\n', 'b\r\n'],
    ['the last line without LF', { pattern: /b/ }, 'a\nb', 'b'],
    ['the last line left out', { pattern: /a/ }, 'a\nb', 'a\n'],
    ['empty input', { pattern: /a/ }, '', ''],
    ['more than ASCII', { pattern: /ü/ }, 'für\nvor\n', 'für\n'],
  ] as const) {
    t.equal(await textOf([grep(options)], input), expected, title)
    t.equal(await textOf([grep(options)], cutEvery(1, Buffer.from(input))), expected, `${title}, byte by byte`)
  }
})

t.test('the last line of the output, when the last one of the input is left out', async t => {
  t.equal(await textOf([grep({ pattern: /a/ })], 'a\na\nb'), 'a\na\n')
})

t.test('cut at every pair of places', async t => {
  const bytes = Buffer.from('aé\n€x\r\n😀é\nz€')
  for (let first = 0; first <= bytes.length; first++) {
    for (let second = first; second <= bytes.length; second++) {
      const kept = await textOf([grep({ pattern: /[é€]/ })], cutAt([first, second], bytes))
      t.equal(kept, 'aé\n€x\r\n😀é\nz€', `${first}, ${second}`)
    }
  }
})

t.test('as text', async t => {
  for (const [text, expected] of [
    ['grep ERROR', 'ERROR down\nERROR again'],
    ["grep '/error d/i'", 'ERROR down\n'],
    ['grep id=3', 'info id=3\n'],
    ['grep ERROR invert=true', 'INFO up\ninfo id=3\n'],
  ] as const) {
    t.equal(await textOf(spec(text)(), log), expected, text)
  }
  t.throws(() => spec('grep'), { code: 'ERR_SPEC', message: /grep needs pattern/ })
  t.throws(() => spec('grep ('), { code: 'ERR_SPEC', message: /column 6/ })
})

t.test('a line over the cap is an error', async t => {
  const maxLine = 1000
  const lines = (length: number) => `short\n${'x'.repeat(length)}\nshort\n`
  t.equal(await textOf([grep({ pattern: /x/ })], lines(1000), { maxLine }), `${'x'.repeat(1000)}\n`)
  t.match(await errorOf([grep({ pattern: /x/ })], lines(1001), { maxLine }), { code: 'ERR_RECORD_TOO_LONG' })
  t.match(await errorOf([grep({ pattern: /x/ })], 'x'.repeat(2 ** 20 + 1)), { code: 'ERR_RECORD_TOO_LONG' })
})
