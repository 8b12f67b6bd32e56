import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { accessSync, constants, statSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { Duplex, type Readable } from 'node:stream'
import { blockBytes, type Context, defineTransform, words } from '../lib/stages/define.js'
import { errorMessage, TcpPipeError } from '../lib/text/errors.js'
import { escapeLine } from '../lib/text/escape.js'

/** Passes the bytes through a program: they are its stdin, and its stdout is what goes on. */
export const exec = defineTransform({
  name: 'exec',
  summary: 'pass the bytes through a program',
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
    "The words are the program's as they are: there is no shell that could take a part of them for something else. For a " +
    "pipe of programs write `exec sh -c 'sort | uniq -c'`. Each connection has a program of its own, started with its " +
    'first bytes or, if there are none, at its end. It learns who the peer is from its environment only: `TCP_PIPE_ID`, ' +
    '`TCP_PIPE_REMOTE`, `TCP_PIPE_PORT` (not for a unix socket) and `TCP_PIPE_DIRECTION` (`forward` or `reply`).\n\n' +
    'A program that ends with another exit code than 0, or by a signal, fails the connection once its output has been read; ' +
    "for `grep`, which ends with 1 if nothing matches, write `exec sh -c 'grep word || true'`. One that ends with 0 " +
    'before its input does, as `head -1`, ends the stream; what still comes is discarded. Each line on its stderr is ' +
    'logged as a warning.\n\n' +
    'Many programs hold their output back until there are some KiB of it, unless they are told not to: `jq --unbuffered`, ' +
    '`sed -u`, `grep --line-buffered`. One that is silent for longer than the timeouts of the connection needs longer ' +
    'ones. When the connection fails, the program and what it has started (its process group) get a SIGTERM, and those ' +
    'that are still there 2 seconds later a SIGKILL.',
  create: ({ command }, context) => programStream(command, context),
})

/** Why a program cannot be started, in words that follow the name of the transform. */
function obstacle(program: string): string | undefined {
  if (program.includes('/'))
    return isExecutable(program) ? undefined : `command: there is no executable file '${program}'`
  const folders = (process.env.PATH ?? '/usr/bin:/bin').split(delimiter)
  const found = folders.some(folder => isExecutable(join(folder, program)))
  return found ? undefined : `command: program '${program}' is not found in PATH`
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
    // In a process group of its own: it can be ended as a whole, and a Ctrl-C is for us to deal with.
    const opened = spawn(program, words, { env: environment(context), detached: true, windowsHide: true })
    opened.on('error', error => stream.destroy(startError(program, error)))
    if (opened.pid === undefined) return opened
    watch(opened)
    let lastLine = ''
    readLines(opened.stderr, line => {
      lastLine = line
      context.log.warn({ direction: context.connection?.direction, program, stderr: line }, 'exec')
    })
    opened.stdin.on('error', () => {}) // the callbacks tell
    opened.stdout.on('data', chunk => stream.push(chunk) || opened.stdout.pause())
    opened.on('close', (code, signal) => {
      over = true
      failure = failureOf(program, code, signal, lastLine)
      if (failure && !stream.destroyed && signalGroup(opened, 0)) endGroup(opened)
      end()
    })
    return opened
  }

  /** If it cannot be started, its error comes. */
  function use(action: (child: ChildProcessWithoutNullStreams) => void): void {
    try {
      child ??= open()
      if (child.pid !== undefined) action(child)
    } catch (error) {
      stream.destroy(startError(command[0] as string, error as Error))
    }
  }

  /** An error would take what has not been read with it: it waits for that. */
  function end(): void {
    if (!failure) stream.push(null)
    else if (stream.readableLength === 0) stream.destroy(failure)
  }

  const stream = new Duplex({
    writableHighWaterMark: blockBytes,
    readableHighWaterMark: 0, // read() is called when everything has been read, and not before
    write(chunk, _encoding, callback) {
      // What the program does not take is discarded, and not at once: an endless source would keep the event loop.
      use(({ stdin }) => stdin.write(chunk, error => (error ? setImmediate(callback) : callback())))
    },
    final(callback) {
      use(({ stdin }) => stdin.end(() => callback()))
    },
    read() {
      if (over) end()
      else child?.stdout.resume()
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
    TCP_PIPE_DIRECTION: connection?.direction,
  }
}

/** The most that is told of a line. */
const longestLine = 1024

function readLines(stream: Readable, tell: (line: string) => void): void {
  let rest = ''
  stream.setEncoding('utf8')
  stream.on('data', (text: string) => {
    const lines = (rest + text).split('\n')
    rest = (lines.pop() as string).slice(0, longestLine + 1)
    for (const line of lines) if (line) tell(shorten(line))
  })
  stream.on('end', () => rest && tell(shorten(rest)))
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
  const how = signal ? `was ended by ${signal}` : `failed with exit code ${code}`
  return new TcpPipeError('ERR_EXEC', `exec: ${escapeLine(program)} ${how}${lastLine && `: ${lastLine}`}`)
}

const running = new Set<ChildProcessWithoutNullStreams>()

/** A program in a group of its own would outlive a process that is ended by a signal. */
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

/** Milliseconds that a program has to end when it is told to. */
const patience = 2000

/** `done` is called when it has gone. Its pipes are closed first: something else that holds them is not waited for. */
function terminate(child: ChildProcessWithoutNullStreams, done: () => void): void {
  const cancel = endGroup(child)
  child.once('close', () => {
    cancel()
    done()
  })
  for (const pipe of [child.stdin, child.stdout, child.stderr]) pipe.destroy()
}

/** SIGTERM, and later SIGKILL, unless nobody is left when it is cancelled. */
function endGroup(child: ChildProcessWithoutNullStreams): () => void {
  const timer = setTimeout(() => signalGroup(child, 'SIGKILL'), patience)
  const cancel = () => {
    if (!signalGroup(child, 0)) clearTimeout(timer)
  }
  signalGroup(child, 'SIGTERM')
  return cancel
}

/** False if nobody is left. */
function signalGroup({ pid }: ChildProcessWithoutNullStreams, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(-(pid as number), signal)
  } catch {
    return false // it has gone, or is another user's by now
  }
}
