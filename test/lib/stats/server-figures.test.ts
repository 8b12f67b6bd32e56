import { PassThrough, Readable } from 'node:stream'
import t, { type Test } from 'tap'
import { proxy, send, serve } from '../../../lib/index.js'
import type { ServeOptions } from '../../../lib/serve.js'
import { eachLine } from '../../../lib/stages/stage.js'
import { serverFigures } from '../../../lib/stats/server-figures.js'
import type { ClosedBy, ConnectionStats, Reason } from '../../../lib/stats/snapshot.js'
import type { Summary } from '../../../lib/stats/summary.js'
import { delay } from '../../../transforms/delay.js'
import { fakeClock } from '../clock.js'
import { clientOf, memorySink, outcome, received, until } from '../network.js'
import { stoppedClock, turns } from './stopped-clock.js'

function summaryOf(closedBy: ClosedBy, more: Partial<Summary> = {}): Summary {
  const identity = { id: 'c1', number: 1, remote: '::1', port: 1 }
  return { ...identity, bytesIn: 0, bytesOut: 0, duration: 0, closedBy, warnings: [], directions: [], ...more }
}

const open = (bytesIn: number, bytesOut: number) =>
  ({ bytesIn, bytesOut, directions: [] }) as unknown as ConnectionStats

t.test('everything is there from the beginning, and 0', async t => {
  const clock = stoppedClock(t)
  const figures = serverFigures()
  clock.pass(7)
  const { durations, ...stats } = figures.stats([])
  t.match(durations, { count: 0, sum: 0 })
  t.strictSame(stats, {
    age: 7,
    accepted: 0,
    closed: { peer: 0, local: 0, reset: 0, timeout: 0, limit: 0, signal: 0, error: 0 },
    failed: 0,
    refused: { access: 0, maxConnections: 0, maxPerIp: 0, proxyProtocol: 0 },
    handshakeFailures: 0,
    bytesIn: 0,
    bytesOut: 0,
    stages: [],
    connections: [],
  })
})

