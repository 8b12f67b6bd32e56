/** A server without a socket, whose figures the test sets. */
import { serverFigures } from '../../lib/stats/server-figures.js'
import type { ServerStats } from '../../lib/stats/snapshot.js'

export interface FakeServer {
  stats(): ServerStats
  readonly closed: Promise<void>
  set(figures: Partial<ServerStats>): void
  /** Settles `closed`: rejects with the error, if there is one. */
  end(error?: Error): void
}

export function fakeServer(): FakeServer {
  let stats = serverFigures().stats([])
  let end!: FakeServer['end']
  const closed = new Promise<void>((resolve, reject) => {
    end = error => (error ? reject(error) : resolve())
  })
  closed.catch(() => {})
  return {
    stats: () => stats,
    closed,
    set: figures => {
      stats = { ...stats, ...figures }
    },
    end,
  }
}
