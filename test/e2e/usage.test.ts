import { existsSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { listen, run, shell, shortDirectory } from './support.js'

const stages = Array.from({ length: 10_000 }, () => 'hex').join('|')

/** Words of the command line → what the one line on stderr must say. */
const mistakes: [line: string[], says: string][] = [
  // unknown words
  [['sevre'], "unknown command 'sevre'; did you mean 'serve'?"],
  [['serve', '--trasform', 'hex'], "unknown option '--trasform'; did you mean '--transform'?"],
  [['send', '--ot', ':1'], "unknown option '--ot'; did you mean '--to'?"],
  [['serve', '--from', 'README.md', '-r'], "'-r, --reply-transform <spec>' argument missing"],
  [['serve', '1', '2'], 'too many arguments'],
  [['transforms', 'hex', 'gzip'], 'too many arguments'],
  // addresses
  [['serve', 'localhost'], "'localhost' has no port; expected host:port, :port"],
  [['completion', 'tcsh'], "'tcsh' is not allowed; expected bash, zsh or fish"],
  [['serve', '70000'], "'70000': the port must be a whole number from 0 to 65535"],
  [['serve', '80abc'], "'80abc': the port must be a whole number from 0 to 65535"],
  [['serve', '0x50'], "'0x50': the port must be a whole number from 0 to 65535"],
  [['serve', ''], "'' has no port"],
  [['serve', '127.0.0.1:-1'], "'127.0.0.1:-1': the port must be a whole number from 0 to 65535"],
  [['serve', '-1'], "'-1'"],
  [['send', '--to', 'host:'], "--to: 'host:' has no port"],
  [['send', '--to', ':70000'], "--to: ':70000': the port must be a whole number"],
  [['send', '--to', '127.0.0.1:'], "--to: '127.0.0.1:' has no port"],
  [['proxy', '0', '80abc'], "'80abc': the port must be a whole number"],
  [['proxy', '0x50', ':1'], "'0x50': the port must be a whole number"],
  [['send', '--to', '::1:80'], "'::1:80' is not an address"],
  [['send', '--to', `unix:/${'x'.repeat(107)}`], 'the path of a unix socket has 1 to 107 bytes, not 108'],
  [['serve', `unix:/${'x'.repeat(107)}`], 'the path of a unix socket has 1 to 107 bytes, not 108'],
  [['serve', 'tls://:1'], '--tls needs --cert FILE and --key FILE; or use --tls auto'],
  [['serve', '0', '--metrics', 'tls://:1'], "--metrics: 'tls://:1' is not allowed; expected host:port, :port, port"],
  [['proxy', '0', ':1', '--metrics', '70000'], "--metrics: '70000': the port must be a whole number from 0 to 65535"],
  [['help', 'base64'], "unknown command 'base64'"],
  [['--', 'base64'], "unknown command 'base64'"],
  // names of files
  [
    ['serve', '0', '-o', '{id}/{ip}'],
    "'{id}/{ip}' cannot be written: '{ip}' is not a placeholder; expected {id}, {remote}, {port}",
  ],
  [
    ['serve', '0', '-t', 'tee a{ip}'],
    "tee file: '{ip}' is not a placeholder; expected {id}, {remote}, {port}, {time} or {name}",
  ],
  [
    ['send', '-t', 'dump file={ID}'],
    "dump file: '{ID}' is not a placeholder; expected {id}, {remote}, {port}, {time} or {name}",
  ],
  // values
  [['serve', '0', '--max-bytes', '0'], "--max-bytes: '0' is not allowed; expected at least 1"],
  [
    ['serve', '0', '--max-connections', '0'],
    "--max-connections: '0' is not allowed; expected a whole number, at least 1",
  ],
  [['serve', '0', '--max-connections', '1e3'], "'1e3' is not allowed; expected a whole number, at least 1"],
  [
    ['serve', '0', '--idle-timeout', 'soon'],
    "--idle-timeout: 'soon' is not allowed; expected a duration, such as '250ms'",
  ],
  [['serve', '0', '--max-record', '1x'], "--max-record: '1x' is not allowed; expected bytes, such as"],
  ...['serve', 'send', 'proxy'].map((command): [string[], string] => [
    [command, '--max-record', '0'],
    "--max-record: '0' is not allowed; expected at least 1",
  ]),
  [
    ['serve', '0', '--log-level', 'loud'],
    "--log-level: 'loud' is not allowed; expected trace, debug, info, warn, error or silent",
  ],
  [['send', '--retry', '-1'], "--retry: '-1' is not allowed; expected a whole number, at least 0"],
  [['send', '--on-eof', 'stop'], "--on-eof: 'stop' is not allowed; expected half-close, keep or close"],
  [['send', '--on-peer-end', 'close'], "--on-peer-end: 'close' is not allowed; expected send or stop"],
  [['send', '--wait', '5y'], "--wait: '5y' is not allowed; expected a duration"],
  [['send', '--bind', 'unix:/tmp/x'], '--bind: unix:/tmp/x is not allowed; expected host or host:port'],
  // contradictions
  [['serve', '0', '--reply', '-o', 'x-{id}'], '--output and --reply exclude each other'],
  [['serve', '0', '--to', ':1', '-o', 'x-{id}'], '--output and --to exclude each other'],
  [['serve', '0', '--reply', '--from', 'README.md'], '--reply and --from exclude each other'],
  [['serve', '0', '-r', 'hex'], '--reply-transform needs --from or --chat'],
  [['serve', '0', '--from', '-'], '--from - needs --once'],
  [
    ['serve', '0', '-o', 'plain.bin'],
    'need a placeholder ({id} {remote} {port} {time}, with --reliable {name}) in the name, --once or --append',
  ],
  [['serve', '0', '--append'], '--append needs --output FILE'],
  [['serve', '0', '-o', 'x-{id}', '--append', '--force'], '--append and --force exclude each other'],
  [['serve', '0', '--on-eof', 'keep'], '--on-eof needs --from'],
  [['serve', '0', '--on-peer-end', 'stop'], '--on-peer-end needs --from'],
  [['send', '-', '-'], "'-' is given twice"],
  [['send', 'README.md', '--receive-only'], "--receive-only and file 'README.md' exclude each other: it sends nothing"],
  [['send', '--receive-only', '-t', 'hex'], '--receive-only and --transform exclude each other: it sends nothing'],
  [['send', '--receive-only', '--on-peer-end', 'stop'], '--receive-only and --on-peer-end exclude each other'],
  [['send', '--receive-only', '--on-eof', 'close'], '--receive-only and --on-eof close exclude each other'],
  [['send', '-4', '-6'], "'-4' cannot be used with option '-6'"],
  // specs: the message shows where
  [['serve', '0', '-t', 'hexx'], "'hexx', column 1: unknown transform 'hexx'; did you mean 'hex'?"],
  [['serve', '0', '-t', 'grep a | gzip level=99'], "'grep a | gzip level=99', column 15: gzip level: "],
  [['serve', '0', '-t', 'frame size=0'], "'frame size=0', column 7: frame size: '0' is not allowed"],
  [['serve', '0', '-t', 'hex |'], "'hex |': a stage is missing"],
  [['serve', '0', '-t', ''], 'a stage is missing'],
  [['serve', '0', '-t', "grep 'a"], `'grep 'a', column 6: the quote ' is not closed`],
  [['serve', '0', '-t', 'grep'], 'pattern'],
  [
    ['serve', '0', '-t', 'hex wdith=8'],
    "column 5: hex cannot take 'wdith=8'; its options: width= plain= offset=; did you mean 'width'?",
  ],
  [['serve', '0', '-t', stages], '10000 stages; at most 100 are allowed'],
]

t.test('a usage error: exit 2 and one line on stderr (B-03, B-07, B-08, B-09)', async t => {
  t.jobs = 4
  for (const [line, says] of mistakes) {
    const title = line.join(' ').slice(0, 60)
    t.test(title, async t => {
      const { code, stdout, stderr } = await run(t, line, { faults: [says] })
      t.equal(code, 2)
      t.equal(stdout.length, 0)
      t.match(stderr, /^tcp-pipe: [^\n]+\n$/)
      t.ok(stderr.length < 600, 'it is short')
    })
  }
})

t.test('a usage error is found before anything is opened, bound or dialled (B-09)', async t => {
  let dialled = 0
  const target = await listen(t, () => dialled++)
  const dir = shortDirectory(t)
  const socket = join(dir, 'socket')
  await run(t, ['send', '--to', target.to, '-t', 'hexx'], { faults: ['column 1'] })
  await run(t, ['send', '--to', target.to, '-r', 'gzip level=99'], { faults: ['column 6'] })
  await run(t, ['serve', `unix:${socket}`, '-o', join(dir, 'sub/x'), '--once', '-t', 'hexx'], { faults: ['column 1'] })
  t.equal(dialled, 0)
  t.notOk(existsSync(socket))
  t.notOk(existsSync(join(dir, 'sub')))
})

t.test('a file that cannot be sent is reported before anything is dialled: exit 2 (A-17)', async t => {
  let dialled = 0
  const target = await listen(t, () => dialled++)
  for (const [file, says] of [
    ['no-such-file', "'no-such-file' cannot be read: ENOENT: no such file or directory"],
    ['test', "EISDIR: 'test' is a directory; to send it use: tar c test | tcp-pipe send"],
    ['3099', "'3099' cannot be read: ENOENT"],
  ] as const) {
    const { code, stderr } = await run(t, ['send', 'README.md', file, '--to', target.to], { faults: [says] })
    t.equal(code, 2)
    t.match(stderr, /^[^\n]+\n$/)
  }
  for (const [file, says] of [
    ['no-such-file', "--from: 'no-such-file' cannot be read: ENOENT"],
    ['test', "--from: EISDIR: 'test' is a directory; to send it use: tar c test | tcp-pipe serve --once --from -"],
  ] as const)
    t.equal((await run(t, ['serve', '0', '--from', file], { faults: [says] })).code, 2)
  t.equal(dialled, 0)
})

t.test('control characters in what was typed are escaped in the message', async t => {
  const { code, stderr } = await run(t, ['serve', '\x1b[2J'], { faults: ['\\e[2J'] })
  t.equal(code, 2)
  t.notMatch(stderr, '\x1b')
})

t.test('--help: usage, examples first, exit 0', async t => {
  for (const line of [
    ['--help'],
    [],
    ['serve', '--help'],
    ['send', '--help'],
    ['help', 'serve'],
    ['transforms', '-h'],
  ]) {
    const { code, stdout, stderr } = await run(t, line)
    t.equal(code, 0, line.join(' '))
    t.equal(stderr, '')
    t.match(String(stdout), line[0] === 'transforms' ? /^Usage: / : /^Examples:\n( {2}.+\n)+\nUsage: tcp-pipe/)
    for (const each of String(stdout).split('\n')) t.ok(each.length <= 100, `a line of ${each.length}`)
  }
})

t.test('-- before the command changes nothing: exit 0, and no help on stderr', async t => {
  for (const [line, same] of [
    [['--'], []],
    [['help', '--', '--'], ['help']],
    [
      ['--', 'help', '--', 'send'],
      ['send', '--help'],
    ],
  ] as const)
    t.same(await run(t, [...line]), await run(t, [...same]), line.join(' '))
})

t.test('--version: the version of the package, exit 0', async t => {
  for (const line of [['--version'], ['-V']]) {
    const { code, stdout } = await run(t, line)
    t.equal(code, 0)
    t.match(String(stdout), /^\d+\.\d+\.\d+\S*\n$/)
  }
})

t.test('help into a closed pipe is no failure with a stack trace', async t => {
  const { stderr } = await shell(t, 'tcp-pipe serve --help | true; tcp-pipe transforms --markdown | true')
  t.equal(stderr, '')
})
