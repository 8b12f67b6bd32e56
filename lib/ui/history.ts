/** The throughput and the latency of the last ten minutes, a sample per second. */
import type { Way } from '../stats/observer.js'

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

interface Sample {
  readonly in: number
  readonly out: number
  readonly open: number
  readonly accepted: number
  readonly replies: number
  readonly p50: number | null
  readonly p99: number | null
}

const interval = 1000
const mostSamples = 600

/** Counts while connections run. The timer keeps no process alive. */
export class Recent {
  readonly #open: () => number
  readonly #samples: (Sample & { readonly time: number })[] = []
  readonly #timer: NodeJS.Timeout
  readonly #bytes = { in: 0, out: 0 }
  readonly #latencies = new Latencies()
  #accepted = 0
  #since = performance.now()
  /** The number of samples so far. */
  count = 0

  constructor(open: () => number) {
    this.#open = open
    this.#timer = setInterval(() => this.#take(), interval).unref()
  }

  accepted(): void {
    this.#accepted++
  }

  passed(way: Way, bytes: number): void {
    this.#bytes[way] += bytes
  }

  replied(milliseconds: number): void {
    this.#latencies.add(milliseconds)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  /** The samples that have come since there were so many. */
  after(count: number): History {
    const samples = this.#samples.slice(Math.max(0, this.#samples.length - (this.count - count)))
    const column = <K extends keyof Sample | 'time'>(name: K) => samples.map(sample => sample[name])
    return {
      interval,
      ...{ time: column('time'), in: column('in'), out: column('out'), open: column('open') },
      ...{ accepted: column('accepted'), replies: column('replies'), p50: column('p50'), p99: column('p99') },
    }
  }

  /** A late timer makes a longer second. */
  #take(): void {
    const now = performance.now()
    const perSecond = 1000 / Math.max(1, now - this.#since)
    this.#samples.push({
      time: Date.now(),
      in: Math.round(this.#bytes.in * perSecond),
      out: Math.round(this.#bytes.out * perSecond),
      open: this.#open(),
      accepted: this.#accepted,
      ...this.#latencies.take(),
    })
    if (this.#samples.length > mostSamples) this.#samples.shift()
    this.count++
    this.#since = now
    this.#bytes.in = 0
    this.#bytes.out = 0
    this.#accepted = 0
  }
}

/** Counts latencies in classes that grow by 5 %, from a microsecond to 18 hours. */
class Latencies {
  readonly #classes = new Uint32Array(512)
  #count = 0

  add(milliseconds: number): void {
    const place = Math.round(Math.log(Math.max(milliseconds, least) / least) / growth)
    const index = Math.min(place, this.#classes.length - 1)
    this.#classes[index] = (this.#classes[index] as number) + 1
    this.#count++
  }

  /** The figures since the last time. */
  take(): Pick<Sample, 'replies' | 'p50' | 'p99'> {
    const taken = { replies: this.#count, p50: this.#quantile(0.5), p99: this.#quantile(0.99) }
    this.#classes.fill(0)
    this.#count = 0
    return taken
  }

  #quantile(share: number): number | null {
    if (this.#count === 0) return null
    let rest = Math.ceil(share * this.#count)
    const index = this.#classes.findIndex(count => {
      rest -= count
      return rest <= 0
    })
    return Number((least * Math.exp(index * growth)).toPrecision(3))
  }
}

const least = 0.001
const growth = Math.log(1.05)
