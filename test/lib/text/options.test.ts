import t from 'tap'
import {
  bytes,
  choice,
  words as command,
  duration,
  flag,
  integer,
  list,
  number,
  type Option,
  regexp,
  text,
} from '../../../lib/text/options.js'

const even = text('s', { allowed: 'an even number of letters', check: value => value.length % 2 === 0 })
const small = { min: 1, max: 9 }

t.test('what is read from text', async t => {
  for (const [name, option, word, value] of [
    ['text', text('s'), 'a b', 'a b'],
    ['text with a check', even, 'ab', 'ab'],
    ['text that may be empty', text('s', { empty: true }), '', ''],
    ['flag', flag('s'), 'true', true],
    ['flag', flag('s'), 'false', false],
    ['choice', choice('s', ['a', 'b']), 'b', 'b'],
    ['integer', integer('s'), '0', 0],
    ['integer, leading zeros', integer('s'), '007', 7],
    ['integer, least', integer('s', small), '1', 1],
    ['integer, greatest', integer('s', small), '9', 9],
    ['integer, negative', integer('s', { min: -5 }), '-5', -5],
    ['integer, greatest of all', integer('s'), '9007199254740991', Number.MAX_SAFE_INTEGER],
    ['number', number('s'), '0.25', 0.25],
    ['number, whole', number('s'), '3', 3],
    ['number, negative', number('s', { min: -1 }), '-0.5', -0.5],
    ['bytes', bytes('s'), '64k', 65536],
    ['bytes off', bytes('s', { off: true }), 'off', 0],
    ['duration', duration('s'), '250ms', 250],
    ['regexp', regexp('s'), 'GET /', /GET \//],
    ['regexp with flags', regexp('s'), '/error/i', /error/i],
    ['regexp over lines', regexp('s'), '/a\nb/', /a\nb/],
    ['list', list('s'), 'a.b,c', ['a.b', 'c']],
    ['words', command('s'), 'a b', ['a b']],
  ] as const) {
    t.strictSame((option as Option).parse(word), value, `${name}: ${word}`)
  }
})

t.test('what is refused, in text and in code, and the words for it', async t => {
  for (const [name, option, words, values, allowed] of [
    ['text', text('s'), [''], ['', 1, null, undefined], 'non-empty text'],
    ['text with a check', even, ['abc'], ['abc', '', 2], 'an even number of letters'],
    ['text that may be empty', text('s', { empty: true }), [], [1, undefined], 'text'],
    ['flag', flag('s'), ['', '1', 'TRUE', 'yes'], ['true', 1, undefined], 'true or false'],
    ['choice', choice('s', ['a', 'b']), ['', 'c', 'A', 'a, b'], ['c', 1], 'a or b'],
    [
      'integer',
      integer('s'),
      ['', '1.5', '0x50', '80abc', '1e3', ' 1', 'NaN'],
      ['1', 1.5, Number.NaN],
      'a whole number',
    ],
    ['integer, not negative', integer('s'), ['-1', '9007199254740992'], [-1, 2 ** 53], 'a whole number'],
    ['integer, over', integer('s', small), ['0', '10'], [0, 10], 'a whole number, from 1 to 9'],
    ['integer, least', integer('s', { min: 1 }), ['0'], [0], 'a whole number, at least 1'],
    ['integer, greatest', integer('s', { max: 9 }), ['10'], [10], 'a whole number, at most 9'],
    ['number', number('s'), ['', '.5', '1.', '1e3', '0x1', 'NaN', '-1'], ['1', Number.NaN, Infinity, -1], 'a number'],
    ['number, over', number('s', { min: 0, max: 1 }), ['1.1'], [1.1], "a number, such as '0.5', from 0 to 1"],
    [
      'bytes',
      bytes('s', { max: 65536 }),
      ['64kib1', '1m'],
      [65537, 1.5, '64k'],
      /^bytes, such as '65536'.*, at most 64k$/,
    ],
    ['duration', duration('s', { min: 90_000 }), ['1m', '10'], [1, Infinity, '2m'], /^a duration, .*, at least 90s$/],
    ['list', list('s'), ['', 'a,', ','], ['a', [], [''], ['a', 1]], "a list separated by ','"],
    [
      'list with a check',
      list('s', { allowed: 'letters', check: item => /^[a-z]$/.test(item) }),
      ['a,1', 'ab'],
      [['a', '1']],
      'letters',
    ],
    ['words', command('s'), [''], ['a', [], [''], [1]], 'a program and its arguments'],
    [
      'words with a check',
      command('s', { allowed: 'one word', check: ({ length }) => length === 1 }),
      [''],
      [['a', 'b']],
      'one word',
    ],
    ['regexp', regexp('s'), ['(', '/a/gg'], ['a', {}], "a regular expression, such as 'ERROR' or '/error/i'"],
  ] as const) {
    t.match(option.allowed, allowed, name)
    for (const word of words) t.throws(() => option.parse(word), { code: 'ERR_OPTION' }, `${name}: '${word}'`)
    for (const value of values) t.equal(option.accepts(value), false, `${name}: ${String(value)}`)
  }
  t.throws(() => flag('s').parse('yes'), { message: "'yes' is not allowed; expected true or false" })
  t.throws(() => regexp('s').parse('('), { message: /^Invalid regular expression/ })
})

t.test('what is accepted in code', async t => {
  for (const [option, value] of [
    [text('s'), 'x'],
    [flag('s'), false],
    [choice('s', ['a']), 'a'],
    [integer('s', small), 9],
    [number('s', { max: 1 }), 0.5],
    [bytes('s'), 0],
    [duration('s'), 0.5],
    [regexp('s'), /x/],
    [list('s'), ['a']],
    [command('s'), ['a', '']],
  ] as const) {
    t.equal(option.accepts(value), true, String(value))
  }
})

t.test('format writes a value as it would be typed: reading it gives the value again', async t => {
  for (const [option, value, word] of [
    [text('s'), 'a b', 'a b'],
    [text('s'), '1e-7', '1e-7'],
    [flag('s'), true, 'true'],
    [choice('s', ['a']), 'a', 'a'],
    [integer('s'), 42, '42'],
    [number('s'), 0.125, '0.125'],
    [number('s'), 1e-7, '0.0000001'],
    [number('s'), 1.25e-8, '0.0000000125'],
    [duration('s'), 1e-25, `0.${'0'.repeat(24)}1ms`],
    [list('s'), ['a', 'b'], 'a,b'],
    [command('s'), ['a'], 'a'],
    [bytes('s'), 0, '0'],
    [bytes('s', { off: true }), 0, 'off'],
    [bytes('s', { off: true }), 1024, '1k'],
    [bytes('s'), 1000, '1000'],
    [bytes('s'), 1536, '1536'],
    [bytes('s'), 64 * 1024, '64k'],
    [bytes('s'), 3 * 1024 ** 2, '3m'],
    [bytes('s'), 2 ** 40, '1024g'],
    [duration('s'), 0, '0ms'],
    [duration('s'), 1.5, '1.5ms'],
    [duration('s'), 1500, '1500ms'],
    [duration('s'), 90_000, '90s'],
    [duration('s'), 60_000, '1m'],
    [duration('s'), 7_200_000, '2h'],
    [regexp('s'), /a\/b/i, '/a\\/b/i'],
  ] as const) {
    const { format, parse } = option as Option
    t.equal(format(value), word)
    t.strictSame(parse(word), value, word)
  }
})

t.test('settings say whether an option is required, positional and what its default is', async t => {
  t.match(text('what it is'), { summary: 'what it is', required: false, positional: false, default: undefined })
  t.notOk('default' in text('s'))
  t.match(text('s', { required: true, positional: true }), { required: true, positional: true })
  t.match(integer('s', { default: 6 }), { default: 6, required: false })
  t.match(flag('s'), { default: false })
})

t.test('an option with few fixed words lists them', async t => {
  t.same(choice('', ['a', 'b']).words, ['a', 'b'])
  t.same(flag('').words, ['true', 'false'])
  t.equal(text('').words, undefined)
})
