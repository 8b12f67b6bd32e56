import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Explanation } from '../../cli/explain.js'
import { items } from '../../cli/help.js'
import { listen, missing, type Options, onTerminal, run, serve, shortDirectory } from '../e2e/support.js'

async function explained(t: Test, words: string[], options: Options = {}): Promise<Explanation> {
  const { stdout, stderr, code } = await run(t, ['explain', ...words, '--json'], options)
  t.same([code, stderr], [0, ''])
  return JSON.parse(String(stdout))
}

function setting({ settings }: Explanation, name: string) {
  const found = settings.find(each => each.name === name)
  return found && [found.value, found.origin, found.given]
}

t.test('the words of nc are those of the command that does the same', async t => {
  const { command, endpoints } = await explained(t, ['nc', '-N', '127.0.0.1', '7'])
  t.equal(command, 'send')
  t.match(endpoints, [{}, { name: 'peer', value: '127.0.0.1:7', origin: 'line' }])
})

t.test('what cannot be explained: says what can', async t => {
  for (const words of [['check', '80'], ['transforms'], ['127.0.0.1', '80'], ['chek']]) {
    const faults = [`unknown command '${words[0]}'; explain knows serve, send, proxy and nc`]
    t.equal((await run(t, ['explain', ...words], { faults })).code, 2, words.join(' '))
  }
  const faults = ["unknown command 'check'; nc -z is a check; explain knows serve, send, proxy, and nc without -z"]
  t.equal((await run(t, ['explain', 'nc', '-z', '127.0.0.1', '80'], { faults })).code, 2)
  const help = String((await run(t, ['explain', '--help'])).stdout)
  for (const name of ['serve', 'send', 'proxy', 'nc']) t.match(help, new RegExp(`^  ${name} `, 'm'))
  t.match(String((await run(t, ['explain', 'nc', '--help'])).stdout), 'Usage: tcp-pipe explain nc')
})

t.test('each value has its origin: the line, the environment or the default', async t => {
  const env = { TCP_PIPE_SERVE_IDLE_TIMEOUT: '7', TCP_PIPE_SERVE_MAX_BYTES: '64k', TCP_PIPE_SEND_WAIT: '1' }
  const plan = await explained(
    t,
    ['serve', '4000', '--max-bytes', '1m', '--drain-timeout', 'off', '--first-byte-timeout', '2'],
    { env },
  )
  t.same(setting(plan, '--max-bytes'), ['1m', 'line', 1048576])
  t.same(setting(plan, '--idle-timeout'), ['7s', 'environment', 7000])
  t.same(setting(plan, '--half-closed-timeout'), ['7s', 'default', 7000], 'that of the idle timeout')
  t.same(setting(plan, '--first-byte-timeout'), ['2s', 'line', 2000])
  t.same(setting(plan, '--max-duration'), ['off', 'default', 0])
  t.same(setting(plan, '--drain-timeout'), ['off', 'line', null])
  for (const name of ['--connect-timeout', '--handshake-timeout', '--max-record', '--once', '--wait'])
    t.equal(setting(plan, name), undefined, `${name} has no effect`)
  t.match(plan.endpoints, [
    { name: 'listen', value: '127.0.0.1:4000', origin: 'line' },
    { value: 'stdout', origin: 'default' },
  ])
  t.match((await explained(t, ['serve'])).endpoints, [{ value: '127.0.0.1:3099', origin: 'default' }])
})

t.test('the limit of connections is that of a run', async t => {
  const server = await serve(t, ['127.0.0.1:0'])
  const { maxConnections } = await server.logged('listening')
  t.same(setting(await explained(t, ['serve']), '--max-connections')?.[2], maxConnections)
})

