/** Signals, a closed stdout, and exit codes. */
import { constants as files, readFileSync } from 'node:fs'
import { constants } from 'node:os'
import { basename } from 'node:path'
import { isatty } from 'node:tty'
import { noteInterrupt } from './terminal.js'

/** The exit code after the reader of stdout has closed it: what a shell reports for SIGPIPE. */
export const closedPipe = 128 + constants.signals.SIGPIPE

/**
 * All other signals that end a process and can be caught, where the system has them. Not among them: those of a fault
 * in the program (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS), after which no code may run; SIGUSR1, which starts
 * Node's debugger; SIGPIPE and SIGXFSZ, which Node ignores.
 */
const fatal = (
  [
    ...(['SIGQUIT', 'SIGABRT', 'SIGUSR2', 'SIGALRM', 'SIGXCPU', 'SIGVTALRM', 'SIGPROF'] as const),
    ...(['SIGIO', 'SIGPWR', 'SIGSTKFLT'] as const),
  ] satisfies NodeJS.Signals[]
).filter(signal => signal in constants.signals)

/** Milliseconds in which a repeated signal counts once: npx and timeout(1) forward what the whole group already got. */
const sameSignal = 300

/** Maximum milliseconds for the last lines before the process is ended. */
const lastWords = 200

/** What a command does at signals. */
export interface SignalActions {
  /** Called at the first SIGINT or SIGTERM. Default: the process ends at once, as at the second. */
  drain?: ((signal: NodeJS.Signals) => void) | undefined
  /** Called at SIGHUP. Default: the process ends at once. It also does if it has lost its terminal. */
  reload?: (() => void) | undefined
  /** The primary of this process does what SIGINT, SIGTERM and SIGHUP ask for: here, they do nothing. Default: false. */
  isLed?: boolean | undefined
  /** Resets what runs. When it resolves, or after 200 ms, the process dies of the signal. */
  reset(signal: NodeJS.Signals): unknown
}

/**
 * Handles every signal that ends a process and can be caught: if the kernel ended the process, it would close its
 * connections as if they were complete. Returns a function that stops it.
 */
export function onSignals({ drain, reload, reset, isLed = false }: SignalActions): () => void {
  const terminals = [0, 1, 2].filter(isatty)
  let seen: { signal: NodeJS.Signals; at: number } | undefined
  let dying = false

  const die = async (signal: NodeJS.Signals) => {
    if (dying) return
    dying = true
    await Promise.race([reset(signal), new Promise(resolve => setTimeout(resolve, lastWords))])
    dieOf(signal)
  }
  const request = (signal: NodeJS.Signals) => {
    const now = performance.now()
    if (signal === 'SIGINT') noteInterrupt()
    if (!seen && drain) {
      seen = { signal, at: now }
      drain(signal)
    } else if (signal !== seen?.signal || now - seen.at > sameSignal) void die(signal)
  }
  const hangUp = () => {
    if (isNohup) reload?.()
    else if (reload && terminals.every(isatty)) reload()
    else void die('SIGHUP')
  }

  const isNohup = isUnderNohup()
  const isHandled = handledSignals()
  const handlers: [NodeJS.Signals, (signal: NodeJS.Signals) => void][] = [
    ['SIGINT', isLed ? ignore : request],
    ['SIGTERM', isLed ? ignore : request],
    ['SIGHUP', isLed ? ignore : hangUp],
    ...fatal.filter(signal => !isHandled(signal)).map(signal => [signal, die] as [NodeJS.Signals, typeof die]),
  ]
  for (const [signal, handler] of handlers) process.on(signal, handler)
  return () => {
    for (const [signal, handler] of handlers) process.off(signal, handler)
  }
}

/**
 * nohup(1) ignores SIGHUP, but Node resets that at its start. Two traces remain: the shell's `_`, which names the
 * program it has started, and a stdin that was a terminal, in whose place nohup opens /dev/null for writing only.
 */
function isUnderNohup(): boolean {
  const flags = Number.parseInt(/^flags:\s*(\d+)/m.exec(readProc('fdinfo/0'))?.[1] ?? '0', 8)
  return basename(process.env._ ?? '') === 'nohup' || (flags & (files.O_RDWR | files.O_WRONLY)) === files.O_WRONLY
}

/** Signals that Node handles at its start, such as those of its profiler and of its reports, keep their meaning. */
function handledSignals(): (signal: NodeJS.Signals) => boolean {
  const caught = BigInt(`0x${/^SigCgt:\s*(\w+)/m.exec(readProc('status'))?.[1] ?? '0'}`)
  return signal => ((caught >> BigInt(constants.signals[signal] - 1)) & 1n) === 1n
}

/** Empty where the system has no such file. */
function readProc(name: string): string {
  try {
    return readFileSync(`/proc/self/${name}`, 'latin1')
  } catch {
    return ''
  }
}

function ignore(): void {}

/** Ends the process by the signal, so that the shell sees 130 or 143. Runs the exit handlers first. */
export function dieOf(signal: NodeJS.Signals): void {
  process.removeAllListeners(signal)
  process.emit('exit', 128 + constants.signals[signal])
  process.kill(process.pid, signal)
}

/** Ends the process after a time, unless it ends by itself: a full stdout or stderr would keep it alive. */
export function exitAfter(time: number): void {
  setTimeout(() => process.exit(), Math.max(time, lastWords)).unref()
}

let onError: ((error: NodeJS.ErrnoException) => void) | undefined

/**
 * Calls `closed` when the reader closes stdout, `failed` when a write fails for another reason. A later call replaces
 * the callbacks. Without a listener Node would end the process with a stack trace.
 */
export function onStdoutError(closed: () => void, failed: (error: Error) => void): void {
  if (onError) process.stdout.off('error', onError)
  let hasFailed = false
  onError = error => {
    if (hasFailed) return // each further write fails, too
    hasFailed = true
    if (error.code === 'EPIPE') closed()
    else failed(error)
  }
  process.stdout.on('error', onError)
}

/** For a command whose data goes to stdout: when its reader closes it, sets the exit code, logs it, and mutes the log. */
export function onClosedStdout(log: { info(message: string): void }, mute: () => void, closed = () => {}): void {
  onStdoutError(
    () => {
      process.exitCode = closedPipe
      closed()
      log.info('stdout was closed by its reader')
      mute()
    },
    () => {},
  )
}
