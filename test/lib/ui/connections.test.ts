import t, { type Test } from 'tap'
import type { Observer } from '../../../lib/stats/observer.js'
import { connectionOf, type ListQuery, listConnections, mergeLists } from '../../../lib/ui/connections.js'
import { openRecord } from '../../../lib/ui/record.js'

const preset: ListQuery = { state: 'all', sort: 'number', order: 'desc', filter: '', offset: 0, limit: 50 }

const people = [
  { id: 'a1', number: 1, remote: '10.0.0.2', port: 500, age: 40, bytesIn: 5, bytesOut: 1, rate: 3 },
  { id: 'b2', number: 2, remote: '10.0.0.2', port: 400, age: 30, bytesIn: 9, bytesOut: 0, rate: 8 },
  { id: 'c3', number: 3, remote: 'unix', port: undefined, age: 20, bytesIn: 0, bytesOut: 7, rate: 0 },
  { id: 'd4', number: 4, remote: 'unix', port: undefined, age: 10, bytesIn: 1, bytesOut: 2, rate: 0 },
]

/** Three that are open, and two that have ended. */
function open(t: Test) {
  let observer: Required<Observer> | undefined
  const observe = (given: Required<Observer>) => {
    observer = given
    return () => {}
  }
  const record = openRecord({ answers: 'out', connections: new Set(), observe } as never, {
    ...{ perConnection: 1000, total: 10_000, tls: false },
  })
  t.teardown(() => record.stop())
  const hear = observer as unknown as Required<Observer>
  for (const each of people) hear.opened({ ...each, stats: () => ({}) } as never)
  for (const end of [
    { id: 'x5', number: 5, remote: '::1', port: 600, closedBy: 'reset', error: new Error('Gone'), reason: 'Bored' },
    { id: 'y6', number: 6, remote: '10.0.0.9', port: 700, closedBy: 'peer', tls: {} },
  ]) {
    hear.opened({ ...end, stats: () => ({}) } as never)
    hear.passed(end, 'in', Buffer.from('abc'))
    hear.closed({ ...end, warnings: [], duration: 70 + end.number, bytesIn: 3, bytesOut: 0 } as never)
  }
  const [first, ...others] = people
  const target = { to: 't:1', bytesIn: 1, bytesOut: 1 }
  const connections = [
    { ...first, target, via: '10.0.0.1:5000', tls: {} },
    ...others,
    { ...first, id: 'unseen' },
  ] as never[]
  const ratesOf = ({ rate }: never) => ({ rateIn: rate, rateOut: 0 })
  const snapshot = { stats: { connections }, byId: new Map(people.map(each => [each.id, each])), ratesOf } as never
  const held = (id: string) => (id === 'b2' ? (['reply'] as const) : [])
  const list = (query: Partial<ListQuery> = {}) => listConnections(record, snapshot, held, { ...preset, ...query })
  const numbers = (query?: Partial<ListQuery>) => list(query).connections.map(({ number }) => number)
  return { list, numbers, one: (id: string) => connectionOf(record, snapshot, held, id), record, hear }
}

t.test('open ones and ended ones', async t => {
  const { list, numbers } = open(t)
  t.same(numbers(), [6, 5, 4, 3, 2, 1])
  t.same(numbers({ state: 'open' }), [4, 3, 2, 1])
  t.same(numbers({ state: 'ended' }), [6, 5])
  const { connections, ...counts } = list({ state: 'ended' })
  t.same(counts, { open: 5, ended: 2, matching: 2, offset: 0 })
})

t.test('the lists of several processes are one', async t => {
  const [one, other] = [open(t), open(t)]
  const query = { ...preset, sort: 'bytesIn', offset: 1, limit: 3 } as const
  const lists = [one, other].map(({ list }) => list({ ...query, offset: 0, limit: 4 }))
  const { connections, ...counts } = mergeLists(lists, query)
  t.same(counts, { open: 10, ended: 4, matching: 12, offset: 1 })
  t.same(
    connections.map(({ number }) => number),
    [2, 1, 1],
  )
})