t.test('stages, as a connection would create them', async t => {
  const plan = await explained(t, [
    'serve',
    '-t',
    'gunzip | grep ERROR',
    '-t',
    'head 3 | delay latency=1',
    '--max-record',
    '2k',
  ])
  const [forward] = plan.directions
  t.match(forward, {
    name: 'forward',
    from: 'client',
    to: 'stdout',
    origin: 'line',
    maxRecord: 2048,
    makesLines: false,
  })
  t.same(
    forward?.streams.map(({ steps }) => steps.filter(({ kind }) => kind === 'stage').map(({ name }) => name)),
    [['gunzip'], ['grep', 'head'], ['delay']],
  )
  t.same(
    forward?.streams[1]?.steps.map(({ kind }) => kind),
    ['decode', 'stage', 'recode', 'stage', 'encode'],
  )
  t.same(setting(plan, '--max-record'), ['2k', 'line', 2048])
  const { directions } = await explained(t, ['proxy', '1', '2', '-t', 'hex', '-b', 'dump'])
  t.same(
    directions.map(({ streams }) => streams.flatMap(({ steps }) => steps.map(({ name }) => name))),
    [['hex', 'dump'], ['dump']],
  )
  t.same(
    (await explained(t, ['serve', '--from', 'README.md', '-r', 'gzip'])).directions.map(({ name, from, to }) => [
      name,
      from,
      to,
    ]),
    [
      ['forward', 'client', 'stdout'],
      ['reply', 'README.md', 'client'],
    ],
  )
})

t.test('sinks, ends of the input, TLS', async t => {
  const values = async (...words: string[]) =>
    (await explained(t, words)).endpoints.map(({ name, value }) => `${name}: ${value}`).join('\n')
  t.match(
    await values('serve', '--reply', '--tls', 'auto'),
    /tls:\/\/.*\nsink: client\n.*its end\nTLS with clients: a generated certificate; any client/,
  )
  t.match(
    await values('serve', '--to', ':1'),
    "sink: 127.0.0.1:1\nend of input: the client is ended after the target's end\nTLS: none",
  )
  t.match(
    await values('serve', '--from', 'README.md', '--on-eof', 'keep', '--on-peer-end', 'stop'),
    /source: README.md\nend of the source: our side stays open until.*\nend of the client: .* not sent\nTLS/,
  )
  t.match(
    await values('serve', '--once', '--from', '-'),
    /source: stdin\nend of the source: our side ends\nend of the client: the rest of the source is sent/,
  )
  t.match(
    await values('send', '--on-eof', 'close'),
    "end of input: our side ends, and the peer's end is awaited for the time of --wait at most",
  )
  t.match(
    await values('serve', '-o', '{id}.log'),
    'sink: file:{id}.log\nend of input: the client is ended after the sink has taken everything',
  )
  t.match(await values('proxy', '1', 'tls://x:2', '--insecure'), 'TLS with the target: not verified')
  t.match(
    await values('send', '--tls', '--to', 'x:1'),
    "peer: tls://x:1\nend of input: our side ends, then the peer's end is awaited",
  )
  t.match(await values('send', '--tls', '--to', 'x:1'), "TLS with the target: verified by Node's authorities")
  t.match(
    await values('send', '--receive-only'),
    /source: nothing\n.*\nend of input: our side stays open until the peer's end/,
  )
  t.match(
    await values('send', 'README.md', '-', '--on-peer-end', 'stop'),
    /source: README.md, stdin\n.*\n.*\nend of the peer: the rest of the input is not sent/,
  )
})

t.test('--chat: stdin and stdout, one client at a time, no idle timeout', async t => {
  const plan = await explained(t, ['serve', '--chat', '-r', 'crlf'])
  t.match(plan.endpoints, [
    {},
    { name: 'sink', value: 'stdout', origin: 'line' },
    { name: 'source', value: 'stdin', origin: 'line' },
    { name: 'end of the source', value: 'our side ends; no further client is taken' },
    { name: 'end of the client' },
    { name: 'clients', value: /^one at a time/ },
  ])
  t.match(plan.directions, [{}, { name: 'reply', from: 'stdin', to: 'client', streams: [{}] }])
  t.same(setting(plan, '--chat'), ['yes', 'line', true])
  t.same(setting(plan, '--max-connections'), ['1', 'default', 1])
  t.same(setting(plan, '--idle-timeout'), ['off', 'default', 0])
  t.same(setting(await explained(t, ['send', '--on-eof', 'close']), '--wait'), ['1s', 'default', 1000])
  t.equal(setting(await explained(t, ['serve', '--no-progress']), '--no-progress')?.[1], 'line')
})

