import { once } from 'node:events'
import { connect } from 'node:net'
import t from 'tap'
import { serve } from '../../../lib/serve.js'
import { pipelineOf } from '../../../lib/stats/pipeline.js'
import type { DirectionStats } from '../../../lib/stats/snapshot.js'
import { spec } from '../../../transforms/spec.js'
import { client, direction, type Shares, sink } from './directions.js'

interface Given {
  bytes?: number
  source?: Shares
  stages?: readonly (readonly [name: string, shares: Shares])[]
  sink?: Shares
  isMeasured?: boolean
}

/** A connection in which the stages have been given all its bytes. */
function connection(number: number, { bytes = 0, stages = [], isMeasured = true, ...ends }: Given = {}) {
  const whole = direction(client(...(ends.source ?? [0, 0, 0, 0])), stages, sink(...(ends.sink ?? [0, 0, 0, 0])))
  const { source, sink: end, segments, ...rest } = whole
  const counted = segments.map(segment => ({
    ...segment,
    runs: segment.runs.map(run => ({ ...run, bytesIn: bytes, bytesOut: bytes / 2 })),
  }))
  const measured = isMeasured && source && end ? { source, sink: end } : {}
  const forward: DirectionStats = { ...rest, bytesIn: bytes, bytesOut: bytes / 2, ...measured, segments: counted }
  return { number, directions: [forward] }
}

/** The same connection, with stages that have been removed. */
function withRemoved(given: ReturnType<typeof connection>): ReturnType<typeof connection> {
  const [forward] = given.directions as [DirectionStats]
  const segments = forward.segments.map(each => ({ ...each, name: 'gone', runs: each.runs.map(gone) }))
  return { ...given, directions: [{ ...forward, segments: [...segments, ...forward.segments] }] }
}

function gone(run: DirectionStats['segments'][number]['runs'][number]) {
  return { ...run, over: true, removed: true } as const
}

t.test('shares and rates are added up over connections', async t => {
  const stages = (shares: Shares) => ({ stages: [['gzip', shares]] }) as const
  const before = [
    connection(1, { bytes: 1000, source: [0, 100, 0, 0], ...stages([100, 0, 0, 0]), sink: [100, 0, 0, 0] }),
  ]
  const now = [
    connection(1, { bytes: 5000, source: [0, 110, 90, 0], ...stages([110, 90, 0, 0]), sink: [190, 10, 0, 0] }),
    connection(2, { bytes: 2000, source: [0, 20, 80, 0], ...stages([30, 70, 0, 0]), sink: [90, 10, 0, 0] }),
  ]
  t.same(pipelineOf('forward', now, before, 2000), {
    verdict: 'slowest: gzip (busy 80 %); the network and the sink waited',
    slowest: [1],
    isThread: false,
    bytesIn: 3000,
    bytesOut: 1500,
    parts: [
      {
        ...{ kind: 'source', name: 'client', isNetwork: true, segment: null },
        ...{ waitingForInput: 0, busy: 0.15, waitingForOutput: 0.85, waitingForThread: 0, ended: 0 },
        ...{ bytesIn: null, bytesOut: 3000, recordsIn: null, recordsOut: null },
        total: { bytesIn: null, bytesOut: 7000, recordsIn: null, recordsOut: null },
      },
      {
        ...{ kind: 'stage', name: 'gzip', isNetwork: false, segment: 'transforms' },
        ...{ waitingForInput: 0.2, busy: 0.8, waitingForOutput: 0, waitingForThread: 0, ended: 0 },
        ...{ bytesIn: 3000, bytesOut: 1500, recordsIn: null, recordsOut: null },
        total: { bytesIn: 7000, bytesOut: 3500, recordsIn: null, recordsOut: null },
      },
      {
        ...{ kind: 'sink', name: 'sink', isNetwork: false, segment: null },
        ...{ waitingForInput: 0.9, busy: 0.1, waitingForOutput: 0, waitingForThread: 0, ended: 0 },
        ...{ bytesIn: 1500, bytesOut: null, recordsIn: null, recordsOut: null },
        total: { bytesIn: 3500, bytesOut: null, recordsIn: null, recordsOut: null },
      },
    ],
  })
  t.match(
    pipelineOf('forward', now, undefined, 0),
    { bytesIn: 0, parts: [{ bytesOut: 0 }, {}, {}] },
    'no time has passed',
  )
})

