/** Ends a leg. A peer that still sends would get a reset from the kernel, and lose data that it has not read yet. */
import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import type { Leg } from '../endpoints/endpoint.js'

/** Milliseconds to wait for the peer's end after the local end, before the leg closes. */
export const lingerTime = 1000

/**
 * Ends the local side and waits until the leg is closed. A reset closes a leg that has failed. If a handler still reads
 * the leg, waits for the peer's end without limit, unless its owner closes the leg.
 */
export async function leave(leg: Leg, hasFailed: () => boolean, isClosing = false): Promise<void> {
  const { stream } = leg
  if (!hasFailed()) stream.end()
  if (!hasFailed() && !stream.readableEnded && (isClosing || !isRead(stream))) await linger(leg)
  if (!stream.closed) await new Promise(resolve => stream.once('close', resolve))
}

function isRead(stream: Duplex): boolean {
  return stream.listenerCount('data') + stream.listenerCount('readable') > 0
}

async function linger({ stream, bytes }: Leg): Promise<void> {
  if (!stream.writableFinished) await Promise.race([once(stream, 'finish'), once(stream, 'close')]).catch(() => {})
  if (bytes.out > 0 && !stream.destroyed) {
    const timer = setTimeout(() => stream.destroy(), lingerTime)
    stream.once('close', () => clearTimeout(timer))
    stream.once('end', () => stream.destroy())
    stream.resume()
  } else stream.destroy()
}
