/** What a peer sends is shown in many places, and drives no terminal and forges no line in any of them. */
import t, { type Test } from 'tap'
import {
  dial,
  eventually,
  exchange,
  type LogLine,
  listen,
  missing,
  onTerminal,
  proxy,
  serve,
  tcpPipe,
} from './support.js'

/** A title, a cleared screen, C1 as a character and as a byte, what overwrites, a direction, and a line of the log. */
const hostile = Buffer.concat([
  Buffer.from('\x1b]0;title\x07\x1b[2J\u009b31m\b\r\u202e\u2066\x7f'),
  Buffer.of(0x9b),
  Buffer.from('\n{"level":60,"msg":"fake"}\n'),
])

/** Everything that a terminal could take for a command, but the LF of a line. */
const controls = /[^\P{Cc}\n]|[\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/u

/** Stages that fail at it, and tell why. */
const failing = [
  'unhex',
  'unbase64',
  'json',
  'gunzip',
  'unframe u8',
  "exec sh -c 'cat >&2; exit 3'",
  'exec sh -c \'tr -d "\\n" >&2; exit 3\'',
]

for (const format of ['json', 'text']) {
  t.test(`logs, dumps and errors, as ${format} (C-11)`, async t => {
    for (const stage of failing) {
      const args = ['0', '--once', '-v', '--log-format', format, '-t', `logger | dump | ${stage}`]
      const stderr = await serveHostile(t, args)
      t.match(stderr, /e\]0;title/, `it is shown, ${stage}`)
      t.notMatch(stderr, controls, stage)
      t.match(stderr, /\|\.\]0;title\./, 'also in the dump')
    }
  })
}

t.test('dumps of a proxy in both directions (C-11)', async t => {
  const target = await listen(t, socket => void socket.pipe(socket))
  const tool = await proxy(t, ['0', target.to, '-v', '--both', 'dump | logger'], { faults: null })
  await exchange(t, tool.port, hostile)
  await tool.logged('connection closed')
  t.match(tool.stderr(), /→.*\n.*\|\.\]0;title/)
  t.match(tool.stderr(), /←.*\n.*\|\.\]0;title/)
  t.notMatch(tool.stderr(), controls)
})

t.test('a terminal with data, log lines, progress and an error (C-11)', { skip: missing('script') }, async t => {
  const target = await listen(t, socket => {
    socket.write(hostile)
    socket.once('data', () => setTimeout(() => socket.resetAndDestroy(), 1500)) // so that there is progress to see
  })
  const script = `(echo x; sleep 2) | tcp-pipe send -v --progress -r 'logger | dump' --to ${target.to}`
  const { stdout } = await onTerminal(t, script).ended
  const shown = String(stdout)
  for (const sign of ['B/s]', '\\e]0;title', 'ECONNRESET']) t.ok(shown.includes(sign), sign)
  t.ok(/\.(␛\[[\d;]*m)*\]0;title/.test(shown.replaceAll('\x1b', '␛')), 'the dump, coloured')
  for (const control of ['\x1b]', '\x1b[2J', '\x07', '\b', '\x7f', '\u009b', '\u202e', '\u2066'])
    t.notOk(shown.includes(control), JSON.stringify(control))
  t.notOk(stdout.includes(Buffer.of(0x0a, 0x9b)) || stdout.includes(Buffer.of(0x66, 0x9b)), 'nor the bare byte')
})

/** What the program itself puts into a line of the log, besides level, time and msg. */
const fields = [
  ...['address', 'family', 'port', 'maxConnections', 'connection', 'remote', 'direction', 'offset', 'size', 'preview'],
  ...[
    'bytesIn',
    'bytesOut',
    'duration',
    'closedBy',
    'code',
    'error',
    'sink',
    'directions',
    'stack',
    'stage',
    'at',
    'program',
    'stderr',
  ],
]

t.test('no line of the log is of a peer, and no field but a text (C-12)', async t => {
  const forged = '{"level":60,"msg":"fake","time":0,"fake":1,"\\n{\\"level\\":60,\\"msg\\":\\"fake\\"}":{"level":60}}'
  for (const [stage, input] of [
    ['json', forged],
    ['json pick=level', `${forged}\n${forged}x`],
    ['grep level | json', `${forged}\n`],
    ['unhex', forged],
    ["exec sh -c 'cat >&2; exit 3'", `${forged}\n`],
  ] as const) {
    const stderr = await serveHostile(t, ['0', '--once', '-v', '-t', `logger | ${stage}`], `\n${input}`)
    const lines: LogLine[] = stderr
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line))
    for (const { level, time, msg, ...rest } of lines) {
      t.ok(level >= 20 && level <= 50 && Date.parse(time as string) > 1e12, `${stage}: ${msg}`)
      t.match(msg, /^(listening|chunk|exec|connection (opened|closed|failed)|what each stage did)$/)
      t.same(
        Object.keys(rest).filter(key => !fields.includes(key)),
        [],
        'only our own fields',
      )
      for (const key of ['preview', 'error', 'stderr']) t.match(rest[key], key in rest ? String : undefined)
    }
    t.ok(
      lines.some(({ preview }) => String(preview).includes('fake')),
      'it is there as a text',
    )
  }
})

/** What is on stderr of a server behind a connection that sends such a text. */
async function serveHostile(t: Test, args: string[], input: Buffer | string = hostile): Promise<string> {
  const server = await serveAnyhow(t, args)
  const socket = await dial(t, server.port)
  socket.end(input)
  return (await server.ended).stderr
}

/** Also where the log is for people, and has no line of JSON to wait for. */
async function serveAnyhow(t: Test, args: string[]) {
  if (!args.includes('text')) return serve(t, args, { faults: null })
  const server = tcpPipe(t, ['serve', ...args], { faults: null })
  await eventually('the port', () => /port=\d+/.test(server.stderr()))
  return Object.assign(server, { port: Number(/port=(\d+)/.exec(server.stderr())?.[1]) })
}
