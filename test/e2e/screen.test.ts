/** What a person sees: log lines on terminals of 80 and 50 columns, and their JSON form. */
import t, { type Test } from 'tap'
import {
  dial,
  eventually,
  exchange,
  freePort,
  listen,
  missing,
  onTerminal,
  type Process,
  run,
  screen,
  serve,
  type TerminalOptions,
  tcpPipe,
} from './support.js'

const skip = missing('script')
const clock = '\\d\\d:\\d\\d:\\d\\d'
const hash = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'

/** `serve` on a terminal, once it listens. */
async function onScreen(t: Test, words: string, options: TerminalOptions = {}): Promise<Process & { port: number }> {
  const server = onTerminal(t, `tcp-pipe serve 0 ${words}`, options)
  const shown = String(await server.printed(/listening on 127\.0\.0\.1:\d+\r/))
  return Object.assign(server, { port: Number(/127\.0\.0\.1:(\d+)/.exec(shown)?.[1]) })
}

/** What is on the screen when a process has ended; every line must fit, but a path that is longer. */
async function linesOf(t: Test, { ended }: Process, columns: number): Promise<string[]> {
  const { lines } = screen((await ended).stdout)
  for (const line of lines) t.ok([...line].length <= columns || line.startsWith('→ '), `${columns} columns: ${line}`)
  return lines
}

for (const columns of [80, 50]) {
  t.test(`a connection on a terminal of ${columns} columns: connected, received`, { skip }, async t => {
    const cwd = t.testdir()
    const server = await onScreen(t, '--once -o out/a-long-name-of-a-directory/{remote}-{id}.bin', { cwd, columns })
    await exchange(t, server.port, 'x'.repeat(2000))
    const lines = await linesOf(t, server, columns)
    t.match(lines[1], new RegExp(`^${clock} ● 127\\.0\\.0\\.1:\\d+ connected$`))
    const rest = lines
      .slice(2)
      .map(line => line.trim())
      .join(' ')
    t.match(
      rest,
      new RegExp(
        `^${clock} ✓ 127\\.0\\.0\\.1:\\d+ received 2\\.0 KiB in [\\d.]+ m?s → out/a-long-name-of-a-directory/127\\.0\\.0\\.1-\\w+\\.bin$`,
      ),
    )
    t.equal(lines.length, columns === 80 ? 4 : 5, 'the name has a line of its own')
  })

  t.test(`send on a terminal of ${columns} columns says what exit 0 means`, { skip }, async t => {
    for (const [end, words] of [
      ['after it', ''],
      ['it', '--on-eof keep'],
      ['first', '-t "delay latency=300ms"'],
    ] as const) {
      const target = await listen(t, socket => {
        if (end === 'after it') socket.resume().on('end', () => socket.end())
        else socket.resume().end()
      })
      const client = onTerminal(t, `echo x | tcp-pipe send ${words} --no-progress --to ${target.to}`, { columns })
      t.equal((await client.ended).code, 0)
      const text = (await linesOf(t, client, columns)).map(line => line.trim()).join(' ')
      t.match(text, new RegExp(`✓ (127\\.0\\.0\\.1:\\d+ )?sent 2 B in [\\d.]+ m?s; the peer ended ${end}$`))
    }
  })

  t.test(`a failure on ${columns} columns: what, why, what to do`, { skip }, async t => {
    const port = await freePort()
    const client = onTerminal(t, `tcp-pipe send --to :${port} < /dev/null`, { columns })
    const [line = '', ...more] = await linesOf(t, client, columns)
    const text = [line, ...more.map(each => each.trim())].join(' ')
    t.match(
      text,
      new RegExp(
        `^${clock} ✗ cannot connect: connect ECONNREFUSED 127\\.0\\.0\\.1:${port}; start the server, or check the address$`,
      ),
    )
    t.ok(
      more.every(each => each.startsWith(' '.repeat(11))),
      'the rest is indented',
    )
  })

  t.test(`digest on ${columns} columns: in the same column at both ends`, { skip }, async t => {
    const server = await onScreen(t, '--once -t digest > /dev/null', { columns })
    const client = onTerminal(t, `printf abc | tcp-pipe send -t digest --no-progress --to :${server.port}`, { columns })
    const parts = columns === 80 ? [hash] : [hash.slice(0, 32), hash.slice(32)]
    for (const end of [server, client]) {
      const lines = await linesOf(t, end, columns)
      const at = lines.findIndex(line => /● sha256 of 3 bytes 127\.0\.0\.1:\d+$/.test(line))
      t.same(
        lines.slice(at + 1, at + 1 + parts.length),
        parts.map(part => ' '.repeat(11) + part),
      )
    }
  })

  t.test(
    `Ctrl-C on ${columns} columns: serve says what it waits for, send that it was interrupted`,
    { skip },
    async t => {
      const server = await onScreen(t, '> /dev/null', { columns })
      const client = onTerminal(t, `tcp-pipe send --to :${server.port}`, { columns })
      await client.printed('connected')
      await server.printed('connected')
      server.child.stdin?.write('\x03')
      await server.printed('SIGINT')
      client.child.stdin?.write('\x03')
      const shown = async (end: Process) => (await linesOf(t, end, columns)).map(line => line.trim()).join(' ')
      t.match(await shown(client), /✗ 127\.0\.0\.1:\d+ interrupted after sending nothing in .*; the peer sees a reset$/)
      t.notMatch(await shown(client), 'ABORT_ERR')
      t.equal((await client.ended).code, 130)
      const text = await shown(server)
      t.match(text, /● SIGINT: waiting for 1 connection for at most 10 s; a second Ctrl-C ends at once/)
      t.match(
        text,
        /✗ 127\.0\.0\.1:\d+ failed .*: the peer has reset the connection.*; the log of the peer may say why$/,
      )
    },
  )
}

