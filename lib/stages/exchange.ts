/** What the two directions of a connection know of each other: when their last chunks passed. */
import type { Direction } from '../stats/snapshot.js'
import type { ConnectionInfo } from './context.js'

/** The state that stages of both directions of a connection share. */
export interface Exchange {
  /** When the last chunk of a direction passed: milliseconds, as `performance.now()`. */
  readonly passed: Partial<Record<Direction, number>>
  /** The protocol that a direction was recognized to speak. */
  protocol?: string | undefined
}

/** A stage keeps its exchange. The other direction, which begins later, finds it here if not too many began between. */
const mostRecent = 1000

const recent = new Map<string, Exchange>()

/** Returns the same exchange for both directions of a connection; a new one outside a connection. */
export function exchangeOf(connection: Pick<ConnectionInfo, 'id'> | undefined): Exchange {
  if (!connection) return { passed: {} }
  const known = recent.get(connection.id)
  if (known) return known
  const exchange: Exchange = { passed: {} }
  recent.set(connection.id, exchange)
  if (recent.size > mostRecent) recent.delete(recent.keys().next().value as string)
  return exchange
}
