/** The end of a leg: a peer that still sends would get a reset from the kernel, and lose what it has not read yet. */
import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import type { Leg } from '../endpoints/endpoint.js'

/** Milliseconds that a peer has to end after us before we close. */
export const lingerTime = 1000

/**
 * Ends our side of it, and waits until it is closed. A leg that has failed is closed by its reset. One that is still read,
 * by a handler, has the end of its peer awaited without limit, unless its owner closes it.
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
