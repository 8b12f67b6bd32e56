/** The figures of a server, again and again. */
import { setTimeout } from 'node:timers/promises'
import type { ControlClient, Snapshot } from './client.js'

/** A snapshot per interval, until the server ends or `end` aborts. */
export async function* snapshots(
  client: ControlClient,
  interval: number,
  end: AbortController,
): AsyncGenerator<Snapshot> {
  const { signal } = end
  const ended = new Promise<undefined>(resolve => {
    signal.addEventListener('abort', () => resolve(undefined))
  })
  const abort = () => end.abort()
  if (client.over.aborted) return
  client.over.addEventListener('abort', abort)
  while (!signal.aborted) {
    const stats = await Promise.race([client.stats(), ended])
    if (!stats) return
    yield stats
    await setTimeout(interval, undefined, { signal }).catch(() => {})
  }
}
