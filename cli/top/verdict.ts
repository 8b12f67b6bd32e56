/** Which place of a connection is the slowest. */
import type { ConnectionStats } from '../../lib/index.js'

/** A line for people; undefined as long as there is nothing to say. */
export function verdictLine(_connection: ConnectionStats): string | undefined {
  return undefined
}