t.test('it opens nothing, listens nowhere, and starts no program', async t => {
  let dialled = 0
  const target = await listen(t, () => dialled++)
  const dir = shortDirectory(t)
  const options = { cwd: dir }
  await explained(t, ['send', '--to', target.to, '-t', 'exec touch started'], options)
  await explained(t, ['proxy', '0', target.to], options)
  await explained(t, ['serve', target.to, '-t', 'tee copy | dump file=dump', '-o', 'sub/{id}'], options)
  await explained(t, ['serve', `unix:${join(dir, 'socket')}`], options)
  t.equal(dialled, 0)
  t.same(readdirSync(dir), [])
  t.notOk(existsSync(join(dir, 'socket')))
})

t.test('a usage mistake is that of a run: exit 2, the same line', async t => {
  for (const words of [
    ['serve', '70000'],
    ['serve', '--idle-timeout', 'soon'],
    ['serve', '--reply', '--from', 'README.md'],
    ['serve', '--tls', '0'],
    ['serve', '-t', 'hexx'],
    ['serve', '--connect-timeout', '1s'],
    ['serve', '--socket-mode', '600'],
    ['serve', '--allow', 'x'],
    ['proxy', '0'],
    ['proxy', '4000', '4000'],
    ['proxy', '0', '0'],
    ['send', '--receive-only', 'README.md'],
    ['send', '--cert', 'x'],
    ['send', '-4', '-6'],
    ['serve', '--unknown'],
    ['serve', '--chat', '--reply'],
    ['serve', '--on-eof', 'keep'],
    ['serve', '-o', 'README.md', '--once'],
    ['serve', '-o', '{other}'],
    ['serve', '--to', 'file:README.md', '--once'],
    ['serve', '--listen'],
    ['send', 'lib'],
  ]) {
    const [ran, explained] = await Promise.all([
      run(t, words, { faults: [''] }),
      run(t, ['explain', ...words], { faults: [''] }),
    ])
    t.same([explained.code, explained.stderr], [2, ran.stderr], words.join(' '))
    t.equal(ran.code, 2)
    t.equal(String(explained.stdout), '')
  }
  t.equal((await run(t, ['explain', 'sevre'], { faults: ["unknown command 'sevre'"] })).code, 2)
})

t.test('the text fits 80 columns, and a terminal of 50', { skip: missing('script') }, async t => {
  const words =
    "explain serve 0.0.0.0:4000 -t 'gunzip | grep ERROR | json | hex width=8' --idle-timeout 5 --to tls://x:1"
  for (const width of [80, 50]) {
    const { stdout } = await onTerminal(t, `stty cols ${width}; tcp-pipe ${words}`).ended
    const lines = String(stdout).trimEnd().split('\r\n')
    for (const line of lines) t.ok(line.length <= width, line)
    t.match(lines.join(' ').replace(/\s+/g, ' '), '--idle-timeout 5s (command line)')
    t.match(
      lines.join(' ').replace(/\s+/g, ' '),
      /decode line → grep \(takes lines\).*; 3 stages in one stream; buffers up to 64k of input and 64k of output/,
    )
  }
  const escaped = String((await run(t, ['explain', 'serve', '-t', 'escape'])).stdout)
  t.match(escaped, '1  escape (takes bytes); buffers up to')
  t.match(escaped, '=  the result is lines, which several connections on one stdout never split')
  t.match(String((await run(t, ['explain', 'serve', '-t', 'gzip'])).stdout), '=  the result is bytes')
  const { stdout } = await run(t, ['explain', 'send'])
  t.match(String(stdout), /^tcp-pipe send\n {2}source .*stdin \(default\)\n/)
  t.match(String(stdout), 'forward: stdin → 127.0.0.1:3099 (default)\n  bytes pass unchanged\n')
  t.equal(
    items(
      [
        ['a', 'b'],
        ['long', 'c'],
      ],
      80,
    ),
    '  a     b\n  long  c',
  )
})

t.test('control characters in a value are escaped; --json may stand before the command', async t => {
  const { stdout } = await run(t, ['explain', 'send', '--to', 'tls://x:1', '--server-name', '\x1b[2J'])
  t.match(String(stdout), '--server-name')
  t.notMatch(String(stdout), '\x1b')
  t.equal(
    JSON.parse(String((await run(t, ['explain', '--json', 'send', '--tls', '--to', 'x:1'])).stdout)).command,
    'send',
  )
})
