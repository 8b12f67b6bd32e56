/** The observer that writes the log. */
import type { Logger } from 'pino'
import { originOf, stackLines } from '../text/blame.js'
import { errorCode, errorMessage, type TimeoutName } from '../text/errors.js'
import { toHundredths } from '../text/quantities.js'
import { formatRemote } from '../text/remote.js'
import type { Observer } from './observer.js'
import { refusalLog } from './refusal-log.js'
import type { Summary } from './summary.js'

/** Logs a line when a server listens, a line for the end of each connection, and few lines for refused clients. */
export function logObserver(log: Logger): Observer {
  const refusals = refusalLog(log)
  return {
    listening: event => log.info(event, 'listening'),
    refused: ({ reason, remote, error }) => refusals.add(reason, remote, error),
    handshakeFailed: ({ remote, error }) => log.warn({ remote, ...failureFields(error) }, handshakeWords(error)),
    closed: summary => logSummary(log, summary),
    stopped: ({ refused }) => refusals.end(refused),
  }
}

function logSummary(log: Logger, summary: Summary): void {
  const { error, warnings, directions, id, number, remote, port, origin, ...rest } = summary
  const connection = { connection: id, remote: formatRemote({ remote, port }) }
  const fields = { ...connection, ...rest }
  if (error) log.error({ ...fields, ...failureFields(error) }, 'connection failed')
  else if (warnings.length > 0) log.warn({ ...fields, warnings }, 'connection closed')
  else log.info(fields, 'connection closed')
  if (!log.isLevelEnabled('debug')) return
  const stages = { ...connection, directions: JSON.parse(JSON.stringify(directions, toHundredths)) }
  log.debug({ ...stages, ...(error && { stack: stackLines(error) }) }, 'what each stage did')
}

/** Returns the log fields of an error. */
function failureFields(error: Error & { timeout?: TimeoutName }): object {
  const { timeout } = error
  return { ...(timeout && { timeout }), code: errorCode(error), error: errorMessage(error), ...originOf(error) }
}

/** What has failed before there was a connection. */
export function handshakeWords(error: unknown): string {
  return errorCode(error) === 'ERR_SESSION' ? 'no reliable session' : 'TLS handshake failed'
}
