import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { accessSync, constants, statSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { Duplex, type Readable } from 'node:stream'
import { afterDelivery } from '../lib/formats/delivery.js'
import { blockBytes, type Context, defineTransform, words } from '../lib/stages/define.js'
import { errorMessage, TcpPipeError } from '../lib/text/errors.js'
import { escapeLine } from '../lib/text/escape.js'

/** Pipes the bytes through a program: its stdin gets the input, its stdout is the output. */
export const exec = defineTransform({
  name: 'exec',
  summary: 'pipe the bytes through a program',
  group: 'extend',
  unit: 'bytes',
  indivisible: true,
  options: {
    command: words('the program and its arguments', {
      allowed: 'words without a NUL character',
      check: command => !command.some(word => word.includes('\0')),
    }),
  },
  check: ({ command: [program = ''] }) => obstacle(program),
  example: { spec: 'exec tr a-z A-Z', input: 'Hello\n', output: 'HELLO\n' },
  notes:
    "The words are passed to the program verbatim, without a shell. For a pipe of programs write `exec sh -c 'sort " +
    "| uniq -c'`. Each connection has its own program, started at its first byte or, if there is none, at its end. " +
    'The environment describes the connection: `TCP_PIPE_ID`, the peer `TCP_PIPE_REMOTE`, `TCP_PIPE_PORT`, our side ' +
    '`TCP_PIPE_LOCAL`, `TCP_PIPE_LOCAL_PORT`, and `TCP_PIPE_DIRECTION` (`forward` or `reply`). A unix socket has no ' +
    '`TCP_PIPE_PORT` and no local ones.\n\n' +
    'If the program exits with a code other than 0, or is killed by a signal, the connection fails after its output ' +
    "has been read. `grep` exits with 1 if nothing matches: write `exec sh -c 'grep word || true'`. If the program " +
    'exits with 0 before its input ends, as `head -1` does, the stream ends and further input is discarded. Each ' +
    'line on its stderr is logged as a warning.\n\n' +
    'Many programs buffer some KiB of output unless told otherwise: `jq --unbuffered`, `sed -u`, `grep ' +
    "--line-buffered`. If a program is silent for longer than the connection's timeouts, raise them. When the " +
    "connection fails, the program's process group gets a SIGTERM, and 2 seconds later a SIGKILL; if a signal ends " +
    'tcp-pipe, at once.',
  create: ({ command }, context) => programStream(command, context),
})

/** Says why a program cannot be started; the text follows the transform's name. */
function obstacle(program: string): string | undefined {
  if (program.includes('/'))
    return isExecutable(program) ? undefined : `command: '${program}' is not an executable file`
  const folders = (process.env.PATH ?? '/usr/bin:/bin').split(delimiter)
  const found = folders.some(folder => isExecutable(join(folder, program)))
  return found ? undefined : `command: program '${program}' not found in PATH`
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}

function programStream(command: readonly string[], context: Context): Duplex {
  let child: ChildProcessWithoutNullStreams | undefined
  let over = false
  let failure: TcpPipeError | undefined

  function open(): ChildProcessWithoutNullStreams {
    const [program = '', ...words] = command
    // Its own process group can be killed as a whole, and a Ctrl-C reaches only us.
    const opened = spawn(program, words, { env: environment(context), detached: true, windowsHide: true })
    opened.on('error', error => stream.destroy(startError(program, error)))
    if (opened.pid === undefined) return opened
    watch(opened)
    let lastLine = ''
    readLines(opened.stderr, line => {
      lastLine = line
      context.log.warn({ direction: context.connection?.direction, program, stderr: line }, 'exec')
    })
    opened.stdin.on('error', () => {}) // the write callbacks report it
    opened.stdout.on('data', chunk => stream.push(chunk) || opened.stdout.pause())
    opened.on('close', (code, signal) => {
      over = true
      failure = failureOf(program, code, signal, lastLine)
      if (failure && !stream.destroyed && signalGroup(opened, 0)) endGroup(opened)
      end()
    })
    return opened
  }

  /** Starts the program if needed. A failed start destroys the stream. */
  function use(action: (child: ChildProcessWithoutNullStreams) => void): void {
    try {
      child ??= open()
      if (child.pid !== undefined) action(child)
    } catch (error) {
      stream.destroy(startError(command[0] as string, error as Error))
    }
  }

  function end(): void {
    const error = failure
    if (error) afterDelivery(stream, () => stream.destroy(error))
    else stream.push(null)
  }

  const stream = new Duplex({
    writableHighWaterMark: blockBytes,
    readableHighWaterMark: 0,
    write(chunk, _encoding, callback) {
      // Discards what the program does not take, but asynchronously: an endless source would block the event loop.
      use(({ stdin }) => stdin.write(chunk, error => (error ? setImmediate(callback) : callback())))
    },
    final(callback) {
      use(({ stdin }) => stdin.end(() => callback()))
    },
    read() {
      child?.stdout?.resume() // at the limit of open files a child has no pipes
    },
    destroy(error, callback) {
      if (over || child?.pid === undefined) callback(error)
      else terminate(child, () => callback(error))
    },
  })
  return stream
}

function environment({ connection }: Context): NodeJS.ProcessEnv {
  return {
    ...process.env,
    TCP_PIPE_ID: connection?.id,
    TCP_PIPE_REMOTE: connection?.remote,
    TCP_PIPE_PORT: connection?.port?.toString(),
    TCP_PIPE_LOCAL: connection?.local?.address,
    TCP_PIPE_LOCAL_PORT: connection?.local?.port.toString(),
    TCP_PIPE_DIRECTION: connection?.direction,
  }
}

/** Maximum length of a logged line. */
const longestLine = 1024

function readLines(stream: Readable, onLine: (line: string) => void): void {
  let rest = ''
  stream.setEncoding('utf8')
  stream.on('data', (text: string) => {
    const lines = (rest + text).split('\n')
    rest = (lines.pop() as string).slice(0, longestLine + 1)
    for (const line of lines) if (line) onLine(shorten(line))
  })
  stream.on('end', () => rest && onLine(shorten(rest)))
}

function shorten(line: string): string {
  return escapeLine(line.length > longestLine ? `${line.slice(0, longestLine)}…` : line)
}

function startError(program: string, cause: Error): TcpPipeError {
  return new TcpPipeError('ERR_EXEC', `exec: ${escapeLine(program)} cannot be started: ${errorMessage(cause)}`, {
    cause,
  })
}

function failureOf(program: string, code: number | null, signal: string | null, lastLine: string) {
  if (code === 0) return undefined
  const how = signal ? `was killed by ${signal}` : `failed with exit code ${code}`
  return new TcpPipeError('ERR_EXEC', `exec: ${escapeLine(program)} ${how}${lastLine && `: ${lastLine}`}`)
}

const running = new Set<ChildProcessWithoutNullStreams>()

/** In its own process group, a program would outlive our process if a signal ends it. */
function watch(child: ChildProcessWithoutNullStreams): void {
  if (running.size === 0) process.on('exit', killAll)
  running.add(child)
  child.once('close', () => {
    running.delete(child)
    if (running.size === 0) process.off('exit', killAll)
  })
}

function killAll(): void {
  for (const child of running) signalGroup(child, 'SIGKILL')
}

/** Milliseconds that a program has to exit after SIGTERM. */
const patience = 2000

/** Calls `done` after the program has exited. Closes the pipes first: other processes may hold them open. */
function terminate(child: ChildProcessWithoutNullStreams, done: () => void): void {
  const cancel = endGroup(child)
  child.once('close', () => {
    cancel()
    done()
  })
  for (const pipe of [child.stdin, child.stdout, child.stderr]) pipe.destroy()
}

/** Sends SIGTERM, later SIGKILL. Cancelling skips the SIGKILL if the group is empty. */
function endGroup(child: ChildProcessWithoutNullStreams): () => void {
  const timer = setTimeout(() => signalGroup(child, 'SIGKILL'), patience)
  const cancel = () => {
    if (!signalGroup(child, 0)) clearTimeout(timer)
  }
  signalGroup(child, 'SIGTERM')
  return cancel
}

/** Returns false if the group is empty. */
function signalGroup({ pid }: ChildProcessWithoutNullStreams, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(-(pid as number), signal)
  } catch {
    return false // it has exited, or the id now belongs to another user
  }
}
