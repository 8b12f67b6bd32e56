import { Writable } from 'node:stream'
import t from 'tap'
import { jsonReport, textReport } from '../../cli/stats-report.js'
import { type DirectionStats, type Summary, send, serve } from '../../lib/index.js'
import { gzip } from '../../transforms/gzip.js'
import { exchange, listen, missing, onTerminal, proxy, run, serve as serveProgram } from '../e2e/support.js'

const times = (waitingForInput: number, busy: number, waitingForOutput: number, waitingForThread: number) => ({
  ...{ waitingForInput, busy, waitingForOutput, waitingForThread },
})
const stage = (name: string, recordsIn: number, recordsOut: number, ...given: Parameters<typeof times>) => ({
  ...{ name, recordsIn, recordsOut, ...times(...given) },
})
const streams = { stopped: false, over: true }

const forward: DirectionStats = {
  ...{ direction: 'forward', bytesIn: 500_000_000, bytesOut: 12_000_000 },
  source: { name: 'client', isNetwork: true, ...times(0, 20, 950, 30) },
  sink: { name: 'file', isNetwork: false, ...times(980, 20, 0, 0) },
  segments: [
    {
      ...{ name: 'transforms', bytesIn: 500_000_000, bytesOut: 12_000_000 },
      runs: [
        {
          ...{ bytesIn: 500_000_000, bytesOut: 480_000_000, ...streams, ...times(0, 50, 900, 50) },
          stages: [stage('grep', 7630, 7000, 30, 10, 910, 50), stage('\x1b[31mhead', 7000, 120, 40, 40, 870, 50)],
        },
        {
          ...{ bytesIn: 480_000_000, bytesOut: 12_000_000, ...streams, ...times(40, 940, 20, 0) },
          stages: [stage('gzip', 0, 0, 40, 940, 20, 0)],
        },
      ],
    },
  ],
}

const summary: Summary = {
  ...{ id: 'a1', number: 1, remote: '127.0.0.1', port: 4000, bytesIn: 500_000_000, bytesOut: 0, duration: 4300 },
  ...{
    closedBy: 'peer',
    warnings: [],
    directions: [forward, { direction: 'reply', bytesIn: 0, bytesOut: 0, segments: [] }],
  },
}

t.test('text: a row for each part, and the verdict', async t => {
  t.equal(
    textReport(summary, 120 * 1024 ** 2, 100),
    `127.0.0.1:4000: received 476.84 MiB, sent 0 B in 4.3s (110.89 MiB/s)
peak memory 120.00 MiB; closed by peer
forward: 476.84 MiB in, 11.44 MiB out
  part        bytes                   records      busy  input  output  thread
  client      476.84 MiB                            2 %    0 %    95 %     3 %
  grep        476.84 MiB →            7630 → 7000   1 %    3 %    91 %     5 %
  \\e[31mhead  → 457.76 MiB            7000 → 120    4 %    4 %    87 %     5 %
  gzip        457.76 MiB → 11.44 MiB               94 %    4 %     2 %     0 %
  file        11.44 MiB                             2 %   98 %     0 %     0 %
  slowest: gzip (busy 94 %); the network and the file waited
`,
  )
})

t.test('text: in narrow windows columns are left out, and no line is longer', async t => {
  for (const columns of [80, 50, 40]) {
    const lines = textReport(summary, 1024 ** 2, columns).split('\n')
    for (const line of lines) t.ok(line.length <= columns, line)
    t.ok(lines.some(line => line.includes('gzip') && line.includes('94 %')))
  }
})

t.test('text: a failure and a reason', async t => {
  const failed = { ...summary, closedBy: 'reset', error: new Error('the peer\nhas reset') } as const
  t.match(textReport(failed, 1024, 100), 'failed (reset): the peer\\nhas reset')
  t.match(textReport({ ...summary, reason: 'maintenance' }, 1024, 100), 'closed by peer: maintenance')
})

t.test('json: one line with the summary, the rate, the memory and the verdicts', async t => {
  const line = jsonReport({ ...summary, error: new Error('no') }, 4096)
  t.match(JSON.parse(line), {
    ...{ msg: 'stats', bytesIn: 500_000_000, rate: 116_279_070, peakMemory: 4096, error: 'no', closedBy: 'peer' },
    verdicts: { forward: 'slowest: gzip (busy 94 %); the network and the file waited' },
    directions: [{ source: { name: 'client' } }, {}],
  })
  t.match(line, /^[^\n]+\n$/)
})

t.test('it reports what the library measures', async t => {
  const server = await serve({ port: 0, to: () => new Writable({ write: (_chunk, _encoding, done) => done() }) })
  const sent = await send({
    ...{ to: `127.0.0.1:${server.address.port}`, from: 'abc', measure: true, transforms: () => [gzip()] },
  })
  t.match(textReport(sent, 1, 100), /forward: 3 B in, \d+ B out\n.*\n {2}source +3 B .*\n {2}gzip .*\n {2}peer /)
  await server.close()
})

t.test('--stats of send, serve and proxy; none by default', async t => {
  const target = await listen(t, socket => void socket.end('reply').resume())
  const sent = await run(t, ['send', '--to', target.to, '--stats', 'json', '-q'], { input: 'abc' })
  t.match(sent.logs, [
    { msg: 'stats', bytesOut: 3, bytesIn: 5, verdicts: { forward: /^slowest: /, reply: /^slowest: / } },
  ])
  t.match(await run(t, ['send', '--to', target.to, '-q'], { input: 'abc' }), { stderr: '' })
  for (const server of [
    await serveProgram(t, ['0', '--reply', '--stats', 'json']),
    await proxy(t, ['0', target.to, '--stats', 'json']),
    await serveProgram(t, ['0', '--reply'], { env: { TCP_PIPE_STATS: 'json' } }),
  ]) {
    await exchange(t, server.port, 'abc')
    t.match(await server.logged('stats'), { bytesIn: 3, directions: [{ source: { name: 'client' } }, ...[]] })
  }
  t.match(await run(t, ['send', '--stats', 'xml'], { faults: [/--stats.*text, json/] }), { code: 2 })
})

t.test('on a terminal it follows the line of the connection', { skip: missing('script') }, async t => {
  const server = await serveProgram(t, ['0', '-o', '/dev/null'])
  const sent = onTerminal(t, `echo abc | tcp-pipe send --to ${server.to} --stats text`, { columns: 50 })
  const { stdout } = await sent.ended
  t.match(String(stdout), /✓ [^✓]*the peer[^✓]*\n[^\n]*received 0 B, sent 4 B[^✓]*slowest: /)
  for (const line of String(stdout).split(/\r?\n/)) t.ok(line.length <= 50, line)
})