t.test('the stages and the durations of ended connections are kept', async t => {
  const figures = serverFigures()
  const times = { waitingForInput: 1, busy: 2, waitingForOutput: 3, waitingForThread: 0 }
  const stages = [{ name: 'hex', recordsIn: 4, recordsOut: 5, ...times }]
  const runs = [{ bytesIn: 6, bytesOut: 7, ...times, stopped: false, over: true, stages }]
  const directions = [
    {
      direction: 'forward' as const,
      bytesIn: 6,
      bytesOut: 7,
      segments: [{ name: 'main', bytesIn: 6, bytesOut: 7, runs }],
    },
  ]
  figures.closed(summaryOf('peer', { directions, duration: 80 }))
  const { durations, stages: totals } = figures.stats([{ ...open(0, 0), directions }])
  t.match(durations, { count: 1, sum: 80 })
  t.match(totals, [{ name: 'hex', direction: 'forward', busy: 4, recordsIn: 8, bytesOut: 14 }])
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

/** A server by TCP, on a port of the system's choice. */
async function served(t: Test, options: ServeOptions) {
  const server = await serve({ port: 0, to: () => memorySink(), ...options })
  t.teardown(() => server.close({ drain: 0 }))
  return { server, connect: () => clientOf(t, { port: server.address.port }) }
}

t.test('refusals by reason are what clients have seen', async t => {
  for (const [options, reason, accepted] of [
    [{ deny: ['127.0.0.1'] }, 'access', 0],
    [{ maxConnections: 2 }, 'maxConnections', 2],
    [{ maxPerIp: 1 }, 'maxPerIp', 1],
  ] as [ServeOptions, Reason, number][]) {
    const heard: string[] = []
    const observer = { refused: (event: { reason: string }) => void heard.push(event.reason) }
    const { server, connect } = await served(t, { ...options, observer })
    const clients = Array.from({ length: 5 }, connect)
    const seen = Promise.all(clients.map(client => outcome(client)))
    await until(() => heard.length === 5 - accepted)
    t.match(server.stats(), { accepted, refused: { [reason]: 5 - accepted } }, reason)
    await until(() => clients.filter(client => client.closed).length === 5 - accepted)
    for (const client of clients) client.end()
    const refused = (await seen).filter(({ code, ended }) => code === 'ECONNRESET' && !ended)
    t.equal(refused.length, 5 - accepted, reason)
    t.same([...new Set(heard)], [reason])
  }
})

t.test('a client that is turned away within the process has seen a reset, too', async t => {
  const server = await serve({ listen: 'memory:refusals', maxConnections: 1, to: () => memorySink() })
  t.teardown(() => server.close({ drain: 0 }))
  const source = new PassThrough()
  const first = send({ to: 'memory:refusals', from: source, output: memorySink() })
  await turns()
  await t.rejects(send({ to: 'memory:refusals', from: Readable.from([]), output: memorySink() }), {
    code: 'ECONNRESET',
  })
  t.match(server.stats(), { accepted: 1, refused: { maxConnections: 1 } })
  source.end()
  await first
})

t.test('the sums of closed and open connections are the bytes that have passed', async t => {
  const { server, connect } = await served(t, { to: undefined, reply: true })
  const sizes = [1, 1000, 70_000, 300_000, 12_345]
  const clients = sizes.map(size => {
    const client = connect()
    let received = 0
    client.on('data', chunk => {
      received += chunk.length
    })
    client.write(Buffer.alloc(size))
    return { client, size, received: () => received }
  })
  await until(() => clients.every(({ size, received }) => received() === size))
  const total = sizes.reduce((sum, size) => sum + size, 0)
  for (let left = clients.length; left >= 0; left--) {
    await until(() => server.connections.size === left)
    const stats = server.stats()
    t.match(stats, { accepted: 5, bytesIn: total, bytesOut: total, closed: { peer: 5 - left }, failed: 0 })
    t.equal(stats.connections.length, left)
    for (const { bytesIn, bytesOut, directions } of stats.connections)
      t.match(directions, [{ bytesIn, bytesOut: bytesIn, direction: 'forward' }], `${bytesOut}`)
    t.strictSame(JSON.parse(JSON.stringify(stats)), stats, 'it is plain JSON')
    clients[left - 1]?.client.end()
  }
})

t.test('a summary has the bytes and the segments of each direction', async t => {
  const summaries: Summary[] = []
  const target = await served(t, { to: undefined, reply: true })
  const server = await proxy({
    port: 0,
    to: { host: '127.0.0.1', port: target.server.address.port },
    replyTransforms: () => (chunk: Buffer) => Buffer.concat([chunk, chunk]),
    observer: { closed: summary => void summaries.push(summary) },
  })
  t.teardown(() => server.close({ drain: 0 }))
  const client = clientOf(t, { port: server.address.port })
  client.end('hello')
  t.equal(await received(client), 'hellohello')
  await until(() => summaries.length === 1)
  const [summary] = summaries
  t.match(summary, {
    bytesIn: 5,
    bytesOut: 10,
    target: { bytesIn: 5, bytesOut: 5 },
    directions: [
      { direction: 'forward', bytesIn: 5, bytesOut: 5, segments: [] },
      { direction: 'reply', bytesIn: 5, bytesOut: 10, segments: [{ name: 'transforms', bytesIn: 5, bytesOut: 10 }] },
    ],
  })
  t.strictSame(JSON.parse(JSON.stringify(summary?.directions)), summary?.directions)
})

t.test('the times of all runs and stages sum to their age, through all that a connection does', async t => {
  const clock = fakeClock(t)
  const started = clock.now
  const summaries: Summary[] = []
  const server = await serve({
    listen: 'memory:times',
    transforms: () => [
      eachLine(line => {
        clock.now += 2
        return line
      }),
      delay({ latency: 20 }),
      (chunk: Buffer) => {
        clock.now += 3
        return chunk
      },
    ],
    from: () => Readable.from([Buffer.from('x')]),
    replyTransforms: () => async (chunk: Buffer) => {
      clock.now += 5
      return chunk
    },
    to: () => memorySink(),
    observer: { closed: summary => void summaries.push(summary) },
  })
  t.teardown(() => server.close({ drain: 0 }))
  const source = new PassThrough()
  const sent = send({ to: 'memory:times', from: source, output: memorySink() })
  await turns()
  for (let i = 0; i < 5; i++) {
    source.write('a\nb\n')
    await turns()
    clock.now += 100
  }
  for (const { age, directions } of server.stats().connections) {
    for (const run of directions.flatMap(({ segments }) => segments.flatMap(({ runs }) => runs))) {
      const sum = run.waitingForInput + run.busy + run.waitingForOutput + run.waitingForThread
      t.ok(sum > 0 && sum <= age && age <= clock.now - started)
      for (const stage of run.stages)
        t.equal(stage.waitingForInput + stage.busy + stage.waitingForOutput + stage.waitingForThread, sum, stage.name)
    }
  }
  source.end()
  await sent
  while (summaries.length === 0) await turns(1)
  const [forward, reply] = (summaries[0]?.directions ?? []).map(({ segments }) => segments[0]?.runs ?? [])
  t.match(forward?.[0]?.stages, [{ name: 'stage 1', busy: 20, recordsIn: 10 }])
  t.match(forward?.[2]?.stages, [{ busy: 15, recordsIn: 5 }])
  const ages = forward?.map(run => run.waitingForInput + run.busy + run.waitingForOutput + run.waitingForThread) ?? []
  t.ok((ages[1] as number) >= (ages[0] as number) + 20, 'the delay has ended later')
  t.match(reply, [{ busy: 5, stages: [{ busy: 5, waitingForOutput: 0 }] }])
})
