/** Signals, a stdout that its reader has closed, and exit codes. */
import { constants } from 'node:os'
import { isatty } from 'node:tty'

/** Exit code when stdout was closed by its reader, as a shell reports a program that SIGPIPE ended. */
export const closedPipe = 128 + constants.signals.SIGPIPE

const signals = ['SIGINT', 'SIGTERM'] as const

/** Milliseconds in which the same signal is one: npx and timeout(1) pass on what the whole group has had already. */
const sameSignal = 300

/** Milliseconds that what `second` does may take. */
const lastWords = 200

/** `first` is called for the first signal, `second` for the next one; then the process ends by that very signal. */
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
 * SIGHUP: `reload` is called, if there is something to reload; but a hangup of our own terminal, after which that is no
 * terminal any more, ends the process as ever.
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

/** Ends the process as the signal would have: the shell sees 130 or 143. What is to be done at an exit is done before. */
export function dieOf(signal: NodeJS.Signals): void {
  process.removeAllListeners(signal)
  process.emit('exit', 128 + constants.signals[signal])
  process.kill(process.pid, signal)
}

let onError: ((error: NodeJS.ErrnoException) => void) | undefined

/**
 * Calls `closed` when the reader of stdout has gone, `failed` when it cannot take more for another reason; the last call
 * is the one that counts. Without a listener Node would end the process with a stack trace.
 */
export function onStdoutError(closed: () => void, failed: (error: Error) => void): void {
  if (onError) process.stdout.off('error', onError)
  onError = error => (error.code === 'EPIPE' ? closed() : failed(error))
  process.stdout.once('error', onError)
}
