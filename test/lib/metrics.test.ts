import { PassThrough } from 'node:stream'
import t from 'tap'
import { metrics, serve, stop } from '../../lib/index.js'
import { eachLine } from '../../lib/stages/stage.js'
import { fakeServer } from './fake-server.js'
import { clientOf, outcome, until } from './network.js'

/** The values by name and labels, as they stand in the text. */
async function valuesOf(source: { text(): Promise<string> }): Promise<Record<string, number>> {
  const lines = (await source.text()).split('\n').filter(line => line !== '' && !line.startsWith('#'))
  return Object.fromEntries(lines.map(line => [line.slice(0, line.lastIndexOf(' ')), Number(line.split(' ').at(-1))]))
}

t.test('it is text of Prometheus', async t => {
  const { contentType, text } = metrics(fakeServer())
  t.equal(contentType, 'text/plain; version=0.0.4; charset=utf-8')
  const lines = (await text()).split('\n')
  t.equal(lines.pop(), '')
  for (const line of lines) t.match(line, /^(# (HELP|TYPE) tcp_pipe_[a-z_]+ .+|tcp_pipe_[a-z_]+(\{.*\})? [\d.e+-]+)$/)
})

t.test('the figures of connections', async t => {
  const server = fakeServer()
  const closed = { peer: 1, local: 2, reset: 3, timeout: 4, limit: 5, signal: 6, error: 7 }
  server.set({
    closed,
    refused: { access: 8, maxConnections: 9, maxPerIp: 10, proxyProtocol: 11 },
    bytesIn: 11,
    bytesOut: 12,
  })
  server.set({ accepted: 13, failed: 14, handshakeFailures: 15, connections: [{}, {}] as never })
  t.match(await valuesOf(metrics(server)), {
    tcp_pipe_connections_open: 2,
    tcp_pipe_connections_accepted_total: 13,
    'tcp_pipe_connections_refused_total{reason="access"}': 8,
    'tcp_pipe_connections_refused_total{reason="maxPerIp"}': 10,
    'tcp_pipe_connections_refused_total{reason="proxyProtocol"}': 11,
    'tcp_pipe_connections_closed_total{reason="peer"}': 1,
    'tcp_pipe_connections_closed_total{reason="error"}': 7,
    tcp_pipe_connections_failed_total: 14,
    tcp_pipe_tls_handshake_failures_total: 15,
    'tcp_pipe_bytes_total{direction="in"}': 11,
    'tcp_pipe_bytes_total{direction="out"}': 12,
  })
})

t.test('durations are a histogram in seconds', async t => {
  const server = fakeServer()
  server.set({ durations: { buckets: [{ upTo: 50, count: 1 }], count: 3, sum: 2500 } })
  t.match(await valuesOf(metrics(server)), {
    'tcp_pipe_connection_duration_seconds_bucket{le="0.05"}': 1,
    'tcp_pipe_connection_duration_seconds_bucket{le="+Inf"}': 3,
    tcp_pipe_connection_duration_seconds_sum: 2.5,
    tcp_pipe_connection_duration_seconds_count: 3,
  })
})

t.test('stages, whatever they are called', async t => {
  const server = fakeServer()
  const figures = { recordsIn: 1, recordsOut: 2, bytesIn: 3, bytesOut: 4 }
  const times = { waitingForInput: 1500, busy: 250, waitingForOutput: 0, waitingForThread: 40 }
  server.set({ stages: [{ name: './a"\n.js', direction: 'reply', ...figures, ...times }] })
  const labels = 'stage="./a\\"\\n.js",direction="reply"'
  t.match(await valuesOf(metrics(server)), {
    [`tcp_pipe_stage_seconds_total{${labels},state="input"}`]: 1.5,
    [`tcp_pipe_stage_seconds_total{${labels},state="busy"}`]: 0.25,
    [`tcp_pipe_stage_seconds_total{${labels},state="output"}`]: 0,
    [`tcp_pipe_stage_bytes_total{${labels},flow="in"}`]: 3,
    [`tcp_pipe_stage_bytes_total{${labels},flow="out"}`]: 4,
    [`tcp_pipe_stage_records_total{${labels},flow="in"}`]: 1,
    [`tcp_pipe_stage_records_total{${labels},flow="out"}`]: 2,
  })
})

t.test('a counter never decreases, a gauge does', async t => {
  const server = fakeServer()
  const source = metrics(server)
  const read = async () => {
    const { tcp_pipe_connections_failed_total: failed, tcp_pipe_connections_open: open } = await valuesOf(source)
    return [failed, open]
  }
  server.set({ failed: 5, connections: [{}] as never })
  t.same(await read(), [5, 1])
  server.set({ failed: 4, connections: [] })
  t.same(await read(), [5, 0])
  server.set({ failed: 6 })
  t.same(await read(), [6, 0])
})

t.test('the numbers are those of a server, while connections run and after them', async t => {
  const transforms = () => [eachLine((line: string) => (line === 'end' ? stop : line.toUpperCase()))]
  const server = await serve({ port: 0, to: () => new PassThrough().resume(), transforms })
  t.teardown(() => server.close({ drain: 0 }))
  const source = metrics(server)
  const client = clientOf(t, { port: server.address.port })
  client.write('one\ntwo\n')
  await until(() => server.stats().stages[0]?.recordsIn === 2)
  const name = server.stats().stages[0]?.name
  const records = `tcp_pipe_stage_records_total{stage="${name}",direction="forward",flow="in"}`
  t.match(await valuesOf(source), {
    tcp_pipe_connections_open: 1,
    tcp_pipe_connections_accepted_total: 1,
    'tcp_pipe_bytes_total{direction="in"}': 8,
    [records]: 2,
    tcp_pipe_connection_duration_seconds_count: 0,
  })
  client.end('three\n')
  await outcome(client)
  await until(() => server.connections.size === 0)
  t.match(await valuesOf(source), {
    tcp_pipe_connections_open: 0,
    tcp_pipe_connections_accepted_total: 1,
    'tcp_pipe_connections_closed_total{reason="peer"}': 1,
    'tcp_pipe_bytes_total{direction="in"}': 14,
    [records]: 3,
    tcp_pipe_connection_duration_seconds_count: 1,
  })
})

t.test('what further sinks have not taken in time', async t => {
  const server = fakeServer()
  server.set({ also: [{ to: 'there:1', dropped: 3, spooled: 0 }] })
  t.match(await valuesOf(metrics(server)), {
    'tcp_pipe_also_dropped_bytes_total{to="there:1"}': 3,
    'tcp_pipe_also_spooled_bytes_total{to="there:1"}': 0,
  })
})

t.test('figures that come from elsewhere are brought up to date', async t => {
  const server = fakeServer()
  const refresh = async () => server.set({ accepted: 7 })
  t.equal((await valuesOf(metrics({ ...server, refresh }))).tcp_pipe_connections_accepted_total, 7)
})
