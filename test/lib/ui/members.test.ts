import t from 'tap'
import { flag, integer, membersOf, object, text, word } from '../../../lib/ui/members.js'

const members = {
  kind: word(['a', 'b']),
  words: text('a short text', value => value.length < 200),
  any: text('a text'),
  count: integer(0),
  percent: integer(1, 100),
  quick: flag,
  more: object,
}

t.test('the members that are given', async t => {
  const request = { kind: 'a', words: 'x', any: '', count: 0, percent: 100, quick: false, more: { x: [] } }
  t.same(membersOf(request, members), request)
  t.same(membersOf({ kind: null, words: undefined }, members), {})
})

t.test('what is not allowed is refused: the member, the value, and what is allowed', async t => {
  for (const [request, message] of [
    ['{}', "the request: '{}' is not allowed; expected an object"],
    [undefined, 'the request: undefined is not allowed; expected an object'],
    [{ kind: 'c' }, "kind: 'c' is not allowed; expected a, b"],
    [{ kind: ['a'] }, 'kind: an array is not allowed; expected a, b'],
    [{ words: 'x'.repeat(201) }, `words: '${'x'.repeat(100)}…' is not allowed; expected a short text`],
    [{ any: true }, 'any: true is not allowed; expected a text'],
    [{ count: -1 }, 'count: -1 is not allowed; expected a whole number from 0'],
    [{ count: 2 ** 60 }, /^count: 1152921504606847000 /],
    [{ percent: 101 }, 'percent: 101 is not allowed; expected 1 to 100'],
    [{ percent: '5' }, "percent: '5' is not allowed; expected 1 to 100"],
    [{ percent: 5.5 }, 'percent: 5.5 is not allowed; expected 1 to 100'],
    [{ quick: {} }, 'quick: an object (Object) is not allowed; expected true or false'],
    [{ more: [] }, 'more: an array is not allowed; expected an object'],
    [{ toString: 1 }, "there is no member 'toString'; expected kind, words, any, count, percent, quick, more"],
    [{ ['y'.repeat(200)]: 1 }, new RegExp(`^there is no member '${'y'.repeat(100)}…'`)],
  ] as const)
    t.throws(() => membersOf(request, members), { status: 400, message })
  t.throws(() => membersOf({ x: 1 }, members, 'option'), { status: 400, message: /^there is no option 'x'/ })
})
