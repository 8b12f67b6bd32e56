import t from 'tap'
import { anyText, choice, readQuery, whole } from '../../../lib/ui/parameters.js'

const parameters = {
  state: choice(['open', 'ended'], 'open'),
  way: choice(['in', 'out'], undefined),
  after: whole(0, Number.MAX_SAFE_INTEGER, 0),
  limit: whole(1, 500, 50),
  filter: anyText(''),
}

function read(query: string) {
  return readQuery(new URLSearchParams(query), parameters)
}

t.test('values and defaults', async t => {
  const defaults = { state: 'open', way: undefined, after: 0, limit: 50, filter: '' }
  t.same(read(''), defaults)
  t.same(read('way=out&limit=500&filter=a%20b'), { ...defaults, way: 'out', limit: 500, filter: 'a b' })
  t.equal(read(`after=${Number.MAX_SAFE_INTEGER}`).after, Number.MAX_SAFE_INTEGER)
})

t.test('what is not allowed', async t => {
  for (const [query, message] of [
    ['state=x', "state: 'x' is not allowed; expected open, ended"],
    ['state=', "state: '' is not allowed; expected open, ended"],
    ['limit=0', "limit: '0' is not allowed; expected a whole number from 1 to 500"],
    ['limit=501', /^limit: '501'/],
    ['limit=1e2', /^limit: '1e2'/],
    ['limit=-1', /^limit: '-1'/],
    ['limit=+1', /^limit: ' 1'/],
    ['after=9007199254740993', /^after: '9007199254740993'/],
    [`state=${'y'.repeat(200)}`, `state: '${'y'.repeat(100)}' is not allowed; expected open, ended`],
    ['other=1', 'other: unknown parameter; expected state, way, after, limit, filter'],
    ['toString=1', /^toString: unknown/],
  ] as const)
    t.throws(() => read(query), { status: 400, message })
  t.throws(() => readQuery(new URLSearchParams('x='), {}), { message: 'x: unknown parameter; expected none' })
})