t.test('one that has ended is left out', async t => {
  const ended = connection(1, { bytes: 1e6, source: [0, 0, 100, 0], sink: [0, 100, 0, 0] })
  const open = connection(2, { bytes: 500, source: [0, 90, 10, 0], sink: [90, 10, 0, 0] })
  t.match(pipelineOf('forward', [open], [ended], 1000), {
    bytesIn: 500,
    verdict: 'slowest: the client or its network (busy 90 %); the sink waited',
  })
})

t.test('connections that are not measured have stages, and no verdict', async t => {
  const given = { bytes: 1000, stages: [['gzip', [5, 95, 0, 0]]], isMeasured: false } as const
  const unmeasured = pipelineOf('forward', [connection(1, given)], undefined, 1000)
  t.match(unmeasured, { slowest: [], bytesIn: 1000, parts: [{ kind: 'stage', name: 'gzip', busy: 0.95 }] })
  t.match(unmeasured?.parts, { length: 1 })
  t.equal(unmeasured?.verdict, undefined)

  const measured = connection(2, {
    ...given,
    isMeasured: true,
    source: [0, 98, 2, 0],
    stages: [['gzip', [98, 2, 0, 0]]],
    sink: [98, 2, 0, 0],
  })
  t.match(
    pipelineOf('forward', [connection(1, given), measured, connection(3, given)], undefined, 1000),
    {
      bytesIn: 3000,
      slowest: [0],
      parts: [{ name: 'client', isNetwork: true }, { name: 'gzip', busy: 0.02, bytesIn: 3000 }, { name: 'sink' }],
    },
    'the times are those of the ones that are',
  )
})

t.test('an end that was not measured before counts since it is', async t => {
  const before = [connection(1, { bytes: 10, isMeasured: false })]
  const now = [connection(1, { bytes: 10, source: [0, 100, 0, 0], sink: [100, 0, 0, 0] })]
  t.match(pipelineOf('forward', now, before, 100)?.parts, [
    { busy: 0, waitingForInput: 1 }, // it is idle
    { waitingForInput: 1 },
  ])
})

t.test('connections in which nothing happens do not hide what the others wait for', async t => {
  const idle = (number: number, age: number) =>
    connection(number, { bytes: 10, source: [0, age, 0, 0], sink: [age, 0, 0, 0] })
  const bulk = (bytes: number, age: number) => connection(9, { bytes, source: [0, 0, age, 0], sink: [0, age, 0, 0] })
  const before = [idle(1, 100), idle(2, 100), bulk(1000, 100)]
  const verdictOf = (now: Parameters<typeof pipelineOf>[1]) => pipelineOf('forward', now, before, 100)?.verdict
  t.equal(
    verdictOf([idle(1, 200), bulk(2000, 200), idle(2, 200)]),
    'slowest: the sink (busy 100 %); the network waited',
  )
  t.equal(
    verdictOf([idle(1, 200), bulk(1000, 200), idle(2, 200)]),
    'slowest: the sink (busy 100 %); the network waited',
    'a sink that takes nothing is at work',
  )
  t.equal(verdictOf([idle(1, 200), idle(2, 200)]), 'idle: the client sends nothing')
})

