/** The program as a child process: start it, wait for what it logs, see that it logged nothing unexpected. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect, createServer, type NetConnectOpts, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import type { Test } from 'tap'
import { cli, root } from '../project/support.js'

export { cli, root }

/** In scripts, `tcp-pipe` is the program. */
export const prelude = `tcp-pipe() { '${process.execPath}' '${cli}' "$@"; }\n`

export interface LogLine {
  level: number
  msg: string
  [key: string]: unknown
}

export interface Options {
  /** What stdin gives; it ends after that. Default: nothing. Null leaves it open. */
  input?: string | Uint8Array | null
  env?: Record<string, string>
  cwd?: string
  /** stdin, stdout and stderr, as for spawn. Default: three pipes. */
  stdio?: ('pipe' | 'ignore' | number)[]
  /**
   * Parts of the error lines that must come, each once. Any other error line, and whatever is neither a JSON line nor
   * `tcp-pipe: …`, fails the test. Undefined: none. Null: nothing is checked, as where stderr is a terminal.
   */
  faults?: readonly (string | RegExp)[] | null
  /** Milliseconds that it may run. */
  timeout?: number
  /** Of a terminal. Default: 100. */
  columns?: number
}

export interface Result {
  code: number | null
  signal: NodeJS.Signals | null
  stdout: Buffer
  stderr: string
  logs: LogLine[]
}

export interface Process {
  child: ChildProcess
  pid: number
  /** What it has logged so far. */
  logs: LogLine[]
  stdout(): Buffer
  stderr(): string
  /** Resolves with the first log line that has this message (and fulfils the condition). */
  logged(msg: string, condition?: (line: LogLine) => boolean): Promise<LogLine>
  /** Resolves when stdout has given this many bytes, this text, or what matches. */
  printed(what: number | string | RegExp): Promise<Buffer>
  kill(signal: NodeJS.Signals): void
  ended: Promise<Result>
}

export interface ServerProcess extends Process {
  port: number
  /** As `--to` takes it. */
  to: string
}

/** Any program. tap would load itself into each child, with signal handlers of its own: `env` keeps it out. */
export function launch(t: Test, command: string, args: readonly string[], options: Options = {}): Process {
  const { input, cwd, stdio = ['pipe', 'pipe', 'pipe'], faults = [], timeout = 20_000 } = options
  const child = spawn('env', ['-u', 'NODE_OPTIONS', command, ...args], {
    cwd: cwd ?? root,
    env: { ...cleanEnvironment(), TCP_PIPE_LOG_FORMAT: 'json', ...options.env },
    stdio: stdio as ['pipe', 'pipe', 'pipe'],
    detached: true,
  })
  const pid = child.pid as number
  const logs: LogLine[] = []
  const strange: string[] = []
  const output: Buffer[] = []
  let size = 0
  let stderr = ''
  let unread = ''
  let timedOut = false
  const watchers = new Set<() => void>()
  const wake = () => {
    for (const watcher of watchers) watcher()
  }
  const takeLine = (line: string) => {
    if (line === '') return
    try {
      logs.push(JSON.parse(line))
    } catch {
      strange.push(line)
    }
  }

  child.stdin?.on('error', () => {})
  if (input !== null) child.stdin?.end(input)
  child.stdout?.on('data', (chunk: Buffer) => {
    output.push(chunk)
    size += chunk.length
    wake()
  })
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
    const lines = (unread + text).split('\n')
    unread = lines.pop() as string
    for (const line of lines) takeLine(line)
    wake()
  })

  const timer = setTimeout(() => {
    timedOut = true
    signalGroup(pid, 'SIGKILL')
  }, timeout)
  const stdout = () => Buffer.concat(output)
  const ended = once(child, 'close').then(([code, signal]) => {
    clearTimeout(timer)
    if (unread !== '') strange.push(unread)
    unread = ''
    wake()
    return { code, signal, stdout: stdout(), stderr, logs }
  })

  cleanup(t, async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGTERM')
      child.kill('SIGCONT')
      const last = setTimeout(() => signalGroup(pid, 'SIGKILL'), 500)
      await once(child, 'exit')
      clearTimeout(last)
    }
    signalGroup(pid, 'SIGKILL') // what it has left behind
    await ended
    if (timedOut) throw new Error(`${command} ${args.join(' ')}: still running after ${timeout} ms\n${stderr}`)
    if (faults) checkFaults(`${command} ${args.join(' ')}`, logs, strange, faults)
  })

  async function until<T>(what: string, condition: () => T | undefined): Promise<T> {
    for (;;) {
      const value = condition()
      if (value !== undefined) return value
      const hasEnded = child.exitCode !== null || child.signalCode !== null
      if (child.stdout?.readableEnded !== false && child.stderr?.readableEnded !== false && hasEnded)
        throw new Error(`${command} ${args.join(' ')} ended without ${what}; stderr: ${stderr}`)
      await new Promise<void>((resolve, reject) => {
        const late = setTimeout(() => reject(new Error(`no ${what} in 15 s; stderr: ${stderr}`)), 15_000)
        const watcher = () => {
          watchers.delete(watcher)
          clearTimeout(late)
          resolve()
        }
        watchers.add(watcher)
      })
    }
  }

  return {
    child,
    pid,
    logs,
    stdout,
    stderr: () => stderr,
    logged: (msg, condition = () => true) =>
      until(`log line '${msg}'`, () => logs.find(line => line.msg === msg && condition(line))),
    printed: what =>
      until(`output ${what}`, () => {
        const enough =
          typeof what === 'number'
            ? size >= what
            : what instanceof RegExp
              ? what.test(String(stdout()))
              : stdout().includes(what)
        return enough ? stdout() : undefined
      }),
    kill: signal => void child.kill(signal),
    ended,
  }
}

