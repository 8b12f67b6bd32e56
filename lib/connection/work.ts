/** Carries out the work of a connection, to its summary. */
import type { Summary } from '../stats/summary.js'
import type { OpenConnection } from './connection.js'

/**
 * The connection ends when the promise resolves, and fails when it rejects. Resolves with the summary, also after a
 * failure, or when its owner closes the connection before.
 */
export function carriedOut(connection: OpenConnection, work: Promise<void>): Promise<Summary> {
  const finish = () => void connection.finish().catch(() => {}) // what it rejects with, `closed` does, too
  connection.onFailed(() => void Promise.resolve().then(finish)) // when all that fails together has failed
  work.then(finish, error => connection.fail(error))
  return connection.closed
}
