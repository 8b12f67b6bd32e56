import t from 'tap'
import type { Snapshot } from '../../../cli/top/client.js'
import { figuresOf } from '../../../cli/top/figures.js'
import { formatAge, frameOf, textOf } from '../../../cli/top/frame.js'
import { firstView } from '../../../cli/top/view.js'
import { widthOf } from '../../../cli/wrap.js'
import type { ConnectionStats, RunStats } from '../../../lib/index.js'

const look = { color: false, unicode: true, columns: 80 }

interface Times {
  in?: number
  busy?: number
  out?: number
}

function runOf(name: string, bytes: number, records: number, { in: input = 0, busy = 0, out = 0 }: Times): RunStats {
  const times = { waitingForInput: input, busy, waitingForOutput: out, waitingForThread: 0 }
  const stage = { name, recordsIn: records, recordsOut: records, ...times }
  return { bytesIn: bytes, bytesOut: bytes, ...times, stopped: false, over: false, stages: [stage] }
}

function connectionOf(number: number, age: number, bytes: number, runs: RunStats[], more = {}): ConnectionStats {
  const ends = { bytesIn: bytes, bytesOut: 0 }
  const forward = { direction: 'forward', ...ends, segments: [{ name: 'transforms', ...ends, runs }] } as const
  return {
    id: `id${number}`,
    number,
    remote: '127.0.0.1',
    port: 4000 + number,
    age,
    ...ends,
    directions: [forward],
    ...more,
  }
}

function snapshot(age: number, connections: ConnectionStats[], more = {}): Snapshot {
  const closed = { peer: 0, local: 0, reset: 0, timeout: 0, limit: 0, signal: 0, error: 0 }
  const refused = { access: 1, maxConnections: 2, maxPerIp: 0, proxyProtocol: 0 }
  return {
    ...{
      name: 'serve',
      pid: 7,
      address: '127.0.0.1:3099',
      command: 'tcp-pipe serve',
      age,
      accepted: 9,
      closed,
      failed: 4,
    },
    ...{
      refused,
      handshakeFailures: 0,
      bytesIn: connections.reduce((sum, each) => sum + each.bytesIn, 0),
      bytesOut: 0,
      durations: { buckets: [], count: 0, sum: 0 },
      stages: [],
    },
    ...{ connections, ...more },
  }
}

t.test('rates and shares are those since the snapshot before, or since the start', async t => {
  const first = snapshot(1000, [connectionOf(1, 1000, 1000, [runOf('a', 1000, 10, { in: 1000 })])])
  const one = figuresOf(first)
  t.match(one, { open: 1, refused: 3, rateIn: 1000, connections: [{ remote: '127.0.0.1:4001', rateIn: 1000 }] })
  t.match(one.connections[0]?.directions()[0]?.rows[1], { name: 'a', unit: 'records', amount: 10, rate: 10 })
  t.same(one.connections[0]?.directions()[0]?.rows[1]?.shares, [1, 0, 0, 0])
  const next = snapshot(3000, [
    connectionOf(1, 3000, 2000, [runOf('a', 2000, 30, { in: 1500, busy: 500, out: 1000 })]),
    connectionOf(2, 100, 500, [runOf('b', 500, 0, {})]),
  ])
  const two = figuresOf(next, first)
  t.equal(two.rateIn, 750)
  t.same(
    two.connections.map(each => [each.number, each.rateIn]),
    [
      [2, 5000],
      [1, 500],
    ],
    'the fastest first',
  )
  t.same(two.connections[1]?.directions()[0]?.rows[1]?.shares, [0.25, 0.25, 0, 0.5])
  t.match(two.connections[0]?.directions()[0]?.rows[1], { unit: 'bytes', amount: 500, rate: 5000, shares: undefined })
})

t.test('the ends of a proxy are named', async t => {
  const target = { to: 'db:5432', bytesIn: 0, bytesOut: 0 }
  const both = connectionOf(1, 1, 1, [], { target })
  const reply = { ...both.directions[0], direction: 'reply' }
  const { connections } = figuresOf(
    snapshot(1, [{ ...both, directions: [...both.directions, reply] } as ConnectionStats]),
  )
  const [there, back] = connections.flatMap(each => each.directions())
  t.match(there?.rows, [{ name: '127.0.0.1:4001' }, { name: 'db:5432' }])
  t.match(back?.rows, [{ name: 'db:5432' }, { name: '127.0.0.1:4001' }])
})