/** A running tcp-pipe. */
export function tcpPipe(t: Test, args: readonly string[], options: Options = {}): Process {
  return launch(t, process.execPath, [cli, ...args], options)
}

/** tcp-pipe, run to its end. */
export function run(t: Test, args: readonly string[], options: Options = {}): Promise<Result> {
  return tcpPipe(t, args, options).ended
}

/** A shell script, run to its end; `tcp-pipe` in it is the program. */
export function shell(t: Test, script: string, options: Options = {}): Promise<Result> {
  return launch(t, 'bash', ['-c', prelude + script], options).ended
}

/** `tcp-pipe serve`, listening. */
export function serve(t: Test, args: readonly string[], options?: Options): Promise<ServerProcess> {
  return listening(t, ['serve', ...args], options)
}

/** `tcp-pipe proxy`, listening. */
export function proxy(t: Test, args: readonly string[], options?: Options): Promise<ServerProcess> {
  return listening(t, ['proxy', ...args], options)
}

async function listening(t: Test, args: readonly string[], options?: Options): Promise<ServerProcess> {
  const process = tcpPipe(t, args, { input: null, ...options })
  const { port, address, family } = await process.logged('listening')
  const host = family === 'IPv6' ? `[${address}]` : address
  return Object.assign(process, { port: Number(port), to: family === 'unix' ? `unix:${address}` : `${host}:${port}` })
}

/** A connection of the test's own; its errors are in `failed`. */
export async function dial(t: Test, to: number | NetConnectOpts): Promise<Socket & { failed?: Error }> {
  const socket: Socket & { failed?: NodeJS.ErrnoException } = connect({
    allowHalfOpen: true,
    ...(typeof to === 'number' ? { port: to, host: '127.0.0.1' } : to),
  })
  cleanup(t, () => void socket.destroy())
  socket.on('error', error => {
    socket.failed = error
  })
  await once(socket, 'connect')
  return socket
}

/** A connection to a program that cannot say when it listens. The path of a socket exists before it accepts. */
export async function reached(t: Test, to: number | NetConnectOpts): Promise<Socket> {
  let socket: Socket | undefined
  await eventually('a connection', async () => {
    socket = await dial(t, to).catch(() => undefined)
    return socket !== undefined
  })
  return socket as Socket
}

