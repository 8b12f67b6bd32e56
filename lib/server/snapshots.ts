/** The figures of a server, again and again. */
import type { ServerStats } from '../stats/snapshot.js'
import { checkValues } from '../text/values.js'
import type { Server } from './server.js'

/** The options of `snapshots`. */
export interface SnapshotOptions {
  /** Milliseconds between two snapshots. Default: 1 second. */
  interval?: number | undefined
}

/**
 * Yields `server.stats()` at once, after each interval, and a last time when the server has ended. A slow reader gets
 * fewer snapshots. Keeps no process alive.
 *
 * @throws `ERR_OPTION`
 */
export function snapshots(
  server: Pick<Server, 'stats' | 'closed'>,
  options: SnapshotOptions = {},
): AsyncGenerator<ServerStats, void, void> {
  checkValues(options, { interval: 'time' })
  return take(server, options.interval ?? 1000)
}

async function* take({ stats, closed }: Pick<Server, 'stats' | 'closed'>, interval: number) {
  let isOver = false
  let wake = () => {}
  const end = () => {
    isOver = true
    wake()
  }
  closed.then(end, end)
  await Promise.resolve() // a server that has ended gives one snapshot

  for (let due = performance.now(); ; ) {
    const isLast = isOver
    yield stats()
    if (isLast) return
    const now = performance.now()
    due = Math.max(due + interval, now)
    if (!isOver) await new Promise<void>(resolve => waitUntil(due - now, resolve))
  }

  function waitUntil(time: number, resolve: () => void): void {
    const timer = setTimeout(resolve, time).unref()
    wake = () => {
      clearTimeout(timer)
      resolve()
    }
  }
}
