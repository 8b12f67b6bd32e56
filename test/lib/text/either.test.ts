import t from 'tap'
import { either } from '../../../lib/text/either.js'

t.test('words as alternatives', async t => {
  t.same([[], ['a'], ['a', 'b'], ['a', 'b', 'c']].map(either), ['', 'a', 'a or b', 'a, b or c'])
})
