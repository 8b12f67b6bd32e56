import { Command, Option } from 'commander'
import t from 'tap'
import {
  address,
  addressFor,
  bytes,
  choice,
  commonOptions,
  count,
  duration,
  effectiveOptions,
  fileOrStdio,
  httpAddress,
  rawOption,
  repeatable,
} from '../../cli/options.js'

/** A command with one option of each kind, parsed. */
function parse(line: string[], environment: Record<string, string> = {}): Record<string, unknown> {
  const command = new Command('serve')
    .exitOverride()
    .configureOutput({ writeErr: () => {} })
    .addOption(repeatable('-t, --transform <spec>', ''))
    .addOption(address('--to <address>', '', 'dial'))
    .addOption(duration('--idle-timeout <time>', ''))
    .addOption(bytes('--size <bytes>', ''))
    .addOption(count('--retry <n>', '', 0))
    .addOption(choice('--on-eof <action>', '', ['half-close', 'close']))
    .addOption(rawOption())
    .addOption(httpAddress('--metrics [address]', '', ':9464'))
    .addOption(new Option('--reply'))
    .addOption(new Option('--progress'))
    .addOption(new Option('--no-progress'))
  commonOptions(command).parse(line, { from: 'user' })
  return effectiveOptions(command, environment)
}

t.test('values are read', async t => {
  t.match(parse(['--to', ':80', '--idle-timeout', '2m', '--size', '1k', '--retry', '3', '--on-eof', 'close']), {
    to: { scheme: 'tcp', host: '127.0.0.1', port: 80 },
    idleTimeout: 120_000,
    size: 1024,
    retry: 3,
    onEof: 'close',
  })
})

t.test('an address for HTTP may be left out, and is TCP or a unix socket', async t => {
  for (const [line, expected] of [
    [['--metrics'], { scheme: 'tcp', host: '127.0.0.1', port: 9464 }],
    [['--metrics', '--reply'], { port: 9464 }],
    [['--metrics', '80'], { host: '127.0.0.1', port: 80 }],
    [['--metrics=[::1]:80'], { host: '::1', port: 80 }],
    [['--metrics', 'unix:/run/x'], { scheme: 'unix', path: '/run/x' }],
  ] as const)
    t.match(parse([...line]), { metrics: expected }, line.join(' '))
  t.match(parse([], { TCP_PIPE_SERVE_METRICS: '81' }), { metrics: { port: 81 } })
  const forms = 'expected host:port, :port, port, [::1]:port, tcp://host:port or unix:path'
  for (const [text, message] of [
    ['tls://:80', `--metrics: 'tls://:80' is not allowed; ${forms}`],
    ['memory:x', `--metrics: 'memory:x' is not allowed; ${forms}`],
    ['x:y', `--metrics: 'x:y': the port must be a whole number from 0 to 65535; ${forms}`],
    ['', `--metrics: '' has no port; ${forms}`],
  ] as const)
    t.throws(() => parse([`--metrics=${text}`]), { message, code: 'ERR_OPTION' }, text)
})

t.test('what is missing on the line comes from the environment', async t => {
  for (const [line, environment, expected] of [
    [[], { TCP_PIPE_SERVE_IDLE_TIMEOUT: '1s' }, { idleTimeout: 1000 }],
    [['--idle-timeout', '2s'], { TCP_PIPE_SERVE_IDLE_TIMEOUT: '1s' }, { idleTimeout: 2000 }],
    [[], { TCP_PIPE_SERVE_IDLE_TIMEOUT: '' }, {}],
    [[], { TCP_PIPE_LOG_LEVEL: 'debug', TCP_PIPE_SERVE_LOG_LEVEL: 'trace' }, { logLevel: 'debug' }],
    [[], { TCP_PIPE_SEND_REPLY: '1' }, {}],
    [[], { TCP_PIPE_SERVE_REPLY: 'true', TCP_PIPE_VERBOSE: '1' }, { reply: true, verbose: true }],
    [[], { TCP_PIPE_SERVE_REPLY: '0', TCP_PIPE_RAW: 'false' }, { reply: false, raw: false }],
    [[], { TCP_PIPE_SERVE_PROGRESS: '0' }, { progress: false }],
    [[], { TCP_PIPE_SERVE_PROGRESS: '1' }, { progress: true }],
    [['--no-progress'], { TCP_PIPE_SERVE_PROGRESS: '1' }, { progress: false }],
    [[], { TCP_PIPE_SERVE_TRANSFORM: 'hex' }, { transform: ['hex'] }],
    [['-t', 'a', '-t', 'b'], { TCP_PIPE_SERVE_TRANSFORM: 'hex' }, { transform: ['a', 'b'] }],
  ] as [string[], Record<string, string>, object][])
    t.same(parse(line, environment), expected, JSON.stringify([line, environment]))
})

t.test('mistakes name the option, the value and what is allowed', async t => {
  for (const [line, message] of [
    [
      ['--idle-timeout', 'soon'],
      "--idle-timeout: 'soon' is not allowed; expected a duration, such as '250ms', '2m' or '10' (seconds)",
    ],
    [['--retry', '1.5'], "--retry: '1.5' is not allowed; expected a whole number, at least 0"],
    [
      ['--retry', '99999999999999999999'],
      "--retry: '99999999999999999999' is not allowed; expected a whole number, at least 0",
    ],
    [['--max-record', '0'], "--max-record: '0' is not allowed; expected at least 1"],
    [['--on-eof', 'x'], "--on-eof: 'x' is not allowed; expected half-close or close"],
    [['--to', 'file:x'], /^--to: 'file:x' cannot be connected to; expected host:port, .* or listen:address$/],
    [['--to', 'memory:x'], /^--to: 'memory:x' reaches no other process; expected host:port, .* or listen:address$/],
    [['--to', 'x:y'], /^--to: 'x:y': the port must be a whole number/],
  ] as const)
    t.throws(() => parse([...line]), { code: 'ERR_OPTION', message })
  t.throws(() => parse([], { TCP_PIPE_SERVE_REPLY: 'yes' }), {
    message: "--reply: 'yes' is not allowed; expected 1, 0, true or false (environment variable TCP_PIPE_SERVE_REPLY)",
  })
})

t.test('a file is named as it is, and - is the standard stream', async t => {
  t.same(fileOrStdio('-'), { scheme: 'stdio' })
  for (const path of ['a', 'unix:a', 'file:a', './-']) t.same(fileOrStdio(path), { scheme: 'file', path })
})

t.test('an address is one that can do what it is for', async t => {
  t.same(addressFor('listen')('unix:a'), { scheme: 'unix', path: 'a' })
  t.throws(() => addressFor('listen')('-'), { code: 'ERR_ADDRESS', message: /^'-' cannot be listened on/ })
  t.throws(() => addressFor('listen')('memory:a'), { code: 'ERR_ADDRESS', message: /reaches no other process/ })
  t.same(addressFor('sink')('file:a'), { scheme: 'file', path: 'a' })
})
