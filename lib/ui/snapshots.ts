/** The figures of the server now and a second ago, which all who look share. */
import { type Look, openLook } from '../server/look.js'
import type { ConnectionStats, ServerStats } from '../stats/snapshot.js'
import type { Figured } from './shown.js'

/** What was counted at a time. */
interface Count {
  /** Timestamp of `performance.now()`. */
  readonly time: number
  readonly stats: ServerStats
  readonly byId: ReadonlyMap<string, ConnectionStats>
}

export interface Snapshot extends Count {
  /** What rates and shares are counted from, about a second older. */
  readonly before: Count | undefined
  ratesOf(connection: ConnectionStats): { readonly rateIn: number; readonly rateOut: number }
}

/** Milliseconds for which a snapshot is fresh, and between the two that are compared. */
const fresh = 250
const apart = 900

export class Snapshots {
  readonly #shown: Pick<Figured, 'stats' | 'measure' | 'refresh'>
  #refreshing: Promise<void> | undefined
  readonly #look: Look
  #past: Count[] = []
  #last: Snapshot | undefined

  constructor(shown: Pick<Figured, 'stats' | 'measure' | 'refresh'>) {
    this.#shown = shown
    this.#look = openLook(shown, () => {
      this.#past = []
      this.#last = undefined
    })
  }

  /** Those of other processes come later. */
  async latest(): Promise<Snapshot> {
    const { refresh } = this.#shown
    if (!refresh || this.#fresh) return this.now()
    this.#look.now()
    this.#refreshing ??= refresh().finally(() => {
      this.#refreshing = undefined
    })
    await this.#refreshing
    return this.now()
  }

  now(): Snapshot {
    if (this.#fresh) return this.#fresh
    const time = performance.now()
    this.#look.now()
    const before = this.#past.findLast(each => time - each.time >= apart)
    const stats = this.#shown.stats()
    const count = { time, stats, byId: new Map(stats.connections.map(each => [each.id, each])) }
    this.#past = [...this.#past.filter(each => !before || each.time >= before.time), count]
    this.#last = { ...count, before, ratesOf: connection => ratesSince(before, connection) }
    return this.#last
  }

  get #fresh(): Snapshot | undefined {
    return this.#last && performance.now() - this.#last.time < fresh ? this.#last : undefined
  }

  close(): void {
    this.#look.end()
  }
}

function ratesSince(before: Count | undefined, { id, age, bytesIn, bytesOut }: ConnectionStats) {
  const past = before?.byId.get(id)
  const span = age - (past?.age ?? 0)
  return {
    rateIn: perSecond(bytesIn - (past?.bytesIn ?? 0), span),
    rateOut: perSecond(bytesOut - (past?.bytesOut ?? 0), span),
  }
}

/** A rate in whole units per second. */
export function perSecond(amount: number, milliseconds: number): number {
  return milliseconds > 0 ? Math.max(0, Math.round((amount * 1000) / milliseconds)) : 0
}
