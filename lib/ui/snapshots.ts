/** The figures of the server now and a second ago, which all who look share. */
import { type Look, openLook } from '../server/look.js'
import type { ConnectionStats, ServerStats } from '../stats/snapshot.js'
import type { Shown } from './shown.js'

export interface Snapshot {
  /** Timestamp of `performance.now()`. */
  readonly time: number
  readonly stats: ServerStats
  readonly byId: ReadonlyMap<string, ConnectionStats>
  /** The snapshot that rates and shares are counted from, about a second older. */
  readonly before: Snapshot | undefined
  ratesOf(connection: ConnectionStats): { readonly rateIn: number; readonly rateOut: number }
}

/** Milliseconds for which a snapshot is fresh, and between the two that are compared. */
const fresh = 250
const apart = 900

export class Snapshots {
  readonly #shown: Shown
  readonly #look: Look
  #past: Snapshot[] = []

  constructor(shown: Shown) {
    this.#shown = shown
    this.#look = openLook(shown, () => {
      this.#past = []
    })
  }

  now(): Snapshot {
    this.#look.now()
    const time = performance.now()
    const last = this.#past.at(-1)
    if (last && time - last.time < fresh) return last
    const before = this.#past.findLast(each => time - each.time >= apart)
    const snapshot = take(this.#shown.stats(), time, before)
    this.#past = [...this.#past.filter(each => !before || each.time >= before.time), snapshot]
    return snapshot
  }

  close(): void {
    this.#look.end()
  }
}

function take(stats: ServerStats, time: number, earlier: Snapshot | undefined): Snapshot {
  const byId = new Map(stats.connections.map(each => [each.id, each]))
  const before = earlier && { ...earlier, before: undefined }
  return {
    ...{ time, stats, byId, before },
    ratesOf(connection) {
      const past = before?.byId.get(connection.id)
      const span = connection.age - (past?.age ?? 0)
      return {
        rateIn: perSecond(connection.bytesIn - (past?.bytesIn ?? 0), span),
        rateOut: perSecond(connection.bytesOut - (past?.bytesOut ?? 0), span),
      }
    },
  }
}

/** A rate in whole units per second. */
export function perSecond(amount: number, milliseconds: number): number {
  return milliseconds > 0 ? Math.max(0, Math.round((amount * 1000) / milliseconds)) : 0
}
