import fc from 'fast-check'
import t from 'tap'
import { Order, type Place } from '../../../../lib/endpoints/nats/order.js'

/** What an order gives, by a clock of the test's own. */
function ordered() {
  const clock = { now: 0 }
  const given: string[] = []
  const order = new Order<string>(
    item => given.push(item),
    () => clock.now,
  )
  const add = (connection: string, sequence: number, stored = 0) =>
    order.add(`${connection}${sequence}`, { connection, sequence, stored })
  return { order, given, clock, add }
}

t.test('in order: at once', async t => {
  const { add, given, order } = ordered()
  for (let i = 0; i < 5; i++) add('a', i, i)
  order.add('foreign', undefined)
  t.same(given, ['a0', 'a1', 'a2', 'a3', 'a4', 'foreign'])
  t.equal(order.held, 0)
})

t.test('by the clock of the process, unless there is another one', async t => {
  const given: string[] = []
  const order = new Order<string>(item => given.push(item))
  order.add('late', { connection: 'a', sequence: 1, stored: 0 })
  order.tick()
  t.same(given, [])
})

t.test('what is missing is waited for, and others are not', async t => {
  const { add, given, order } = ordered()
  add('a', 0)
  add('a', 2)
  add('b', 0)
  add('a', 3)
  t.same(given, ['a0', 'b0'])
  t.equal(order.held, 2)
  add('a', 1)
  t.same(given, ['a0', 'b0', 'a1', 'a2', 'a3'])
})

t.test('what was stored before is not waited for: somebody else has it', async t => {
  const { add, given } = ordered()
  add('a', 0, 0)
  add('a', 3, 1)
  t.same(given, ['a0'])
  add('a', 4, 3)
  t.same(given, ['a0', 'a3', 'a4'])
  add('a', 2, 0)
  t.same(given, ['a0', 'a3', 'a4', 'a2'], 'one that comes all the same is late, not lost')
})

t.test('a connection may begin anywhere, after a restart', async t => {
  const { add, given, clock, order } = ordered()
  add('a', 7, 7)
  add('b', 7, 5)
  t.same(given, ['a7'])
  add('b', 8, 8)
  t.same(given, ['a7', 'b7', 'b8'])
  add('c', 7, 5)
  clock.now = 4999
  order.tick()
  t.equal(order.held, 1)
  clock.now = 5000
  order.tick()
  t.same(given, ['a7', 'b7', 'b8', 'c7'])
})

t.test('a gap is waited for half a minute, less if others read, too', async t => {
  for (const [isShared, time] of [
    [false, 30_000],
    [true, 5000],
  ] as const) {
    const { add, given, clock, order } = ordered()
    order.isShared = isShared
    add('a', 0)
    add('a', 2)
    clock.now = time - 1
    order.tick()
    t.same(given, ['a0'])
    clock.now = time
    order.tick()
    t.same(given, ['a0', 'a2'])
  }
})

t.test('several gaps are waited for at the same time, not one after the other', async t => {
  const { add, given, clock, order } = ordered()
  add('a', 0)
  for (const i of [2, 4, 6]) {
    clock.now = i
    add('a', i)
  }
  clock.now = 30_004
  order.tick()
  t.same(given, ['a0', 'a2', 'a4'])
  clock.now = 30_006
  order.tick()
  t.same(given, ['a0', 'a2', 'a4', 'a6'])
})

t.test('nothing passes what may come again, until that is settled', async t => {
  const { add, given, clock, order } = ordered()
  order.isSettling = true
  add('a', 3, 3)
  add('a', 2, 2)
  clock.now = 100_000
  order.tick()
  t.same(given, [])
  add('a', 0)
  t.same(given, ['a0'])
  t.equal(order.isSettling, true)
  order.isSettling = false
  t.same(given, ['a0', 'a2', 'a3'])
})

t.test('all can be released; a number that comes twice is given twice', async t => {
  const { add, given, order } = ordered()
  add('a', 2)
  add('a', 2)
  add('a', 5)
  t.same(given, ['a2'])
  order.release()
  t.same(given, ['a2', 'a2', 'a5'])
  t.equal(order.held, 0)
})

t.test('it remembers a bounded number of connections, and all that hold something', async t => {
  const { add, given, order } = ordered()
  add('held', 1)
  for (let i = 0; i < 20_000; i++) add(`${i}-`, 0)
  add('held', 0)
  t.same(given.slice(-2), ['held0', 'held1'])
  t.equal(order.held, 0)
})

t.test('whatever order the retries of writers make: each connection is in order, and complete', async t => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 0, max: 2 }), fc.nat({ max: 7 })), { maxLength: 60 }),
      fc.integer({ min: 1, max: 8 }),
      (steps, window) => {
        const { order, given } = ordered()
        const counts = new Map<string, { next: number; flying: Place[]; stored: Set<number> }>()
        const store = (place: Place) => order.add(`${place.connection}${place.sequence}`, place)
        for (const [which, pick] of steps) {
          const connection = 'abc'[which] as string
          const writer = counts.get(connection) ?? { next: 0, flying: [], stored: new Set() }
          counts.set(connection, writer)
          let low = 0
          while (writer.stored.has(low)) low++
          if (writer.next < low + window) writer.flying.push({ connection, sequence: writer.next++, stored: low })
          const [place] = writer.flying.splice(pick % Math.max(1, writer.flying.length), 1)
          if (!place || pick === 0) {
            if (place) writer.flying.push(place)
            continue
          }
          writer.stored.add(place.sequence)
          store(place)
        }
        for (const { flying } of counts.values()) for (const place of flying) store(place)
        for (const [connection, { next }] of counts) {
          const own = given.filter(each => each.startsWith(connection)).map(each => Number(each.slice(1)))
          if (own.join() !== [...Array(next).keys()].join()) t.fail(`${connection}: ${own}`)
        }
      },
    ),
    { numRuns: 2000 },
  )
})
