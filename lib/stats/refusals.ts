/** Connections that were turned away: counted by reason, and told in few lines, however many they are. */
import type { Logger } from 'pino'

/** Why a connection was turned away: the access lists or a limit. */
export type Reason = 'access' | 'maxConnections' | 'maxPerIp'

export interface Refusals {
  /** How many there have been. */
  readonly total: number
  /** `remote` is what is known of the peer. */
  add(reason: Reason, remote: string | undefined): void
  /** Logs what has not been told yet, and the sum. */
  end(): void
}

type Counts = Partial<Record<Reason, number>>

/** Logs the first one at once, and from then on at most one line in so many milliseconds. */
export function openRefusals(log: Logger | undefined, interval = 10_000): Refusals {
  const all: Counts = {}
  let untold: Counts = {}
  let total = 0
  let last: string | undefined
  let toldAt = Number.NEGATIVE_INFINITY
  let timer: NodeJS.Timeout | undefined

  function add(reason: Reason, remote: string | undefined): void {
    total++
    last = remote
    for (const counts of [all, untold]) counts[reason] = (counts[reason] ?? 0) + 1
    if (!log || timer) return
    const wait = toldAt + interval - performance.now()
    if (wait > 0) timer = setTimeout(tell, wait).unref()
    else tell()
  }

  function tell(): void {
    clearTimeout(timer)
    timer = undefined
    toldAt = performance.now()
    log?.warn({ refused: untold, remote: last }, 'connections refused')
    untold = {}
  }

  function end(): void {
    if (timer) tell()
    if (total > 0) log?.warn({ refused: all, total }, 'connections refused over all')
  }

  return {
    get total() {
      return total
    },
    add,
    end,
  }
}
