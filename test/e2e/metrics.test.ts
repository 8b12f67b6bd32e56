import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { read } from '../project/support.js'
import {
  bounded,
  closed,
  dial,
  eventually,
  exchange,
  freePort,
  launch,
  listen,
  missing,
  type Process,
  proxy,
  run,
  serve,
  shortDirectory,
  tcpPipe,
} from './support.js'

interface Reply {
  status: number | undefined
  headers: Record<string, unknown>
  body: string
}

/** What the program answers where it has logged that its metrics are. */
async function ask(process: Process, path = '/metrics', method = 'GET'): Promise<Reply> {
  const { address, family, port } = await process.logged('metrics')
  const where = family === 'unix' ? { socketPath: String(address) } : { host: String(address), port: Number(port) }
  const asked = request({ ...where, path, method, agent: false }).end()
  const [response] = await bounded(once(asked, 'response'), path)
  return { status: response.statusCode, headers: response.headers, body: await text(response) }
}

/** The value of a metric with these labels. */
async function figure(process: Process, metric: string): Promise<number | undefined> {
  const { body } = await ask(process)
  const line = body.split('\n').find(each => each.startsWith(`${metric} `))
  return line === undefined ? undefined : Number(line.slice(metric.length))
}

async function reaches(process: Process, metric: string, value: number): Promise<void> {
  await eventually(`${metric} ${value}`, async () => (await figure(process, metric)) === value)
}

const metrics = ['--metrics', '0']

t.test('the figures count while a connection runs, and stay after it', async t => {
  const server = await serve(t, ['0', '--reply', '-t', 'grep x', ...metrics])
  t.match(await server.logged('metrics'), { address: '127.0.0.1', family: 'IPv4', port: Number, level: 30 })
  const client = await dial(t, server.port)
  client.resume()
  client.write('x\ny\n')
  const records = 'tcp_pipe_stage_records_total{stage="grep",direction="forward"'
  await reaches(server, `${records},flow="in"}`, 2)
  await reaches(server, 'tcp_pipe_bytes_total{direction="out"}', 2)
  t.equal(await figure(server, 'tcp_pipe_connections_open'), 1)
  t.equal(await figure(server, 'tcp_pipe_connections_accepted_total'), 1)
  t.equal(await figure(server, 'tcp_pipe_bytes_total{direction="in"}'), 4)
  client.end('x\n')
  await closed(client)
  await reaches(server, 'tcp_pipe_connections_open', 0)
  await reaches(server, 'tcp_pipe_connections_closed_total{reason="peer"}', 1)
  t.equal(await figure(server, `${records},flow="in"}`), 3)
  t.equal(await figure(server, `${records},flow="out"}`), 2)
  t.equal(await figure(server, 'tcp_pipe_connection_duration_seconds_count'), 1)
  const seconds = 'tcp_pipe_stage_seconds_total{stage="grep",direction="forward",state='
  for (const state of ['input', 'busy', 'output'])
    t.ok(((await figure(server, `${seconds}"${state}"}`)) as number) >= 0, state)
  for (const name of ['process_cpu_seconds_total', 'process_resident_memory_bytes', 'process_start_time_seconds'])
    t.ok(((await figure(server, name)) as number) > 0, name)
  await eventually('samples of the event loop', async () => {
    return ((await figure(server, 'tcp_pipe_event_loop_delay_seconds_count')) as number) > 0
  })
})

t.test('proxy has them, in both directions', async t => {
  const target = await listen(t, socket => void socket.pipe(socket))
  const link = await proxy(t, ['0', target.to, '-t', 'counter', '-r', 'counter', ...metrics])
  t.equal(String(await exchange(t, link.port, 'hello')), 'hello')
  for (const direction of ['forward', 'reply'])
    await reaches(link, `tcp_pipe_stage_bytes_total{stage="counter",direction="${direction}",flow="in"}`, 5)
})

t.test('refused clients are counted by the reason', async t => {
  const server = await serve(t, ['0', '--deny', '127.0.0.1', ...metrics])
  const client = await dial(t, server.port).catch(() => undefined) // the reset may come before we are connected
  if (client) await closed(client.resume())
  await reaches(server, 'tcp_pipe_connections_refused_total{reason="access"}', 1)
  t.equal(await figure(server, 'tcp_pipe_connections_accepted_total'), 0)
})

t.test('failed handshakes are counted', async t => {
  const server = await serve(t, ['0', '--tls', 'auto', ...metrics])
  const client = await dial(t, server.port)
  client.end('no handshake')
  await closed(client.resume())
  await reaches(server, 'tcp_pipe_tls_handshake_failures_total', 1)
})