/** Sends, ends its side, and gives what comes back. */
export async function exchange(t: Test, to: number | NetConnectOpts, data: string | Uint8Array): Promise<Buffer> {
  const socket = await dial(t, to)
  socket.end(data)
  return bounded(buffer(socket), 'an answer')
}

/** A server of the test's own on a free port. */
export async function listen(
  t: Test,
  handler: (socket: Socket) => void,
  where: { host?: string; path?: string } = { host: '127.0.0.1' },
): Promise<Server & { to: string }> {
  const sockets = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true }, socket => {
    sockets.add(socket)
    socket.on('error', () => {})
    handler(socket)
  })
  server.listen(where.path === undefined ? { ...where, port: 0 } : where)
  await once(server, 'listening')
  cleanup(t, () => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  const address = server.address()
  const to = address && typeof address === 'object' ? `${where.host}:${address.port}` : `unix:${where.path}`
  return Object.assign(server, { to })
}

/** A port nobody listens on, for now. */
export async function freePort(): Promise<number> {
  const port = 11_000 + Math.floor(Math.random() * 21_000) // below those that the system gives to others meanwhile
  const server = createServer().listen(port, '127.0.0.1')
  try {
    await once(server, 'listening')
  } catch {
    return freePort()
  }
  server.close()
  await once(server, 'close')
  return port
}

/** A port that answers nothing: its queue is full, and whoever owns it never accepts. */
export async function blackHole(t: Test): Promise<number> {
  const script = `
    const server = require('node:net').createServer().listen(0, '127.0.0.1', 1, () => {
      require('node:fs').writeSync(1, server.address().port + '\\n')
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
    })`
  const hole = launch(t, process.execPath, ['-e', script], { input: null, faults: null })
  const port = Number(await hole.printed('\n'))
  await Promise.all([dial(t, port), dial(t, port)]) // as many as a queue of one holds
  return port
}

/** Resolves when a socket is closed, no matter with which error. */
export function closed(socket: Socket): Promise<unknown> {
  return socket.closed ? Promise.resolve() : new Promise(resolve => socket.once('close', resolve))
}

/** What a process has in memory. */
export function residentBytes(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024
}

