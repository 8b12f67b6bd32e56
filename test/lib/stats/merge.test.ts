import t from 'tap'
import { mergeStats } from '../../../lib/stats/merge.js'
import { serverFigures } from '../../../lib/stats/server-figures.js'
import type { ConnectionStats, ServerStats, StageTotals } from '../../../lib/stats/snapshot.js'
import type { Summary } from '../../../lib/stats/summary.js'

/** The figures of a server that has had a connection of this duration, and has another one. */
function statsOf(duration: number, bytes: number, stages: readonly StageTotals[]): ServerStats {
  const figures = serverFigures()
  figures.accepted()
  figures.accepted()
  figures.refused('maxPerIp')
  figures.handshakeFailed()
  figures.closed({ closedBy: 'peer', bytesIn: bytes, bytesOut: 1, duration, directions: [] } as unknown as Summary)
  const open = { id: `of ${bytes}`, bytesIn: bytes, bytesOut: 2, directions: [] } as unknown as ConnectionStats
  return { ...figures.stats([open]), age: duration, stages }
}

function stage(name: string, direction: StageTotals['direction'], amount: number): StageTotals {
  const times = { busy: amount, waitingForInput: 2 * amount, waitingForOutput: 3 * amount, waitingForThread: 0 }
  return { name, direction, recordsIn: amount, recordsOut: 1, bytesIn: amount, bytesOut: 4 * amount, ...times }
}

t.test('every figure is the sum, and the age that of the oldest', async t => {
  const one = statsOf(20, 100, [stage('grep', 'forward', 1), stage('hex', 'forward', 10)])
  const other = statsOf(3000, 1000, [stage('grep', 'forward', 2), stage('grep', 'reply', 5)])
  const merged = mergeStats([one, other])
  t.match(merged, {
    age: 3000,
    accepted: 4,
    closed: { peer: 2, local: 0, error: 0 },
    failed: 0,
    refused: { access: 0, maxConnections: 0, maxPerIp: 2 },
    handshakeFailures: 2,
    bytesIn: 2200,
    bytesOut: 6,
    durations: { count: 2, sum: 3020 },
    connections: [{ id: 'of 100' }, { id: 'of 1000' }],
  })
  t.same(Object.keys(merged).sort(), Object.keys(one).sort(), 'none is missing')
  const upTo = (time: number) => merged.durations.buckets.find(bucket => bucket.upTo === time)?.count
  t.same([10, 50, 1000, 5000].map(upTo), [0, 1, 1, 2])
  t.strictSame(merged.stages, [
    { ...stage('grep', 'forward', 3), recordsOut: 2 },
    stage('hex', 'forward', 10),
    stage('grep', 'reply', 5),
  ])
})

t.test('further sinks: the sum of each', async t => {
  const statsOf = (...also: [to: string, dropped: number, spooled: number][]) =>
    serverFigures(also.map(([to, dropped, spooled]) => ({ to, dropped, spooled }))).stats([])
  t.same(mergeStats([statsOf(['a', 1, 10], ['b', 2, 20]), statsOf(['b', 4, 40]), statsOf()]).also, [
    { to: 'a', dropped: 1, spooled: 10 },
    { to: 'b', dropped: 6, spooled: 60 },
  ])
  t.notOk('also' in mergeStats([statsOf()]))
})

t.test('those of one server stay as they are', async t => {
  const stats = statsOf(20, 100, [stage('grep', 'forward', 1)])
  t.strictSame(mergeStats([stats]), stats)
})
