/** Carries out the work of a connection, to its summary. */
import type { Summary } from '../stats/summary.js'
import type { OpenConnection } from './connection.js'

/**
 * The connection ends when the promise resolves, and fails when it rejects. Resolves with the summary, also after a
 * failure, or when its owner closes the connection before.
 */
export function carriedOut(connection: OpenConnection, work: Promise<void>): Promise<Summary> {
  return Promise.race([work, connection.failed, connection.closed])
    .catch(error => connection.fail(error))
    .then(() => connection.finish())
}