t.test('what is known of each', async t => {
  const { list, one } = open(t)
  const [, reset, , , second, first] = list().connections
  const opened = Number(first?.opened)
  t.ok(Math.abs(opened - Date.now()) < 60_000)
  t.same(first, {
    ...{ id: 'a1', number: 1, remote: '10.0.0.2', port: 500, state: 'open', opened, age: 40, bytesIn: 5, bytesOut: 1 },
    ...{ rateIn: 3, rateOut: 0, tls: true, via: '10.0.0.1:5000', target: { to: 't:1', bytesIn: 1, bytesOut: 1 } },
    ...{ kept: 0, dropped: 0, held: [] },
  })
  t.match(second, { held: ['reply'], tls: false })
  t.notOk('target' in (second as object))
  t.same(reset, {
    ...{ id: 'x5', number: 5, remote: '::1', port: 600, state: 'ended', opened: reset?.opened, age: 75, bytesIn: 3 },
    ...{ bytesOut: 0, rateIn: 0, rateOut: 0, tls: false, kept: 3, dropped: 0, held: [] },
    ...{ closedBy: 'reset', error: 'Gone', reason: 'Bored' },
  })
  t.match(one('y6'), { state: 'ended', tls: true })
  t.match(one('b2'), { state: 'open', age: 30, rateIn: 8 })
  t.throws(() => one('z'.repeat(200)), {
    status: 404,
    message: `connection: '${'z'.repeat(100)}' is unknown, or ended too long ago`,
  })
})

t.test('one that is ending is in no figures any more', async t => {
  const { hear, one, list } = open(t)
  hear.opened({ id: 'late', number: 7, remote: 'x', port: 1, stats: () => ({}) } as never)
  const { age, ...row } = one('late')
  t.match(row, { state: 'open', bytesIn: 0, bytesOut: 0, rateIn: 0, rateOut: 0, tls: false })
  t.ok(age >= 0)
  t.equal(list().matching, 6)
})

t.test('the order', async t => {
  const { numbers } = open(t)
  for (const [sort, ascending] of [
    ['number', [1, 2, 3, 4, 5, 6]],
    ['remote', [2, 1, 6, 5, 3, 4]],
    ['age', [4, 3, 2, 1, 5, 6]],
    ['bytesIn', [3, 4, 5, 6, 1, 2]],
    ['bytesOut', [2, 5, 6, 1, 4, 3]],
    ['rate', [3, 4, 5, 6, 1, 2]],
    ['state', [1, 2, 3, 4, 6, 5]],
  ] as const) {
    t.same(numbers({ sort, order: 'asc' }), ascending, sort)
    t.same(numbers({ sort }), [...ascending].reverse(), `${sort}, descending`)
  }
})

t.test('those that have a text, in any case', async t => {
  const { numbers } = open(t)
  for (const [filter, found] of [
    ['10.0.0.2', [2, 1]],
    ['10.0.0.2:400', [2]],
    ['::1', [5]],
    ['UNIX', [4, 3]],
    ['600', [5]],
    ['X5', [5]],
    ['reSet', [5]],
    ['bored', [5]],
    [' gone ', [5]],
    ['peer', [6]],
    ['nothing', []],
    [' ', [6, 5, 4, 3, 2, 1]],
  ] as const)
    t.same(numbers({ filter }), found, filter)
  t.ok(numbers({ filter: '3' }).includes(3), 'by the number')
})

t.test('a part of them', async t => {
  const { list, numbers } = open(t)
  t.same(numbers({ offset: 1, limit: 2 }), [5, 4])
  t.same(numbers({ offset: 5 }), [1])
  t.match(list({ offset: 100 }), { matching: 6, offset: 100, connections: [] })
})
