/** How a command that transfers ends: its exit code, and what its log says of a failure to connect. */

import type { Summary } from '../lib/index.js'
import { isSendError } from '../lib/send/send-error.js'
import { errorCode, errorMessage } from '../lib/text/errors.js'
import type { Logger } from './log.js'

/**
 * Sets the exit code. Logs a failure to connect, or one between two connections; the line of a connection reports how that
 * ended. Resolves with its summary.
 */
export async function report(
  transfer: Promise<Summary>,
  log: Logger,
  signal: AbortSignal,
  hasConnected = () => false,
): Promise<Summary | undefined> {
  try {
    const summary = await transfer
    if (summary.warnings.length > 0) process.exitCode = 1
    return summary
  } catch (error) {
    const fields = { error: errorMessage(error), code: errorCode(error) }
    if (signal.aborted && !isSendError(error))
      log.error(hasConnected() ? 'interrupted' : 'interrupted before it was connected')
    else if (!isSendError(error)) log.error(fields, hasConnected() ? 'failed' : 'cannot connect')
    process.exitCode ??= 1
    return isSendError(error) ? error.summary : undefined
  }
}
