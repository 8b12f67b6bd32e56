import t from 'tap'
import type { DirectionStats } from '../../../lib/stats/snapshot.js'
import { verdict } from '../../../lib/stats/verdict.js'
import { client, direction, end, sink } from './directions.js'

t.test('the part that works most is the slow one; the ends that wait for it are named', async t => {
  for (const [text, given] of [
    [
      'slowest: gzip (busy 94 %); the network and the sink waited',
      direction(client(0, 5, 95, 0), [['gzip', [4, 94, 2, 0]]], sink(99, 1, 0, 0)),
    ],
    [
      'slowest: the client or its network (busy 98 %); the sink waited',
      direction(client(0, 98, 2, 0), [['gzip', [97, 3, 0, 0]]], sink(100, 0, 0, 0)),
    ],
    ['slowest: the sink (busy 99 %); the network waited', direction(client(0, 1, 99, 0), [], sink(1, 99, 0, 0))],
    [
      'slowest: the target or its network (busy 90 %); the client waited',
      direction(client(0, 10, 90, 0), [], end('target', [10, 90, 0, 0], true)),
    ],
    [
      'slowest: a (busy 80 %) and the sink (busy 60 %); the network waited',
      direction(client(0, 10, 90, 0), [['a', [10, 80, 10, 0]]], sink(40, 60, 0, 0)),
    ],
  ] as const)
    t.equal(verdict(given)?.text, text)
})

t.test('neither of two that share the load needs half of the time', async t => {
  const given = direction(client(0, 0, 30, 70), [['a', [30, 40, 30, 0]]], sink(45, 45, 0, 10))
  t.match(verdict(given), { isThread: false, slowest: [{ name: 'a' }, { name: 'sink' }] })
})

t.test('other work of the process', async t => {
  const given = direction(client(0, 3, 0, 97), [['gzip', [2, 8, 0, 90]]], sink(90, 2, 0, 8))
  t.match(verdict(given), { isThread: true, slowest: [], text: 'slowest: other work of this process; the sink waited' })
})

t.test('nothing', async t => {
  const given = direction(client(0, 0, 100, 0), [], sink(100, 0, 0, 0))
  t.equal(verdict(given)?.text, 'slowest: nothing; the network and the sink waited')
  const young = direction(client(0, 0, 0, 0), [], sink(0, 0, 0, 0))
  t.match(verdict(young), { slowest: [], isThread: false })
  t.equal(verdict({ ...given, bytesIn: 0 }), undefined, 'no byte has come')
})

t.test('without measure there is none', async t => {
  const { source: _, ...given } = direction(client(0, 5, 95, 0), [], sink(99, 1, 0, 0))
  t.equal(verdict(given as DirectionStats), undefined)
})

t.test('the shares are of the life of the direction, or of the time since an earlier snapshot', async t => {
  const before = direction(client(0, 100, 0, 0), [['a', [100, 0, 0, 0]]], sink(100, 0, 0, 0))
  const now = direction(client(0, 110, 90, 0), [['a', [120, 70, 10, 0]]], sink(195, 5, 0, 0))
  t.match(verdict(now)?.slowest, [
    { name: 'client', busy: 0.55, kind: 'source' },
    { name: 'a', busy: 0.35 },
  ])
  t.match(verdict(now, before), {
    slowest: [{ name: 'a', busy: 0.7, waitingForInput: 0.2, kind: 'stage' }],
    parts: [{ name: 'client' }, { name: 'a' }, { name: 'sink' }],
  })
})

t.test('a stage is found again by its name, wherever it stands now', async t => {
  const before = direction(client(0, 100, 0, 0), [['slow', [100, 0, 0, 0]]], sink(100, 0, 0, 0))
  const now = direction(
    client(0, 101, 99, 0),
    [
      ['pass', [100, 0, 0, 0]],
      ['slow', [101, 99, 0, 0]],
    ],
    sink(199, 1, 0, 0),
  )
  t.match(verdict(now, before)?.slowest, [{ name: 'slow', busy: 0.99 }])
})

t.test('a part that works less than half of the time is not slow, if no other comes near it', async t => {
  const given = direction(client(0, 45, 55, 0), [['a', [80, 20, 0, 0]]], sink(90, 10, 0, 0))
  t.match(verdict(given), { slowest: [], isThread: false })
})
