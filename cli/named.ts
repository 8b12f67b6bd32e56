/** Errors of the system that do not say which of several addresses they mean. */
import { errorCode, errorMessage, TcpPipeError } from '../lib/text/errors.js'

/** The error, with the name of its option. */
export function named(option: string, error: unknown): Error {
  const message = `${option}: ${errorMessage(error)}`
  if (error instanceof TcpPipeError) return new TcpPipeError(error.code, message, { cause: error })
  return Object.assign(new Error(message, { cause: error }), { code: errorCode(error) })
}
