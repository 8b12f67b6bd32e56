import t from 'tap'
import { clip, wrap } from '../../../lib/text/columns.js'

t.test('clip', async t => {
  for (const [text, columns, expected] of [
    ['', 3, ''],
    ['abc', 3, 'abc'],
    ['abcd', 3, 'ab…'],
    ['äöü', 3, 'äöü'],
    ['日本', 4, '日本'],
    ['日本語', 5, '日本…'],
    ['日本語', 4, '日…'],
    ['a😀😀', 4, 'a😀…'],
  ] as const)
    t.equal(clip(text, columns), expected, text)
})

t.test('wrap', async t => {
  for (const [text, columns, expected] of [
    ['', 3, ['']],
    ['abc', 3, ['abc']],
    ['abcdefg', 3, ['abc', 'def', 'g']],
    ['a日本', 3, ['a日', '本']],
    ['😀😀', 1, ['😀', '😀']],
  ] as const)
    t.same(wrap(text, columns), expected, text)
})
