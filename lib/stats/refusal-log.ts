/** Log lines about refused clients, limited in number. */
import type { Logger } from 'pino'
import { errorMessage } from '../text/errors.js'
import type { Reason, ServerStats } from './snapshot.js'

export interface RefusalLog {
  /** Counts a refusal. `remote` is the address of the peer; `error` says more than the reason. */
  add(reason: Reason, remote: string, error?: Error): void
  /** Logs the pending refusals and the totals. */
  end(totals: ServerStats['refused']): void
}

/** Logs the first refusal immediately, and then at most one line per `interval` milliseconds. */
export function refusalLog(log: Logger, interval = 10_000): RefusalLog {
  let untold: Partial<Record<Reason, number>> = {}
  let last: { remote: string; error?: string } | undefined
  let toldAt = Number.NEGATIVE_INFINITY
  let timer: NodeJS.Timeout | undefined

  function add(reason: Reason, remote: string, error?: Error): void {
    last = { remote, ...(error && { error: errorMessage(error) }) }
    untold[reason] = (untold[reason] ?? 0) + 1
    if (timer) return
    const wait = toldAt + interval - performance.now()
    if (wait > 0) timer = setTimeout(tell, wait).unref()
    else tell()
  }

  function tell(): void {
    clearTimeout(timer)
    timer = undefined
    toldAt = performance.now()
    log.warn({ refused: untold, ...last }, 'connections refused')
    untold = {}
  }

  function end(totals: ServerStats['refused']): void {
    if (timer) tell()
    const refused = Object.fromEntries(Object.entries(totals).filter(([, count]) => count > 0))
    const total = Object.values(refused).reduce((sum, count) => sum + count, 0)
    if (total > 0) log.warn({ refused, total }, 'connections refused in total')
  }

  return { add, end }
}
