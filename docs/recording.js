// Records the program: a server, a proxy and a client, each in a terminal. Prints an SVG, the same for every run:
// times, ports and the connection's id are replaced. `npm run docs` makes docs/recording.svg of it. Needs script(1).
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { drawing, parse } from './terminal-svg.js'

const cli = fileURLToPath(new URL('../dist/bundle/cli.js', import.meta.url))

/** Milliseconds that each line may take to come. */
const patience = 30_000

/** Wider than any line, so that none is wrapped whatever the times are. */
const columns = 200

/**
 * The terminals. In what runs, PORT is a free port or that of the terminal before. `typed` is when its command appears,
 * in seconds, and `lines` when each line that it prints appears.
 */
const terminals = [
  {
    shown: "tcp-pipe serve --reply -t 'replace world streams'",
    runs: "tcp-pipe serve 127.0.0.1:0 --reply -t 'replace world streams'",
    port: 3099,
    typed: 0.3,
    lines: [2, 7, 9.5],
  },
  {
    shown: 'tcp-pipe proxy 4000 127.0.0.1:3099 --both dump',
    runs: 'tcp-pipe proxy 127.0.0.1:0 127.0.0.1:PORT --both dump',
    port: 4000,
    typed: 2.4,
    lines: [4.1, 6.7, 7.5, 7.5, 8.5, 8.5, 9.5],
  },
  {
    shown: "echo 'hello, world' | tcp-pipe send --to 127.0.0.1:4000",
    runs: "echo 'hello, world' | tcp-pipe send --to 127.0.0.1:PORT",
    typed: 4.5,
    lines: [6.7, 8.9, 9.8],
  },
]

const opened = []
try {
  const ports = new Map()
  for (const each of terminals) {
    const [before] = [...ports.keys()].slice(-1)
    const terminal = open(each.runs.replace('PORT', before))
    opened.push(terminal)
    if (each.port) ports.set(portIn((await terminal.shows(1))[0]), each.port)
  }
  const panes = []
  for (const [i, { shown, typed, lines }] of terminals.entries()) {
    const texts = (await opened[i].shows(lines.length)).map(line => settle(line, ports, 52100 + i))
    panes.push({ command: shown, typed, lines: texts.map((text, i) => ({ runs: parse(text), at: lines[i] })) })
  }
  process.stdout.write(
    drawing(panes, 'A client sends a line through a proxy, which dumps it, to a server that replies'),
  )
} finally {
  for (const { close } of opened.reverse()) await close()
}

/** A command in a terminal of its own: `shows(n)` resolves with its first n lines, `close` interrupts it. */
function open(command) {
  const program = command.replace('tcp-pipe', `'${process.execPath}' '${cli}'`)
  const script = `stty rows 24 cols ${columns} -echo; ${program}`
  const child = spawn('script', ['-q', '-e', '-c', script, '/dev/null'], {
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      SHELL: '/bin/sh',
      LC_ALL: 'C.UTF-8',
      TERM: 'xterm-256color',
    },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  let output = ''
  let over = false
  let wake = () => {}
  const closed = new Promise(resolve => child.on('error', resolve).on('close', resolve)).then(() => {
    over = true
    wake()
  })
  child.stdin.on('error', () => {}) // it has ended
  child.stdout.setEncoding('utf8').on('data', text => {
    output += text
    wake()
  })
  const shows = async count => {
    const late = AbortSignal.timeout(patience)
    late.onabort = () => wake()
    for (;;) {
      const lines = output.split('\r\n')
      if (lines.length > count) return lines.slice(0, count)
      if (late.aborted || over) break
      await new Promise(resolve => {
        wake = resolve
      })
    }
    throw new Error(`${command}: fewer than ${count} lines: ${JSON.stringify(output)}`)
  }
  const close = async () => {
    child.stdin.end('\x03')
    const timer = setTimeout(() => child.kill('SIGKILL'), patience)
    await closed
    clearTimeout(timer)
  }
  return { shows, close }
}

/** The port in the line that says where a server listens. */
function portIn(line) {
  const [, port] = /listening on 127\.0\.0\.1:(\d+)/.exec(line) ?? []
  if (port === undefined) throw new Error(`does not listen: ${line}`)
  return port
}

/** Replaces what differs from run to run. `ports` are those that listen; every other one becomes `client`. */
function settle(line, ports, client) {
  return line
    .replace(/\d\d:\d\d:\d\d/, '10:14:02')
    .replace(/127\.0\.0\.1:(\d+)/g, (_, port) => `127.0.0.1:${ports.get(port) ?? client}`)
    .replace(/ in [\d.]+ m?s\b/, ' in 24 ms')
    .replace(
      /([→←]) \w+ (.*) \+[\d.]+ m?s /,
      (_, arrow, remote) => `${arrow} hok3e17oxd ${remote} +${arrow === '→' ? '0.0' : '8.1'} ms `,
    )
}