t.test('send without TLS to a peer that speaks it, and with TLS to one that is silent', { skip }, async t => {
  const alert = Buffer.from([0x15, 3, 1, 0, 2, 2, 22])
  const target = await listen(t, socket => void socket.once('data', () => socket.end(alert)))
  const plain = onTerminal(t, `echo hello | tcp-pipe send --no-progress --to ${target.to} > /dev/null`)
  const said = (await linesOf(t, plain, 100)).map(line => line.trim()).join(' ')
  t.match(said, /! .*sent 6 B, received 7 B in .*; the peer speaks TLS: its reply is a TLS alert; use tls:\/\/$/)
  const silent = await listen(t, socket => socket.resume())
  const secure = onTerminal(t, `tcp-pipe send --handshake-timeout 300ms --to tls://${silent.to} < /dev/null`)
  const text = (await linesOf(t, secure, 100)).map(line => line.trim()).join(' ')
  t.match(text, /handshake timeout: no TLS with tls:\/\/127\.0\.0\.1:\d+ in 300ms; it may not speak TLS$/)
})

t.test('an error at the start has advice, too, and fits', { skip }, async t => {
  const { port } = await serve(t, ['0'])
  const server = onTerminal(t, `tcp-pipe serve ${port}`, { columns: 50 })
  const text = (await linesOf(t, server, 50)).map(line => line.trim()).join(' ')
  t.match(text, /^tcp-pipe: listen EADDRINUSE: .*; stop the program that uses it, or choose another port$/)
})

t.test('a log line does not stick to output without an LF', { skip }, async t => {
  const server = await onScreen(t, '--once')
  await exchange(t, server.port, 'no end')
  const lines = await linesOf(t, server, 100)
  t.equal(lines[2], 'no end')
  t.match(lines[3], new RegExp(`^${clock} ✓ `))
})

t.test('nor to what Ctrl-C shows; and it leaves no empty line behind a whole one', { skip }, async t => {
  const server = await onScreen(t, '')
  const socket = await dial(t, server.port)
  socket.write('whole\n')
  await server.printed('whole')
  server.child.stdin?.write('\x03')
  await server.printed('SIGINT')
  socket.end()
  const lines = await linesOf(t, server, 100)
  t.match(
    lines.slice(2),
    ['whole', '', /● SIGINT: waiting for 1 connection/, /✓ /],
    'the terminal of the test shows no ^C',
  )
})

