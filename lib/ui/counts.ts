/**
 * What has passed since the page began to count. The figures are totals: several can ask, and who misses an answer has
 * them with the next.
 */
import type { Way } from '../stats/observer.js'

export interface Counts {
  /** The connections that are open. */
  readonly open: number
  readonly accepted: number
  /** Bytes. */
  readonly in: number
  readonly out: number
  /** The number of replies in each class of latency: the classes grow by 5 %, from a microsecond to 18 hours. */
  readonly latencies: Float64Array
}

const classes = 512

/** Milliseconds of the first class, and the logarithm of the ratio of one to the next. */
const least = 0.001
const growth = Math.log(1.05)

export const noCounts: Counts = { open: 0, accepted: 0, in: 0, out: 0, latencies: new Float64Array(classes) }

export class Counter {
  readonly #open: () => number
  readonly #bytes = { in: 0, out: 0 }
  readonly #latencies = new Float64Array(classes)
  #accepted = 0

  constructor(open: () => number) {
    this.#open = open
  }

  accepted(): void {
    this.#accepted++
  }

  passed(way: Way, bytes: number): void {
    this.#bytes[way] += bytes
  }

  replied(milliseconds: number): void {
    const place = Math.round(Math.log(Math.max(milliseconds, least) / least) / growth)
    const index = Math.min(place, classes - 1)
    this.#latencies[index] = (this.#latencies[index] as number) + 1
  }

  now(): Counts {
    return { open: this.#open(), accepted: this.#accepted, ...this.#bytes, latencies: this.#latencies.slice() }
  }
}

export function addCounts(one: Counts, other: Counts): Counts {
  return {
    open: one.open + other.open,
    accepted: one.accepted + other.accepted,
    in: one.in + other.in,
    out: one.out + other.out,
    latencies: one.latencies.map((count, index) => count + (other.latencies[index] as number)),
  }
}

export interface Latencies {
  readonly replies: number
  /** Milliseconds; null without replies. */
  readonly p50: number | null
  readonly p99: number | null
}

/** The latencies of the replies that have come between two counts. */
export function latenciesBetween(earlier: Counts, later: Counts): Latencies {
  const counts = later.latencies.map((count, index) => count - (earlier.latencies[index] as number))
  const replies = counts.reduce((sum, count) => sum + count, 0)
  return { replies, p50: quantile(counts, replies, 0.5), p99: quantile(counts, replies, 0.99) }
}

function quantile(counts: Float64Array, replies: number, share: number): number | null {
  if (replies === 0) return null
  let rest = Math.ceil(replies * share)
  const index = counts.findIndex(count => {
    rest -= count
    return rest <= 0
  })
  return Number((least * Math.exp(index * growth)).toPrecision(3))
}