t.test('paths and methods', async t => {
  const server = await serve(t, ['0', '--reply', ...metrics])
  const type = 'text/plain; version=0.0.4; charset=utf-8'
  t.match(await ask(server, '/metrics?x=1'), { status: 200, headers: { 'content-type': type }, body: /^# HELP/ })
  t.match(await ask(server, '/healthz'), { status: 200, body: 'alive\n' })
  t.match(await ask(server, '/readyz'), { status: 200, body: 'ready\n' })
  t.match(await ask(server, '/metrics', 'HEAD'), { status: 200, headers: { 'content-type': type }, body: '' })
  for (const path of ['/', '/metrics/', '/constructor', '//', '/x']) t.match(await ask(server, path), { status: 404 })
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS'])
    t.match(await ask(server, '/metrics', method), { status: 405, headers: { allow: 'GET, HEAD' } })
})

/** What comes back on one connection. */
async function spoken(t: Test, server: Process, words: string): Promise<string> {
  const { port } = await server.logged('metrics')
  const socket = await dial(t, Number(port))
  const answer = text(socket)
  socket.write(words)
  return bounded(answer, words.slice(0, 40))
}

t.test('one answer per connection, however many requests come', async t => {
  const server = await serve(t, ['0', ...metrics])
  const answer = await spoken(t, server, 'GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n'.repeat(500))
  t.equal(answer.match(/HTTP\/1\.1/g)?.length, 1)
  t.match(answer, /^HTTP\/1\.1 200 OK\r\n(.+\r\n)*connection: close\r\n/i)
})

t.test('scrapes at the same time get the same figures', async t => {
  const server = await serve(t, ['0', ...metrics])
  await ask(server)
  const bodies = await Promise.all(Array.from({ length: 10 }, async () => (await ask(server)).body))
  t.ok(new Set(bodies).size < 10)
})

t.test('on loopback, no name but localhost is answered', async t => {
  const server = await serve(t, ['0', ...metrics])
  for (const [host, status] of [
    ['127.0.0.1', 200],
    ['127.0.0.1:9464', 200],
    ['10.1.2.3:1', 200],
    ['[::1]:9464', 200],
    ['localhost', 200],
    ['LocalHost:9464', 200],
    ['evil.example', 403],
    ['evil.example:9464', 403],
    ['localhost.evil.example', 403],
    ['127.0.0.1.evil.example', 403],
  ] as const) {
    const answer = await spoken(t, server, `GET /healthz HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
    t.match(answer, `HTTP/1.1 ${status} `, host)
  }
  t.match(await spoken(t, server, 'GET /healthz HTTP/1.0\r\n\r\n'), 'HTTP/1.1 200 ')
  const open = await serve(t, ['0', '--metrics', '0.0.0.0:0'])
  t.match(await spoken(t, open, 'GET /healthz HTTP/1.1\r\nHost: name.example\r\n\r\n'), 'HTTP/1.1 200 ')
})

t.test('silent clients lock out nobody, and are gone after some seconds', async t => {
  const server = await serve(t, ['0', ...metrics])
  const { port } = await server.logged('metrics')
  const silent = []
  for (let i = 0; i < 17; i++) {
    const socket = await dial(t, Number(port))
    socket.resume().once('end', () => socket.end())
    silent.push(socket)
  }
  await bounded(closed(silent[0] as Socket), 'the oldest makes room')
  t.match(await ask(server, '/healthz'), { status: 200 })
  silent[16]?.write('GET /metrics HTTP/1.1\r\n')
  await bounded(Promise.all(silent.map(closed)), 'the others end', 60_000)
})

t.test('while it drains it is alive, and not ready', async t => {
  const server = await serve(t, ['0', '--reply', '--drain-timeout', 'off', ...metrics])
  const client = await dial(t, server.port)
  client.resume()
  await reaches(server, 'tcp_pipe_connections_open', 1)
  server.kill('SIGTERM')
  await server.logged('draining')
  t.match(await ask(server, '/readyz'), { status: 503, body: 'not accepting connections\n' })
  t.match(await ask(server, '/healthz'), { status: 200 })
  t.equal(await figure(server, 'tcp_pipe_connections_open'), 1)
  const scraper = await dial(t, Number((await server.logged('metrics')).port))
  scraper.write('GET /metrics HTTP/1.1\r\n') // what never becomes a request keeps no process alive
  scraper.resume().once('end', () => scraper.end())
  client.end()
  t.match(await server.ended, { code: 0 })
  await closed(scraper)
})

t.test('with --once it is not ready after its first client', async t => {
  const server = await serve(t, ['0', '--reply', '--once', ...metrics])
  const client = await dial(t, server.port)
  await eventually('503', async () => (await ask(server, '/readyz')).status === 503)
  client.end()
  t.match(await server.ended, { code: 0 })
})

t.test('a unix socket, which is removed at the end, whatever that is', async t => {
  const path = join(shortDirectory(t), 's')
  for (const signal of ['SIGTERM', 'SIGQUIT'] as const) {
    const server = await serve(t, ['0', '--reply', '--metrics', `unix:${path}`])
    t.match(await server.logged('metrics'), { address: path, family: 'unix', port: 0 })
    t.match(await ask(server, '/readyz'), { status: 200 })
    server.kill(signal)
    await server.ended
    t.notOk(existsSync(path), signal)
  }
  const starting = tcpPipe(t, ['serve', '0', '--tls', 'auto', '--metrics', `unix:${path}`])
  await starting.logged('metrics')
  starting.kill('SIGTERM') // while it makes its certificate
  await starting.ended
  t.notOk(existsSync(path), 'before it listens')
})

t.test('if the metrics cannot be listened on, nothing is: exit 1', async t => {
  const taken = await listen(t, () => {})
  const port = taken.to.split(':')[1] as string
  const failing = tcpPipe(t, ['serve', '0', '--metrics', port], { faults: ['--metrics: listen EADDRINUSE'] })
  t.match(await failing.ended, { code: 1, logs: [] })
  const path = join(shortDirectory(t), 'file')
  writeFileSync(path, 'not a socket')
  const faults = [`--metrics: 'unix:${path}': the path exists and is not a socket`]
  t.match(await run(t, ['serve', '0', '--metrics', `unix:${path}`], { faults }), { code: 2, logs: [] })
})

t.test('if the server cannot listen, the metrics do not keep the process alive: exit 1', async t => {
  const taken = await listen(t, () => {})
  const faults = ['listen EADDRINUSE']
  t.match(await run(t, ['serve', taken.to, ...metrics], { faults }), { code: 1, logs: [{ msg: 'metrics' }] })
})

t.test('without an address it is 127.0.0.1:9464, and explain shows it', async t => {
  const { stdout } = await run(t, ['explain', 'proxy', '1', '2', '--metrics', '--json'])
  const { settings } = JSON.parse(String(stdout))
  const found = settings.find(({ name }: { name: string }) => name === '--metrics')
  t.match(found, { value: '127.0.0.1:9464', origin: 'line' })
})

/** A stage whose path would end its label and its line. */
const hostile = './hos"tile\n{x="y"} 1.js'

async function hostileServer(t: Test): Promise<Process & { port: number }> {
  const cwd = t.testdir({ [hostile]: 'export default chunk => chunk\n' })
  const words = ['0', '--reply', '-t', `'${hostile}'`, '-t', 'gzip | hex | grep 0', '--tls', 'auto', ...metrics]
  const server = await serve(t, words, { cwd })
  const to = `tls://${server.to}`
  t.match(await run(t, ['send', '--to', to, '--insecure', '-q'], { input: 'hello\n' }), { code: 0 })
  return server
}

t.test('the path of a stage cannot end its label', async t => {
  const server = await hostileServer(t)
  await reaches(
    server,
    'tcp_pipe_stage_bytes_total{stage="./hos\\"tile\\n{x=\\"y\\"} 1.js",direction="forward",flow="in"}',
    6,
  )
})

t.test('promtool finds nothing to say', { skip: missing('promtool') }, async t => {
  const { body } = await ask(await hostileServer(t))
  const { stdout, stderr, status } = spawnSync('promtool', ['check', 'metrics'], { input: body, encoding: 'utf8' })
  t.same([stdout, stderr, status], ['', '', 0])
})

/** The queries of the dashboard, as Grafana sends them. */
function queries(): string[] {
  const { panels } = JSON.parse(read('docs/grafana.json')) as { panels: { targets?: { expr: string }[] }[] }
  const list = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))
  return list.map(expr => expr.replaceAll('$__rate_interval', '1m').replaceAll('$instance', '.*'))
}

t.test('the dashboard names only metrics that exist, and every one of ours', async t => {
  const { body } = await ask(await serve(t, ['0', ...metrics]))
  const families = [...body.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name as string)
  const named = [...read('docs/grafana.json').matchAll(/\b(tcp_pipe|process)_\w+/g)].map(([name]) => name)
  for (const name of named) t.ok(families.includes(name.replace(/_bucket$/, '')), name)
  for (const name of families)
    t.ok(
      named.some(each => each.replace(/_bucket$/, '') === name),
      name,
    )
})

t.test(
  'a Prometheus scrapes it, and every query of the dashboard has data',
  { skip: missing('prometheus') },
  async t => {
    const server = await hostileServer(t)
    const { port } = await server.logged('metrics')
    const folder = shortDirectory(t)
    const config = join(folder, 'prometheus.yml')
    writeFileSync(
      config,
      `scrape_configs:
  - job_name: tcp-pipe
    scrape_interval: 500ms
    scrape_timeout: 500ms
    static_configs:
      - targets: ['127.0.0.1:${port}']
`,
    )
    const own = await freePort()
    const words = [
      `--config.file=${config}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${own}`,
    ]
    launch(t, 'prometheus', words, { faults: null, timeout: 120_000 })
    const query = async (expression: string) => {
      const url = `http://127.0.0.1:${own}/api/v1/query?query=${encodeURIComponent(expression)}`
      const answer = (await (await fetch(url)).json()) as { error?: string; data?: { result: { value: unknown[] }[] } }
      if (answer.error) throw new Error(`${expression}: ${answer.error}`)
      return answer.data?.result ?? []
    }
    const scraped = async () => (await query('count_over_time(tcp_pipe_connections_open[1m]) >= 2')).length > 0
    await eventually('two scrapes', () => scraped().catch(() => false), 60_000)
    t.match(await query('up'), [{ value: [Number, '1'] }])
    for (const expression of queries())
      await eventually(`data of ${expression}`, async () => (await query(expression)).length > 0, 30_000)
    t.ok(queries().length >= 15)
  },
)
