/** The figures of a server, again and again. */
import { setTimeout } from 'node:timers/promises'
import type { ControlClient, Snapshot } from './client.js'

/** A snapshot per interval, until the server ends or `end` aborts. With `patience`, fails if one takes longer, in ms. */
export async function* snapshots(
  client: ControlClient,
  interval: number,
  end: AbortController,
  patience?: number,
): AsyncGenerator<Snapshot> {
  const { signal } = end
  const abort = () => end.abort()
  if (client.over.aborted) return
  client.over.addEventListener('abort', abort)
  try {
    while (!signal.aborted) {
      const stats = await until(signal, client.stats(patience))
      if (!stats) return
      yield stats
      await setTimeout(interval, undefined, { signal }).catch(() => {})
    }
  } finally {
    client.over.removeEventListener('abort', abort)
  }
}

/**
 * The result, or undefined if the signal aborts first. A race with one promise for all requests would keep every
 * snapshot until that promise settles.
 */
async function until<T>(signal: AbortSignal, work: Promise<T>): Promise<T | undefined> {
  let stop = () => {}
  const stopped = new Promise<undefined>(resolve => {
    stop = () => resolve(undefined)
  })
  signal.addEventListener('abort', stop)
  try {
    return await Promise.race([work, stopped])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}
