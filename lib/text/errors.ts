import { inspect } from 'node:util'
import { escapeLine } from './escape.js'
import { optionName } from './option-name.js'

/** All codes of `TcpPipeError`. System errors (`ECONNRESET`, `ENOENT` …) pass through unchanged. */
export type ErrorCode =
  | 'ERR_ADDRESS' // an invalid address
  | 'ERR_OPTION' // an option that is unknown, missing, conflicting or out of range
  | 'ERR_SPEC' // an invalid transform spec
  | 'ERR_MODULE' // a user module that cannot be imported or exports no stage
  | 'ERR_STAGE' // a stage that cannot be used as given
  | 'ERR_STAGE_RESULT' // a stage returned a value that its unit does not allow
  | 'ERR_RECORD_TOO_LONG' // a line or JSON value longer than maxRecord
  | 'ERR_JSON' // input that is not JSON
  | 'ERR_INPUT' // input that is invalid for a transform (not hex, not gzip …)
  | 'ERR_OUTPUT_LIMIT' // a decompressor exceeded max or ratio
  | 'ERR_EXEC' // the program of a stage failed
  | 'ERR_FILE_EXISTS' // an output file already exists
  | 'ERR_FILE_REPLACED' // another program replaced the partial file of an output file
  | 'ERR_TIMEOUT' // a timeout expired; `timeout` names it
  | 'ERR_LIMIT' // a connection sent more bytes than allowed
  | 'ERR_PIN' // the public key of a TLS server matches no pin
  | 'ERR_UNEXPECTED_EOF' // a TLS peer closed without close_notify
  | 'ERR_TARGET' // the target of a connection closed early
  | 'ERR_NATS' // a NATS server cannot be reached, refuses, or has not stored in time
  | 'ERR_FAULT' // a fault stage failed on purpose
  | 'ERR_SESSION' // a reliable session failed: refused, given up, broken, or the digests differ
  | 'ERR_PROXY_PROTOCOL' // a client has sent no valid header of the PROXY protocol, or may send none
  | 'ERR_CLOSED' // the server was closed during the connection

/** The error class of tcp-pipe. The message names the option, the value and what is allowed. */
export class TcpPipeError extends Error {
  /** The kind of the error. */
  readonly code: ErrorCode

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'TcpPipeError'
    this.code = code
  }
}

/** The timeouts that a connection can have. */
export type TimeoutName =
  | 'connect'
  | 'handshake'
  | 'first-byte'
  | 'idle'
  | 'half-closed'
  | 'duration'
  | 'drain'
  | 'wait'

/** An `ERR_TIMEOUT` with the name of the timeout in `timeout`. */
export function timeoutError(timeout: TimeoutName, what: string): TcpPipeError & { readonly timeout: TimeoutName } {
  return Object.assign(new TcpPipeError('ERR_TIMEOUT', `${timeout} timeout: ${what}`), { timeout })
}

/** The error for a line or JSON value longer than `maxRecord`. */
export function tooLong(what: string, maxRecord: number): TcpPipeError {
  const limit = `${optionName('maxRecord')}, ${maxRecord} bytes`
  return new TcpPipeError('ERR_RECORD_TOO_LONG', `a ${what} is longer than ${limit}`)
}

/** The error of a stream that closes before its end, for no known reason. */
export function prematureClose(): Error {
  return Object.assign(new Error('Premature close'), { code: 'ERR_STREAM_PREMATURE_CLOSE' })
}

/** The error of an aborted operation; its cause is the signal's reason. */
export function abortError(signal: AbortSignal): Error {
  const error = new Error('The operation was aborted', { cause: signal.reason })
  return Object.assign(error, { name: 'AbortError', code: 'ABORT_ERR' })
}

/** The code of one of our errors or of a system error (`ECONNRESET`), or undefined. */
export function errorCode(error: unknown): string | undefined {
  try {
    return error instanceof Error && 'code' in error ? String(error.code) : undefined
  } catch {
    return undefined // code of the user
  }
}

/**
 * Returns what was thrown as an Error. Streams treat a falsy error as no error. A value that throws when it is shown, such
 * as an object without a prototype, is the cause of another error.
 */
export function toError(thrown: unknown): Error {
  try {
    if (!(thrown instanceof Error)) return new Error(String(thrown), { cause: thrown })
    for (const name of ['message', 'code', 'stack'] as const) `${(thrown as NodeJS.ErrnoException)[name]}`
    return thrown
  } catch {
    return new Error('a value was thrown that has no text', { cause: thrown })
  }
}

/** Whether the system reports that the peer has reset the connection, or has closed it and takes no more data. */
export function isReset(error: unknown): boolean {
  const code = errorCode(error)
  return code === 'ECONNRESET' || code === 'EPIPE'
}

/**
 * Returns a one-line message. Escapes control characters, because a message can contain bytes from a peer. Never empty,
 * not even for an AggregateError of several addresses.
 */
export function errorMessage(error: unknown): string {
  return escapeLine(messageOf(error)) || 'unknown error'
}

/** Calls a function of the user. Reports what it throws, or what its promise rejects with. */
export function attempt(call: () => unknown, report: (error: unknown) => void): void {
  try {
    const result = call() as { then?: unknown } | null | undefined
    if (typeof result?.then === 'function') Promise.resolve(result).catch(report)
  } catch (error) {
    report(error)
  }
}

/** Describes a value: `an array`, `an object (Readable)`, `a number`. */
export function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  if (Array.isArray(value)) return 'an array'
  return typeof value === 'object' ? `an object (${value.constructor?.name ?? 'no class'})` : `a ${typeof value}`
}

/** Returns the candidate closest to `word`, within two edits, or undefined. */
export function closest(word: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined
  let least = Math.min(2, Math.ceil(word.length / 2)) + 1
  for (const candidate of candidates) {
    const distance = editDistance(word, candidate)
    if (distance < least) [best, least] = [candidate, distance]
  }
  return best
}

/** `; did you mean 'hex'?` or an empty string. */
export function didYouMean(word: string, candidates: Iterable<string>): string {
  const match = closest(word, candidates)
  return match === undefined ? '' : `; did you mean '${match}'?`
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return typeof error === 'string' ? error : inspect(error, { depth: 0 })
  const several = error instanceof AggregateError ? error.errors.map(errorMessage).join('; ') : ''
  return error.message || several || errorCode(error) || error.name
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(change, (row[j] as number) + 1, (next[j - 1] as number) + 1))
    }
    row = next
  }
  return row[b.length] as number
}
