import { inspect } from 'node:util'
import { escapeLine } from './escape.js'

/** Every code that a `TcpPipeError` can carry. System errors (`ECONNRESET`, `ENOENT` …) pass through as they are. */
export type ErrorCode =
  | 'ERR_ADDRESS' // a text or an object that is no address
  | 'ERR_OPTION' // an option that is unknown, missing, contradicting or out of range
  | 'ERR_SPEC' // a transform spec that cannot be parsed
  | 'ERR_MODULE' // a module of a user's that cannot be imported or exports no stage
  | 'ERR_STAGE' // a stage that cannot be used as given
  | 'ERR_STAGE_RESULT' // a stage gave back a value that its unit does not allow
  | 'ERR_RECORD_TOO_LONG' // a line or a JSON value over the length cap
  | 'ERR_JSON' // input that is not JSON
  | 'ERR_INPUT' // input that a transform cannot read (no hex, no gzip …)
  | 'ERR_OUTPUT_LIMIT' // a decompressor over its output or ratio cap
  | 'ERR_EXEC' // a program that a stage runs has failed
  | 'ERR_FILE_EXISTS' // an output file that exists already
  | 'ERR_TIMEOUT' // a timeout has passed; `timeout` says which
  | 'ERR_LIMIT' // more bytes than a connection may send
  | 'ERR_PIN' // a TLS server whose public key is none of those pinned
  | 'ERR_UNEXPECTED_EOF' // a TLS peer has closed without saying that this is the end
  | 'ERR_TARGET' // the address that a connection is sent to has closed before its end
  | 'ERR_FAULT' // a stage that makes faults has failed on purpose
  | 'ERR_CLOSED' // the server was closed while the connection ran

/** The one error class of tcp-pipe: the message names the thing, the value and what is allowed. */
export class TcpPipeError extends Error {
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

/** An `ERR_TIMEOUT` that says in `timeout` which it was. */
export function timeoutError(timeout: TimeoutName, what: string): TcpPipeError & { readonly timeout: TimeoutName } {
  return Object.assign(new TcpPipeError('ERR_TIMEOUT', `${timeout} timeout: ${what}`), { timeout })
}

/** A line or a JSON value over the cap. */
export function tooLong(what: string, maxRecord: number): TcpPipeError {
  return new TcpPipeError('ERR_RECORD_TOO_LONG', `a ${what} is longer than maxRecord, ${maxRecord} bytes`)
}

/** What an aborted operation rejects with; the signal's reason is its cause. */
export function abortError(signal: AbortSignal): Error {
  const error = new Error('The operation was aborted', { cause: signal.reason })
  return Object.assign(error, { name: 'AbortError', code: 'ABORT_ERR' })
}

/** The code of an error of ours or of the system (`ECONNRESET`), or undefined. */
export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined
}

/**
 * One line that says what went wrong, its control characters escaped: a peer's bytes can be part of it. Never empty,
 * not even for an AggregateError of several addresses.
 */
export function errorMessage(error: unknown): string {
  return escapeLine(messageOf(error)) || 'unknown error'
}

/** What a value is, in words: `an array`, `an object (Readable)`, `a number`. */
export function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  if (Array.isArray(value)) return 'an array'
  return typeof value === 'object' ? `an object (${value.constructor?.name ?? 'no class'})` : `a ${typeof value}`
}

/** What a person most probably meant: the candidate within two edits of `word`, if there is one. */
export function closest(word: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined
  let least = Math.min(2, Math.ceil(word.length / 2)) + 1
  for (const candidate of candidates) {
    const distance = editDistance(word, candidate)
    if (distance < least) [best, least] = [candidate, distance]
  }
  return best
}

/** `; did you mean 'hex'?` or nothing. */
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
