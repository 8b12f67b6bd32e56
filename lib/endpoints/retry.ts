/** Retries of a connection attempt. */
import { setTimeout as delay } from 'node:timers/promises'
import type { DialOptions } from './endpoint.js'

/** Retries until an attempt succeeds or fails with a final error, at most `retry` times. Rejects with the last error. */
export async function retried<T>(
  attempt: () => Promise<T>,
  options: DialOptions,
  number = 0,
  isFinal: (error: unknown) => boolean = () => false,
): Promise<T> {
  const { retry = 0, retryInterval, signal, onRetry } = options
  try {
    return await attempt()
  } catch (error) {
    if (number >= retry || signal?.aborted || isFinal(error)) throw error
    const wait = retryInterval ?? growing(number)
    onRetry?.(error, wait)
    await delay(wait, undefined, { signal })
    return retried(attempt, options, number + 1, isFinal)
  }
}

/** From 0.1 to 5 seconds, with jitter, so that many clients do not come back at once. */
export function growing(number: number): number {
  return Math.round(Math.min(5000, 100 * 2 ** number) * (0.5 + Math.random() / 2))
}
