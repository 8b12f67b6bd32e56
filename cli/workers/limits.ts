/** The limits of all workers together: each worker asks before it lets a client in. */
import type { Reason } from '../../lib/index.js'
import { openTally } from '../../lib/server/tally.js'

export interface LimitValues {
  readonly maxConnections?: number | undefined
  readonly maxPerIp?: number | undefined
}

/** The clients of one worker, by the numbers of its questions. */
export interface Guests {
  /** Counts a client, or returns why it may not come in. */
  enter(ask: number, remote: string): Reason | undefined
  left(ask: number): void
  /** The worker is dead. */
  allLeft(): void
}

/** Returns a function that opens the count for one more worker. */
export function openLimits({ maxConnections = Number.POSITIVE_INFINITY, maxPerIp }: LimitValues): () => Guests {
  const tally = openTally(maxPerIp)
  let open = 0
  return () => {
    const guests = new Map<number, () => void>()
    return {
      enter(ask, remote) {
        if (open >= maxConnections) return 'maxConnections'
        const leave = tally.enter(remote)
        if (!leave) return 'maxPerIp'
        open++
        guests.set(ask, leave)
        return undefined
      },
      left(ask) {
        const leave = guests.get(ask)
        if (!leave) return
        guests.delete(ask)
        open--
        leave()
      },
      allLeft() {
        for (const ask of guests.keys()) this.left(ask)
      },
    }
  }
}
