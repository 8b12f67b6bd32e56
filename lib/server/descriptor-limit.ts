/** What the system allows this process. */
import { readFileSync } from 'node:fs'

/** Descriptors that are kept for what is not a connection: standard streams, the event loop, files, the listener. */
const reserved = 64

/**
 * How many connections fit under the limit of open files, each with so many descriptors. Without it Node stops
 * accepting at the limit and says nothing. Infinity where the system does not tell.
 */
export function connectionLimit(descriptorsEach: number, file = '/proc/self/limits'): number {
  const limit = Number(/^Max open files +(\d+)/m.exec(readLimits(file))?.[1] ?? Number.POSITIVE_INFINITY)
  return Math.max(1, Math.floor((limit - reserved) / descriptorsEach))
}

function readLimits(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
