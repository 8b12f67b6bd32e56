/** Counts how long connections lasted. */
import type { Durations } from './snapshot.js'

export interface DurationCounter {
  /** Counts a duration in milliseconds. */
  add(duration: number): void
  stats(): Durations
}

const [second, minute, hour, day] = [1000, 60_000, 3_600_000, 86_400_000]

/** The upper bounds of the buckets: from a request on loopback to a connection that is never closed. */
const bounds = [10, 50, 100, 500, second, 5 * second, 10 * second, minute, 10 * minute, hour, 6 * hour, day]

export function countDurations(): DurationCounter {
  const counts = bounds.map(() => 0)
  let count = 0
  let sum = 0

  function add(duration: number): void {
    const index = bounds.findIndex(bound => duration <= bound)
    if (index >= 0) counts[index] = (counts[index] as number) + 1
    count++
    sum += duration
  }

  function stats(): Durations {
    let total = 0
    const buckets = bounds.map((upTo, i) => {
      total += counts[i] as number
      return { upTo, count: total }
    })
    return { buckets, count, sum }
  }

  return { add, stats }
}
