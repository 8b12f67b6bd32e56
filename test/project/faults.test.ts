import t from 'tap'
import { page, titledTests } from '../faults/page.js'
import { groups, notBuilt, rows } from '../faults/rows.js'
import { read } from './support.js'

const ids = rows.map(({ id }) => id)
const tests = titledTests()

t.test('every row has a test, except those not built yet', async t => {
  const shown = new Set(tests.flatMap(({ ids }) => ids))
  t.same(
    ids.filter(id => !shown.has(id) && !notBuilt.includes(id)),
    [],
  )
  for (const id of notBuilt) t.notOk(shown.has(id), `${id} is not built, and has no test`)
})

t.test('no test names an unknown row', async t => {
  for (const { file, title, ids: named, misplaced } of tests) {
    t.same([...named.filter(id => !ids.includes(id)), ...misplaced], [], `${file}: ${title}`)
  }
})

t.test('ids are unique and sorted', async t => {
  t.same(ids, [...new Set(ids)].sort())
  for (const id of ids) t.ok(groups[id[0] as string], id)
  for (const id of notBuilt) t.ok(ids.includes(id), id)
})

t.test('docs/faults.md matches the tests', async t => {
  t.equal(read('docs/faults.md'), page(), 'run npm run docs')
})
