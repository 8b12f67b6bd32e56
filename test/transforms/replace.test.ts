import t from 'tap'
import { replace } from '../../transforms/replace.js'
import { spec } from '../../transforms/spec.js'
import { cutEvery, textOf } from '../lib/pipes.js'

t.test('what stands there instead', async t => {
  for (const [title, options, input, expected] of [
    ['every match', { pattern: /a/, text: 'b' }, 'aa\nca', 'bb\ncb'],
    ['the first match of a line', { pattern: /a/, text: 'b', first: true }, 'aa\nca', 'ba\ncb'],
    ['a global pattern, the first match', { pattern: /a/g, text: 'b', first: true }, 'aa\naa\n', 'ba\nba\n'],
    ['a sticky pattern is searched everywhere', { pattern: /a/y, text: 'b' }, 'ca\n', 'cb\n'],
    ['groups', { pattern: /(\w+)=(\w+)/, text: '$2=$1' }, 'a=1 b=2\n', '1=a 2=b\n'],
    ['named groups', { pattern: /(?<key>\w+)=/, text: '$<key>: ' }, 'a=1\n', 'a: 1\n'],
    ['the match', { pattern: /\d+/, text: '<$&>' }, 'a1b22', 'a<1>b<22>'],
    ['a dollar', { pattern: /EUR/, text: '$$' }, '1 EUR\n', '1 $\n'],
    ['before and behind the match', { pattern: /b/, text: "[$`$'$$`]" }, 'abc', "a[$`$'$`]c"],
    ['nothing', { pattern: /\s+$/, text: '' }, 'a  \nb\r\n', 'a\nb\n'],
    ['no match', { pattern: /x/, text: 'y' }, 'a\n\nb', 'a\n\nb'],
    ['flags', { pattern: /A/i, text: 'x' }, 'aA', 'xx'],
    ['a text with an LF makes two lines', { pattern: /,/, text: '\n' }, 'a,b\n', 'a\nb\n'],
  ] as const) {
    t.equal(await textOf([replace(options)], input), expected, title)
    t.equal(await textOf([replace(options)], cutEvery(1, Buffer.from(input))), expected, `${title}, byte by byte`)
  }
})

t.test('as text', async t => {
  t.equal(await textOf(spec('replace \'(a)(b)\' "$2$1"')(), 'ab\n'), 'ba\n')
  t.equal(await textOf(spec("replace /B/i ''")(), 'abc\n'), 'ac\n')
  t.throws(() => spec('replace a'), { code: 'ERR_SPEC', message: /replace needs text/ })
})