t.test('stdout elsewhere does not count', { skip }, async t => {
  const server = await onScreen(t, '--once > out', { cwd: t.testdir() })
  await exchange(t, server.port, 'no end')
  t.equal((await linesOf(t, server, 100)).length, 3)
})

t.test('colour where the terminal has it', { skip }, async t => {
  for (const [env, colored] of [
    [{ NO_COLOR: '', TERM: 'xterm-256color' }, true],
    [{ NO_COLOR: '1', TERM: 'xterm-256color' }, false],
    [{ NO_COLOR: '', TERM: 'dumb' }, false],
  ] as const) {
    const client = onTerminal(t, 'tcp-pipe send --to :1 < /dev/null', { env })
    t.equal((await client.ended).stdout.includes('\x1b[31m✗\x1b[0m'), colored, JSON.stringify(env))
  }
  const options = { env: { FORCE_COLOR: '1', TCP_PIPE_LOG_FORMAT: '', LC_ALL: 'C.UTF-8' }, faults: null }
  t.match((await run(t, ['send', '--to', ':1'], options)).stderr, '\x1b[31m✗\x1b[0m')
})

t.test('ASCII where the locale has no UTF-8', { skip }, async t => {
  const server = await onScreen(t, '--once -o got', { cwd: t.testdir(), env: { LC_ALL: 'C' } })
  await exchange(t, server.port, 'abc')
  const text = (await server.ended).stdout
  t.match(String(text), /\+ 127\.0\.0\.1:\d+ received 3 B in \S+ m?s -> got/)
  t.ok(text.every(byte => byte < 128))
})

t.test('-v shows every field', { skip }, async t => {
  const server = await onScreen(t, '-v --once > /dev/null', { columns: 50 })
  await exchange(t, server.port, 'abc')
  const text = (await linesOf(t, server, 50)).map(line => line.trim()).join(' ')
  t.match(
    text,
    /✓ 127\.0\.0\.1:\d+ received 3 B in .* connection=\w+ remote=127\.0\.0\.1:\d+ bytesIn=3 bytesOut=0 duration=\d+ closedBy=peer/,
  )
})

t.test('elsewhere send writes text, serve and proxy JSON with ISO times; --log-format chooses', async t => {
  const server = await serve(t, ['0', '--once', '-t', 'digest'], { env: { TCP_PIPE_LOG_FORMAT: '' } })
  const options = { input: 'abc', env: { TCP_PIPE_LOG_FORMAT: '', LC_ALL: 'C.UTF-8' }, faults: null }
  const { stderr } = await run(t, ['send', '--to', server.to, '-t', 'digest'], options)
  t.match(stderr.split('\n'), [
    new RegExp(`^${clock} ● ${server.to} connected$`),
    new RegExp(`^${clock} ● sha256 ${hash} of 3 bytes ${server.to}$`),
    new RegExp(`^${clock} ✓ ${server.to} sent 3 B in [\\d.]+ m?s; the peer ended after it$`),
    /^$/,
  ])
  const { logs } = await server.ended
  t.match(logs, [
    { msg: 'listening' },
    { msg: 'digest', algorithm: 'sha256', digest: hash, bytes: 3 },
    { msg: 'connection closed', bytesIn: 3, bytesOut: 0, duration: Number, closedBy: 'peer', connection: String },
  ])
  for (const { time } of logs) t.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
  const json = await run(t, ['send', '--to', ':1', '--log-format', 'json'], { ...options, faults: ['ECONNREFUSED'] })
  t.match(json.logs, [{ level: 50, msg: 'cannot connect', code: 'ECONNREFUSED' }])
  const other = tcpPipe(t, ['serve', '0', '--log-format', 'text'], { faults: null })
  await eventually('the line', () => /listening on 127/.test(other.stderr()))
})
