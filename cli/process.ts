/** Signals, a closed stdout, and exit codes. */
import { constants } from 'node:os'
import { isatty } from 'node:tty'

/** The exit code after the reader of stdout has closed it: what a shell reports for SIGPIPE. */
export const closedPipe = 128 + constants.signals.SIGPIPE

const signals = ['SIGINT', 'SIGTERM'] as const

/** Milliseconds in which a repeated signal counts once: npx and timeout(1) forward what the whole group already got. */
const sameSignal = 300

/** Maximum milliseconds for `second` to finish. */
const lastWords = 200

/** Calls `first` at the first signal and `second` at the next one; then the process dies of that signal. */
export function onSignals(first: (signal: NodeJS.Signals) => void, second: () => unknown): () => void {
  let seen: { signal: NodeJS.Signals; at: number } | undefined
  const handler = async (signal: NodeJS.Signals) => {
    const now = performance.now()
    if (!seen) {
      seen = { signal, at: now }
      first(signal)
    } else if (signal !== seen.signal || now - seen.at > sameSignal) {
      await Promise.race([second(), new Promise(resolve => setTimeout(resolve, lastWords))])
      dieOf(signal)
    }
  }
  for (const signal of signals) process.on(signal, handler)
  return () => {
    for (const signal of signals) process.off(signal, handler)
  }
}

/**
 * Calls `reload` at SIGHUP, if given. If the process has lost its terminal, SIGHUP ends it as usual.
 */
export function onHangUp(reload: (() => void) | undefined): () => void {
  if (!reload) return () => {}
  const terminals = [0, 1, 2].filter(isatty)
  const handler = () => {
    if (!terminals.every(isatty)) dieOf('SIGHUP')
    else reload()
  }
  process.on('SIGHUP', handler)
  return () => void process.off('SIGHUP', handler)
}

/** Ends the process by the signal, so that the shell sees 130 or 143. Runs the exit handlers first. */
export function dieOf(signal: NodeJS.Signals): void {
  process.removeAllListeners(signal)
  process.emit('exit', 128 + constants.signals[signal])
  process.kill(process.pid, signal)
}

let onError: ((error: NodeJS.ErrnoException) => void) | undefined

/**
 * Calls `closed` when the reader closes stdout, `failed` when a write fails for another reason. A later call replaces
 * the callbacks. Without a listener Node would end the process with a stack trace.
 */
export function onStdoutError(closed: () => void, failed: (error: Error) => void): void {
  if (onError) process.stdout.off('error', onError)
  onError = error => (error.code === 'EPIPE' ? closed() : failed(error))
  process.stdout.once('error', onError)
}
