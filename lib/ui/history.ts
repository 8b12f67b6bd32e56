/** The throughput and the latency of the last ten minutes, a sample per second. */
import { type Counts, type Latencies, latenciesBetween, noCounts } from './counts.js'

/** Samples in columns. Rates are bytes per second, latencies milliseconds; null without replies. */
export interface History {
  /** Milliseconds between two samples. */
  readonly interval: number
  /** When each second ended: milliseconds since 1970. */
  readonly time: readonly number[]
  readonly in: readonly number[]
  readonly out: readonly number[]
  readonly open: readonly number[]
  readonly accepted: readonly number[]
  readonly replies: readonly number[]
  readonly p50: readonly (number | null)[]
  readonly p99: readonly (number | null)[]
}

interface Sample extends Latencies {
  readonly time: number
  readonly in: number
  readonly out: number
  readonly open: number
  readonly accepted: number
}

const interval = 1000
const mostSamples = 600

/** The timer keeps no process alive. */
export class Recent {
  readonly #count: () => Counts | Promise<Counts>
  readonly #samples: Sample[] = []
  readonly #timer: NodeJS.Timeout
  #before = noCounts
  #since = performance.now()
  #isTaking = false
  /** The number of samples so far. */
  count = 0

  constructor(count: () => Counts | Promise<Counts>) {
    this.#count = count
    this.#timer = setInterval(() => void this.#take(), interval).unref()
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  /** The samples that have come since there were so many. */
  after(count: number): History {
    const samples = this.#samples.slice(Math.max(0, this.#samples.length - (this.count - count)))
    const column = <K extends keyof Sample>(name: K) => samples.map(sample => sample[name])
    return {
      interval,
      ...{ time: column('time'), in: column('in'), out: column('out'), open: column('open') },
      ...{ accepted: column('accepted'), replies: column('replies'), p50: column('p50'), p99: column('p99') },
    }
  }

  /** Counts that come late make a longer second. */
  async #take(): Promise<void> {
    if (this.#isTaking) return
    this.#isTaking = true
    const counts = await this.#count() // never rejects
    const now = performance.now()
    const before = this.#before
    const perSecond = 1000 / Math.max(1, now - this.#since)
    this.#samples.push({
      time: Date.now(),
      in: Math.round((counts.in - before.in) * perSecond),
      out: Math.round((counts.out - before.out) * perSecond),
      open: counts.open,
      accepted: counts.accepted - before.accepted,
      ...latenciesBetween(before, counts),
    })
    if (this.#samples.length > mostSamples) this.#samples.shift()
    this.count++
    this.#since = now
    this.#before = counts
    this.#isTaking = false
  }
}
