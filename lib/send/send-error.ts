/** The rejection of a call that transfers, after its connection has opened. */

import type { Summary } from '../stats/summary.js'
import { errorCode, type TimeoutName } from '../text/errors.js'

/** The rejection of `send` or `pipe` after it has connected: the error that ended the connection, with its summary. */
export interface SendError extends Error {
  readonly summary: Summary
  /** An `ErrorCode` or a system error code, such as `ECONNRESET`. */
  readonly code?: string
  /** The timeout that expired, if any. */
  readonly timeout?: TimeoutName
}

/** Returns whether an error comes from a `send` or a `pipe` that had connected, and so has a summary. */
export function isSendError(error: unknown): error is SendError {
  return error instanceof Error && 'summary' in error
}

/** An error of the user may be frozen: it is the cause, then. */
export function withSummary(error: Error, summary: Summary): SendError {
  const code = errorCode(error)
  const own = Object.isExtensible(error) ? error : new Error(error.message, { cause: error })
  return Object.assign(own, own !== error && code !== undefined && { code }, { summary })
}
