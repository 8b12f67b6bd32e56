import t from 'tap'
import { addTimes, emptySum, partsOf, placedParts, restart, sharesOf } from '../../../lib/stats/parts.js'
import type { DirectionStats } from '../../../lib/stats/snapshot.js'
import { client, direction, sink } from './directions.js'

/** A direction whose first segment has one run of these stages, which count records. */
function fused(factor: number): DirectionStats {
  const times = { waitingForInput: 25 * factor, busy: 25 * factor, waitingForOutput: 0, waitingForThread: 0 }
  const stage = (name: string) => ({ name, recordsIn: 8 * factor, recordsOut: 6 * factor, ...times })
  const state = { stopped: false, over: false }
  const runs = [
    { bytesIn: 100 * factor, bytesOut: 50 * factor, ...times, ...state, stages: [stage('a'), stage('b'), stage('c')] },
    {
      bytesIn: 50 * factor,
      bytesOut: 10 * factor,
      ...times,
      ...state,
      stages: [{ ...stage('gzip'), recordsIn: 0, recordsOut: 0 }],
    },
  ]
  return {
    ...{ direction: 'forward', bytesIn: 100 * factor, bytesOut: 10 * factor },
    ...{ source: client(0, 50 * factor, 0, 0), sink: sink(50 * factor, 0, 0, 0) },
    segments: [{ name: 'transforms', bytesIn: 0, bytesOut: 0, runs }],
  }
}

t.test('what each part has moved, where it is counted', async t => {
  const none = { recordsIn: null, recordsOut: null }
  t.match(partsOf(fused(1)), [
    { kind: 'source', name: 'client', segment: null, bytesIn: null, bytesOut: 100, ...none },
    { kind: 'stage', name: 'a', segment: 'transforms', bytesIn: 100, bytesOut: null, recordsIn: 8, recordsOut: 6 },
    { name: 'b', bytesIn: null, bytesOut: null, recordsIn: 8 },
    { name: 'c', bytesIn: null, bytesOut: 50, recordsIn: 8 },
    { name: 'gzip', bytesIn: 50, bytesOut: 10, ...none },
    { kind: 'sink', name: 'sink', segment: null, bytesIn: 10, bytesOut: null, ...none },
  ])
  t.match(partsOf(fused(3), fused(1)), [
    { bytesOut: 200 },
    { bytesIn: 200, recordsOut: 12 },
    {},
    {},
    {},
    { bytesIn: 20 },
  ])
})

t.test('the shares are of the life of the direction, or of the time since an earlier snapshot', async t => {
  const before = direction(client(0, 100, 0, 0), [['a', [100, 0, 0, 0]]], sink(100, 0, 0, 0))
  const now = direction(client(0, 110, 90, 0), [['a', [120, 70, 10, 0]]], sink(195, 5, 0, 0))
  t.match(partsOf(now), [{ busy: 0.55, waitingForOutput: 0.45 }, { busy: 0.35 }, { waitingForInput: 0.975 }])
  t.match(partsOf(now, before), [{ busy: 0.1 }, { busy: 0.7, waitingForOutput: 0.1 }, { busy: 0.05 }])
  t.match(partsOf(now, now), [{ busy: 0, ended: 0 }, {}, {}], 'no time has passed')
})

t.test('a stage that another one precedes now is the same, and a new one counts since it stands there', async t => {
  const before = direction(client(0, 100, 0, 0), [['a', [90, 10, 0, 0]]], sink(100, 0, 0, 0))
  const now = direction(
    client(0, 200, 0, 0),
    [
      ['b', [40, 10, 0, 0]],
      ['a', [100, 100, 0, 0]],
      ['a', [10, 0, 0, 0]],
    ],
    sink(200, 0, 0, 0),
  )
  t.match(partsOf(now, before), [{}, { busy: 0.1, ended: 0.5 }, { busy: 0.9 }, { busy: 0, ended: 0.9 }, {}])
  const { segments, ...rest } = before
  const other = { ...rest, segments: segments.map(each => ({ ...each, name: 'other' })) }
  t.match(partsOf(now, other)[2], { busy: 0.5 }, 'a stage of another segment is another one')
  t.match(partsOf(now, now), { length: 5 })
  t.match(partsOf(before, now)[1], { busy: 0 })
  t.match(partsOf(other, before)[1], { busy: 0.1, segment: 'other' })
})

t.test('a stage that ended early has its share of the whole life', async t => {
  const given = direction(client(0, 10, 90, 0), [['gzip', [0, 48, 0, 0]]], sink(45, 55, 0, 0))
  t.match(partsOf(given), [{ ended: 0 }, { busy: 0.48, ended: 0.52 }, { ended: 0 }])
})

t.test('an end that was not measured before counts since it is', async t => {
  const { source: _, sink: __, ...before } = direction(client(0, 0, 0, 0), [['a', [100, 0, 0, 0]]], sink(0, 0, 0, 0))
  const now = direction(client(0, 5, 45, 0), [['a', [110, 40, 0, 0]]], sink(50, 0, 0, 0))
  t.match(partsOf(now, before), [{ busy: 0.1 }, { busy: 0.8 }, { waitingForInput: 1 }])
})

t.test('without measure there are none', async t => {
  const { source, sink: end, ...given } = direction(client(0, 5, 95, 0), [], sink(99, 1, 0, 0))
  t.same(partsOf(given), [])
  t.same(partsOf({ ...given, ...(source && { source }) }), [])
  t.same(partsOf({ ...given, ...(end && { sink: end }) }), [])
})

t.test('a sum can take other parts for its own, and then has no times', async t => {
  const { source: _, sink: __, ...young } = fused(1)
  const sum = emptySum(placedParts(young))
  addTimes(sum, placedParts(young))
  t.equal(sum.life, 50)
  t.match(sum.parts[0]?.part, { name: 'source', times: undefined })
  restart(sum, placedParts(fused(1)))
  t.equal(sum.life, 0)
  for (const each of sum.parts) t.match(sharesOf(each, 100), { busy: 0, ended: 1 })
  t.match(sum.parts[0]?.part, { name: 'client', isNetwork: true })
})