t.test('a frame', async t => {
  const runs = [runOf('throttle', 1e6, 1234, { busy: 900, out: 100 }), runOf('gzip', 1e6, 0, { in: 1000 })]
  const figures = figuresOf(snapshot(65_000, [connectionOf(1, 1000, 1e6, runs)]))
  t.same(frameOf(figures, firstView, { look, columns: 80, rows: 23 }), [
    '127.0.0.1:3099  tcp-pipe serve',
    'pid 7 · up 1m5s · 1 open · 9 accepted · 4 failed · 3 refused · in 15.0 KiB/s',
    'out 0 B/s',
    '',
    '      # remote               age         in        out         in/s        out/s',
    '>     1 127.0.0.1:4001        1s  976.6 KiB        0 B  976.6 KiB/s        0 B/s',
    '',
    'forward: 127.0.0.1:4001 → throttle → gzip → sink',
    '    127.0.0.1:4001          976.6 KiB  976.6 KiB/s',
    '    throttle                 1.2k rec   1.2k rec/s ██████████████████████████▒▒▒',
    '    gzip                    976.6 KiB  976.6 KiB/s ░░░░░░░░░░░░░░░░░░░░░░░░░░░░░',
    '    sink                          0 B        0 B/s',
    '',
    '  ░ waits for input  █ busy  ▒ waits for output',
    'arrows select · Enter opens · k close · r reset · q quit',
  ])
})

t.test('no frame is wider or higher than its place, whatever the names are', async t => {
  const names = ['a'.repeat(300), '日本語'.repeat(40), '\x1b[2J\u202e\n', '👩‍👩‍👧'.repeat(30), '']
  const connections = names.map((name, i) =>
    connectionOf(i + 1, 1e9, 1e15, [runOf(name, 1e15, i % 2 ? 1e15 : 0, { in: 1, busy: 1, out: 1 })], { remote: name }),
  )
  const figures = figuresOf(snapshot(1e10, connections, { address: names[1], command: names[2] }))
  for (const unicode of [true, false])
    for (const columns of [24, 38, 50, 66, 80, 100, 200])
      for (const rows of [1, 3, 5, 10, 23, 60])
        for (const isOpen of [false, true])
          for (const selected of [undefined, 2, 5]) {
            const view = { ...firstView, isOpen, selected }
            const frame = frameOf(figures, view, { look: { ...look, unicode }, columns, rows })
            if (frame.length > rows) t.fail(`${frame.length} of ${rows} rows`)
            const wide = frame.filter(line => widthOf(line) > columns)
            if (wide.length > 0) t.fail(`${columns} columns: ${wide}`)
            if (frame.some(line => /\p{Cc}|\u202e/u.test(line))) t.fail('a control character')
          }
})

t.test('the selected connection is always in sight', async t => {
  const connections = Array.from({ length: 200 }, (_, i) => connectionOf(i + 1, 1000, 0, []))
  const figures = figuresOf(snapshot(1000, connections))
  for (const rows of [10, 23, 50])
    for (const selected of [1, 2, 50, 199, 200]) {
      const frame = frameOf(figures, { ...firstView, selected }, { look, columns: 80, rows })
      t.ok(
        frame.some(line => line.startsWith('> ') && line.includes(` ${selected} 127`)),
        `${selected} of ${rows} rows`,
      )
      t.equal(frame.length, rows)
    }
})

t.test('as text it has every connection, and no keys', async t => {
  const connections = Array.from({ length: 200 }, (_, i) => connectionOf(i + 1, 1000, 0, []))
  const text = textOf(figuresOf(snapshot(1000, connections)), firstView, { look, columns: 100 })
  t.equal(text.match(/^..\s*\d+ 127/gm)?.length, 200)
  t.notMatch(text, 'quit')
  t.match(textOf(figuresOf(snapshot(1000, [])), firstView, { look, columns: 100 }), /no connection is open\n$/)
})

t.test('ages are whole seconds', async t => {
  for (const [age, text] of [
    [0, '0s'],
    [999, '0s'],
    [61_500, '1m1s'],
    [3_600_000, '1h0m'],
  ] as const)
    t.equal(formatAge(age), text)
})
