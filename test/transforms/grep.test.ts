import t from 'tap'
import { grep } from '../../transforms/grep.js'
import { spec } from '../../transforms/spec.js'
import { cutAt, cutEvery, errorOf, run, textOf } from '../lib/pipes.js'

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
  const maxRecord = 1000
  const lines = (length: number) => `short\n${'x'.repeat(length)}\nshort\n`
  t.equal(await textOf([grep({ pattern: /x/ })], lines(1000), { maxRecord }), `${'x'.repeat(1000)}\n`)
  t.match(await errorOf([grep({ pattern: /x/ })], lines(1001), { maxRecord }), { code: 'ERR_RECORD_TOO_LONG' })
  t.match(await errorOf([grep({ pattern: /x/ })], 'x'.repeat(2 ** 20 + 1)), { code: 'ERR_RECORD_TOO_LONG' })
})

t.test('a pattern with a literal in it is searched in the bytes, and keeps the same lines', async t => {
  const lines = [
    'ERROR',
    'an ERROR here',
    '',
    'ERR',
    'EERRORR',
    'für 😀',
    'a+b',
    'a/b',
    'aab',
    'ac',
    'abbb',
    '{3}',
    'x{3}',
    '\r',
  ]
  const bytes = Buffer.concat([Buffer.from(`${lines.join('\n')}\n`), Buffer.from([0xf0, 0xc3, 0xbc, 10, 0xff, 0x61])])
  for (const pattern of [
    ...[
      /ERROR/,
      /^ERROR$/,
      /ERR.*R/,
      /ER+OR/,
      /ERX?ROR/,
      /ERRO*R/,
      /ü/,
      /😀/,
      /a\/b/,
      /a.b/,
      /ab{2}/,
      /ab{1,}b/,
      /x?/,
      /a/,
    ],
    ...[
      /ab+?/,
      /ab*?/,
      /.{3}/,
      /^{/,
      /x{3}/,
      /\ufffd/,
      /a|E/,
      /(E)/,
      /[E]/,
      /\r/,
      /error/i,
      /ü/u,
      /\ud83d/,
      /E/g,
      /E/y,
      /É/iu,
    ],
  ]) {
    const search = new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, ''))
    const all = bytes.toString().split('\n')
    const kept = all.filter(line => search.test(line))
    const expected = kept.map(line => (line === all.at(-1) ? line : `${line}\n`)).join('')
    for (const size of [1, 7, 1000])
      t.equal(await textOf([grep({ pattern })], cutEvery(size, bytes)), expected, `${pattern}`)
  }
})

t.test('many and few lines with the literal in turn', async t => {
  const dense = 'x 1\n'.repeat(50_000)
  const sparse = `${'nothing\n'.repeat(50_000)}x 2\n`
  const text = `${dense}${sparse}${dense}${sparse}`
  const { text: kept, meters } = await run([grep({ pattern: /x/ })], cutEvery(65_536, Buffer.from(text)))
  t.equal(kept, `${dense}x 2\n${dense}x 2\n`)
  t.match(meters[0]?.stages[0], { recordsIn: 200_002, recordsOut: 100_002 }, 'lines that were skipped are counted, too')
})
