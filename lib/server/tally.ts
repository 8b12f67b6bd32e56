/** How many connections each address has now. */
import { parseIp } from '../endpoints/ip.js'

export interface Tally {
  /** How many addresses have a connection; one that has none is forgotten. */
  readonly size: number
  /** Counts a connection. The function that is returned takes it back, once; undefined if that would be one too many. */
  enter(address: string): (() => void) | undefined
}

/**
 * At most `max` of each address. IPv4-mapped IPv6 is counted as IPv4, and other IPv6 by its /64: that is what one
 * subscriber or one machine is given, so that a limit for each single address would be none. What is no address is
 * counted as it is written.
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