/** The promise, or a rejection that says what did not come. */
export async function bounded<T>(promise: Promise<T>, what: string, time = 15_000): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} did not come within ${time} ms`)), time)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

type Condition = () => boolean | Promise<boolean>

/** Asks again and again, for what raises no event (a file, the memory of another process). */
export async function eventually(what: string, condition: Condition, time = 10_000): Promise<void> {
  const end = Date.now() + time
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`${what}: not within ${time} ms`)
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}

/** For `t.test(title, { skip: missing('nc') }, …)`: the reason to skip, or false. */
export function missing(program: string): string | false {
  const found = spawnSync('sh', ['-c', `command -v ${program}`]).status === 0
  return found ? false : `${program} is not installed`
}

/** Bytes in which every position is recognisable. */
export function pattern(size: number): Buffer {
  const data = Buffer.allocUnsafe(size)
  for (let i = 0; i < size; i++) data[i] = (i * 31 + (i >> 8) * 7 + (i >> 16)) & 0xff
  return data
}

const cleanups = new WeakMap<Test, (() => unknown)[]>()

/** Like `t.teardown`, the last one first; but all of them are done, and then the first failure fails the test. */
export function cleanup(t: Test, work: () => unknown): void {
  const known = cleanups.get(t)
  if (known) return void known.push(work)
  const list = [work]
  cleanups.set(t, list)
  t.teardown(async () => {
    const failures: unknown[] = []
    for (const each of list.reverse()) {
      try {
        await each()
      } catch (error) {
        failures.push(error)
      }
    }
    if (failures.length > 0) throw failures[0]
  })
}

/** A directory with a short path, as the address of a unix socket needs it. */
export function shortDirectory(t: Test, parent = tmpdir()): string {
  const directory = mkdtempSync(join(parent, 'tcp-pipe-'))
  cleanup(t, () => rmSync(directory, { recursive: true, force: true }))
  return directory
}

function checkFaults(what: string, logs: LogLine[], strange: string[], expected: readonly (string | RegExp)[]): void {
  const messages = [
    ...logs.filter(({ level }) => !(level < 50)).map(line => JSON.stringify(line)),
    ...strange.filter(line => line.startsWith('tcp-pipe: ')),
  ]
  const unexpected = strange.filter(line => !line.startsWith('tcp-pipe: '))
  const absent: (string | RegExp)[] = []
  for (const part of expected) {
    const at = messages.findIndex(line => (typeof part === 'string' ? line.includes(part) : part.test(line)))
    if (at < 0) absent.push(part)
    else messages.splice(at, 1)
  }
  unexpected.push(...messages)
  if (unexpected.length > 0) throw new Error(`${what}: unexpected on stderr:\n${unexpected.join('\n')}`)
  if (absent.length > 0) throw new Error(`${what}: missing on stderr: ${absent.join(', ')}`)
}

function cleanEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => !/^(TAP|_TAPJS|TCP_PIPE|TS_NODE|CI$|_$|NO_COLOR|FORCE_COLOR)/.test(name),
    ),
  )
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal)
  } catch {
    // it has gone
  }
}

/** A shell script on a terminal of 24 lines, by default of 100 columns; what it shows is on stdout, and input is typed. */
export function onTerminal(t: Test, script: string, { columns = 100, ...options }: TerminalOptions = {}): Process {
  const whole = `stty rows 24 cols ${columns} -echo; ${prelude}${script}`
  return launch(t, 'script', ['-q', '-e', '-c', whole, '/dev/null'], {
    input: null,
    faults: null,
    ...options,
    env: { SHELL: '/bin/bash', LC_ALL: 'C.UTF-8', NO_COLOR: '1', TCP_PIPE_LOG_FORMAT: '', ...options.env },
  })
}

export interface TerminalOptions extends Options {
  columns?: number
}

/** What a terminal shows after these bytes: its lines, where the cursor stands, and whether it is the alternate screen. */
export function screen(output: Buffer): { lines: string[]; row: number; cursor: boolean; alternate: boolean } {
  let lines: string[] = []
  let [row, column, cursor] = [0, 0, true]
  let saved: [number, number] = [0, 0]
  let main: { lines: string[]; row: number; column: number } | undefined
  for (const [token] of String(output)
    .replaceAll('\x1b', '␛')
    .matchAll(/␛\[[?\d;]*[A-Za-z]|␛[78]|[\s\S]/gu)) {
    const line = (lines[row] ?? '').padEnd(column)
    const count = Number(/\d+/.exec(token)?.[0] ?? 1)
    if (token === '\n') row++
    else if (token === '\r') column = 0
    else if (token === '␛7') saved = [row, column]
    else if (token === '␛8') [row, column] = saved
    else if (token === '␛[?25l') cursor = false
    else if (token === '␛[?25h') cursor = true
    else if (/^␛\[\?2026[hl]$/.test(token)) continue
    else if (token === '␛[?1049h') {
      main ??= { lines, row, column }
      lines = []
    } else if (token === '␛[?1049l') {
      ;({ lines, row, column } = main ?? { lines, row, column })
      main = undefined
    } else if (token === '␛[H') [row, column] = [0, 0]
    else if (/^␛\[\d*A$/.test(token)) row = Math.max(0, row - count)
    else if (/^␛\[\d*B$/.test(token)) row += count
    else if (/^␛\[\d*G$/.test(token)) column = Number(token.slice(2, -1) || 1) - 1
    else if (/^␛\[0?K$/.test(token)) lines[row] = line.slice(0, column)
    else if (token === '␛[2K') lines[row] = ''
    else if (token === '␛[2J') lines = []
    else if (token === '␛[J') lines.splice(row, lines.length, line.slice(0, column))
    else if (token.startsWith('␛')) throw new Error(`unexpected control ${token}`)
    else lines[row] = line.slice(0, column) + token + line.slice(++column)
  }
  return {
    lines: Array.from(lines, line => (line ?? '').trimEnd()),
    ...{ row, cursor, alternate: main !== undefined },
  }
}
