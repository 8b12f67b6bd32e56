/** Counts the open connections of each address. */
import { parseIp } from '../endpoints/ip.js'

export interface Tally {
  /** The number of addresses with an open connection. */
  readonly size: number
  /** Counts a connection. Returns a function that uncounts it, once, or undefined at the limit. */
  enter(address: string): (() => void) | undefined
}

/**
 * Allows at most `max` connections per address. Counts IPv4-mapped IPv6 as IPv4. Counts other IPv6 by /64 prefix: one
 * subscriber usually controls a whole /64, so a limit per single address would have no effect. Counts other text
 * literally.
 */
export function openTally(max = Number.POSITIVE_INFINITY): Tally {
  const counts = new Map<string, number>()

  function enter(address: string): (() => void) | undefined {
    const key = keyOf(address)
    const count = counts.get(key) ?? 0
    if (count >= max) return undefined
    counts.set(key, count + 1)
    let isIn = true
    return () => {
      if (isIn) leave(key)
      isIn = false
    }
  }

  function leave(key: string): void {
    const count = counts.get(key) as number
    if (count > 1) counts.set(key, count - 1)
    else counts.delete(key)
  }

  return {
    get size() {
      return counts.size
    },
    enter,
  }
}

function keyOf(address: string): string {
  const ip = parseIp(address)
  return ip ? `IPv${ip.family} ${ip.family === 4 ? ip.value : ip.value >> 64n}` : address
}
