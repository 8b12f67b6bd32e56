/** The limit of open files for this process. */
import { readFileSync } from 'node:fs'

/** Descriptors reserved for other uses: standard streams, the event loop, files, the listener. */
const reserved = 64

/**
 * Returns how many connections fit under the limit of open files, given the descriptors per connection. Node itself
 * stops accepting at the limit without an error. Returns Infinity if the limit is unknown.
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
