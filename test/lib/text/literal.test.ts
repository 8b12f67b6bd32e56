import t from 'tap'
import { literal, literalBytes } from '../../../lib/text/literal.js'

t.test('the bytes of a text', async t => {
  for (const [text, hex] of [
    ['a', '61'],
    ['||', '7c7c'],
    ['\\n\\r\\t\\0\\\\', '0a0d09005c'],
    ['\\\\n', '5c6e'],
    ['\\x00\\xfF\\x0a1', '00ff0a31'],
    ['é\n\\n', 'c3a90a0a'],
    ['a b', '612062'],
  ] as const)
    t.equal(literalBytes(literal('s').parse(text)).toString('hex'), hex, text)
})

t.test('what is refused, and the words for it', async t => {
  const option = literal('s')
  for (const text of ['\\', 'a\\', '\\a', '\\x1', '\\xgg', '\\N', ''])
    t.throws(() => option.parse(text), {
      code: 'ERR_OPTION',
      message: `'${text}' is not allowed; expected text; '\\n'`,
    })
  t.notMatch(option.allowed, 'at most')
})

t.test('the most bytes', async t => {
  const option = literal('s', 3)
  t.match(option.allowed, /for a backslash; at most 3 bytes$/)
  for (const text of ['abc', 'aé', '\\xff\\xff\\xff']) t.ok(option.accepts(text), text)
  for (const text of ['abcd', 'éé', '\\xff\\xff\\xff1', 'a'.repeat(1e6)]) t.notOk(option.accepts(text))
  const long = '\\x61'.repeat(65_536)
  t.ok(literal('s', 65_536).accepts(long))
  t.notOk(literal('s', 65_536).accepts(`${long}b`))
})
