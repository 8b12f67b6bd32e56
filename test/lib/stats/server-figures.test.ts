import t from 'tap'
import { serverFigures } from '../../../lib/stats/server-figures.js'
import type { ClosedBy, ConnectionStats, Reason } from '../../../lib/stats/snapshot.js'
import type { Summary } from '../../../lib/stats/summary.js'
import { stoppedClock } from './stopped-clock.js'

function summaryOf(closedBy: ClosedBy, more: Partial<Summary> = {}): Summary {
  const identity = { id: 'c1', number: 1, remote: '::1', port: 1 }
  return { ...identity, bytesIn: 0, bytesOut: 0, duration: 0, closedBy, warnings: [], directions: [], ...more }
}

const open = (bytesIn: number, bytesOut: number) => ({ bytesIn, bytesOut }) as ConnectionStats

t.test('everything is there from the beginning, and 0', async t => {
  const clock = stoppedClock(t)
  const figures = serverFigures()
  clock.pass(7)
  t.strictSame(figures.stats([]), {
    age: 7,
    accepted: 0,
    closed: { peer: 0, local: 0, reset: 0, timeout: 0, limit: 0, signal: 0, error: 0 },
    failed: 0,
    refused: { access: 0, maxConnections: 0, maxPerIp: 0 },
    handshakeFailures: 0,
    bytesIn: 0,
    bytesOut: 0,
    connections: [],
  })
})

t.test('connections are numbered from 1, and counted by what ended them', async t => {
  const figures = serverFigures()
  const causes: ClosedBy[] = ['peer', 'peer', 'local', 'reset', 'timeout', 'limit', 'signal', 'error']
  t.same(
    causes.map(() => figures.accepted()),
    [1, 2, 3, 4, 5, 6, 7, 8],
  )
  for (const cause of causes)
    figures.closed(summaryOf(cause, ['peer', 'local'].includes(cause) ? {} : { error: new Error('x') }))
  t.match(figures.stats([]), {
    accepted: 8,
    closed: { peer: 2, local: 1, reset: 1, timeout: 1, limit: 1, signal: 1, error: 1 },
    failed: 5,
  })
})

t.test('clients that did not become a connection are counted by the reason', async t => {
  const figures = serverFigures()
  const reasons: Reason[] = ['access', 'maxPerIp', 'maxPerIp', 'maxConnections', 'maxConnections', 'maxConnections']
  for (const reason of reasons) figures.refused(reason)
  figures.handshakeFailed()
  figures.handshakeFailed()
  t.match(figures.stats([]), {
    accepted: 0,
    refused: { access: 1, maxPerIp: 2, maxConnections: 3 },
    handshakeFailures: 2,
  })
})

t.test('bytes are those of all connections, closed and open', async t => {
  const figures = serverFigures()
  figures.closed(summaryOf('peer', { bytesIn: 1, bytesOut: 2 }))
  figures.closed(summaryOf('error', { bytesIn: 10, bytesOut: 20, error: new Error('x') }))
  const connections = [open(100, 200), open(1000, 2000)]
  const stats = figures.stats(connections)
  t.match(stats, { bytesIn: 1111, bytesOut: 2222 })
  t.equal(stats.connections, connections)
  t.match(figures.stats([]), { bytesIn: 11, bytesOut: 22 }, 'those that are open are not counted twice')
})

t.test('a snapshot is plain JSON, and does not change afterwards', async t => {
  const figures = serverFigures()
  figures.accepted()
  const before = figures.stats([open(1, 2)])
  const text = JSON.stringify(before)
  t.strictSame(JSON.parse(text), before)
  figures.refused('access')
  figures.closed(summaryOf('peer'))
  t.equal(JSON.stringify(before), text)
})
