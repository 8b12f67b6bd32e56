import t from 'tap'
import { shorten, tie, widthOf, wrap } from '../../cli/wrap.js'
import fc from '../fast-check.js'

t.test('wrap breaks between words, within long ones, and never between a number and its unit', async t => {
  for (const [text, columns, lines] of [
    ['one two three', 20, ['one two three']],
    ['one two three', 7, ['one two', 'three']],
    ['one', 3, ['one']],
    ['', 3, ['']],
    ['abcdefgh ij', 4, ['abcd', 'efgh', 'ij']],
    [`in 4.3${tie}s`, 5, ['in', '4.3 s']],
    ['日本語 日本', 4, ['日本', '語', '日本']],
    ['one two', Number.POSITIVE_INFINITY, ['one two']],
    ['ab', -3, ['a', 'b']],
  ] as const)
    t.equal(wrap(text, columns), lines.join('\n'), text)
})

t.test('wrap loses nothing and fits', async t => {
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(
        fc.array(fc.stringMatching(/^[a-zé日]{1,12}$/), { minLength: 1 }),
        fc.integer({ min: 2, max: 30 }),
        (words, columns) => {
          const text = words.join(' ')
          const lines = wrap(text, columns).split('\n')
          return lines.every(line => widthOf(line) <= columns) && lines.join('').replaceAll(' ', '') === words.join('')
        },
      ),
    ),
  )
})

t.test('shorten leaves out the middle', async t => {
  t.equal(shorten('/a/file.bin', 11), '/a/file.bin')
  t.equal(shorten('/home/somebody/logs/file.bin', 16), '/home…s/file.bin')
  t.equal(shorten('/home/somebody/logs/file.bin', 16, '...'), '/hom.../file.bin')
  t.equal(widthOf(shorten('日本語日本語日本語', 9)) <= 9, true)
  t.equal(shorten('abcdef', 1), '…ef')
})