t.test('if the parts differ, those with the most bytes are taken', async t => {
  const with3 = (name: string, bytes: number) => connection(bytes, { bytes, stages: [[name, [1, 1, 1, 0]]] })
  const given = [with3('a', 100), with3('b', 70), with3('a', 101), with3('b', 140), connection(5, { bytes: 200 })]
  t.match(pipelineOf('forward', given, undefined, 1000), { bytesIn: 210, parts: [{}, { name: 'b' }, {}] })
  t.match(
    pipelineOf('forward', given, given, 1000),
    { bytesIn: 0, parts: [{}, { name: 'b' }, {}] },
    'by those so far, if nothing moves',
  )
  const twice = [
    connection(1, {
      bytes: 9,
      stages: [
        ['a', [1, 1, 1, 0]],
        ['a', [1, 1, 1, 0]],
      ],
    }),
    with3('a', 8),
  ]
  t.match(pipelineOf('forward', twice, undefined, 1000)?.parts, { length: 4 })
})

t.test('stages that have been removed are left out; those in their place count since they stand there', async t => {
  const before = connection(1, {
    bytes: 100,
    stages: [['a', [100, 0, 0, 0]]],
    source: [0, 100, 0, 0],
    sink: [100, 0, 0, 0],
  })
  const now = withRemoved(
    connection(1, { bytes: 300, stages: [['b', [20, 30, 0, 0]]], source: [0, 200, 0, 0], sink: [200, 0, 0, 0] }),
  )
  const found = pipelineOf('forward', [now], [before], 100)
  t.match(found?.parts, [
    { busy: 1 },
    { name: 'b', segment: 'transforms', busy: 0.3, ended: 0.5 },
    { waitingForInput: 1 },
  ])
  t.match(found?.parts, { length: 3 })
  t.match(pipelineOf('forward', [now], undefined, 100)?.parts, { length: 3 })
})

t.test('without connections, bytes and stages there is none', async t => {
  t.equal(pipelineOf('forward', [], [], 1000), undefined)
  t.equal(pipelineOf('forward', [connection(1)], undefined, 1000), undefined)
  t.equal(pipelineOf('reply', [connection(1, { bytes: 5 })], undefined, 1000), undefined, 'not in this direction')
  const silent = pipelineOf('forward', [connection(1, { stages: [['a', [1, 0, 0, 0]]] })], undefined, 1000)
  t.match(silent?.parts, [{}, { name: 'a' }, {}])
  t.equal(silent?.verdict, undefined, 'no byte has come')
})

t.test('other work of the process', async t => {
  const given = connection(1, { bytes: 1, source: [0, 3, 0, 97], sink: [90, 2, 0, 8] })
  t.match(pipelineOf('forward', [given], undefined, 1000), { isThread: true, slowest: [] })
})

t.test('of a server whose stages change while it runs', async t => {
  const server = await serve({ port: 0, reply: true, measure: true, transforms: spec('slice 1k') })
  t.teardown(() => server.close({ drain: 0 }))
  const clients = [0, 1].map(() => connect(server.address.port))
  t.teardown(() => clients.forEach(client => void client.destroy()))
  let before: ReturnType<typeof server.stats> | undefined

  /** The pipeline after each client has sent this and has got it back. */
  async function after(text: string) {
    const answers = Promise.all(clients.map(client => once(client, 'data')))
    for (const client of clients) client.write(text)
    await answers
    const now = server.stats()
    const pipeline = pipelineOf('forward', now.connections, before?.connections, 1000)
    before = now
    return pipeline
  }

  const named = (...names: string[]) => names.map(name => ({ name, segment: 'transforms' }))
  t.match(await after('one'), { bytesIn: 6, parts: [{ name: 'client' }, ...named('slice'), {}] })
  await server.forward.set('transforms', spec('slice 1k | buffer 1k'))
  const changed = await after('four')
  t.match(changed, { bytesIn: 8, verdict: /^slowest: /, parts: [{}, { bytesIn: 8 }, ...named('buffer'), {}] })
  for (const part of changed?.parts ?? []) {
    const { waitingForInput, busy, waitingForOutput, waitingForThread, ended } = part
    const sum = waitingForInput + busy + waitingForOutput + waitingForThread + ended
    t.ok(Math.abs(sum - 1) < 1e-9, `${part.name}: ${sum}`)
  }
  await server.forward.remove('transforms')
  t.match(await after('five'), { bytesIn: 8, parts: [{ kind: 'source' }, { kind: 'sink' }] })
})
