/** Ends a leg. A peer that still sends would get a reset from the kernel, and lose data that it has not read yet. */
import { once } from 'node:events'
import { type Duplex, Writable } from 'node:stream'
import type { Leg, Sink } from '../endpoints/endpoint.js'

/** Milliseconds to wait for the peer's end after the local end, before the leg closes. */
export const lingerTime = 1000

/**
 * Ends the local side and waits until the leg is closed. A reset closes a leg that has failed. If a handler still reads
 * the leg, waits for the peer's end without limit, unless its owner closes the leg.
 */
export async function leave(leg: Leg, hasFailed: () => boolean, isClosing = false): Promise<void> {
  const { stream } = leg
  if (!hasFailed()) stream.end()
  if (stream.closed) return // no event comes any more
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

/** Whether our end is the receipt of a reliable transfer: then it waits until everything is taken. */
export function isTransfer({ session }: Leg): boolean {
  return session?.hello.kind === 'transfer'
}

/** A sink that ends the local side only when the reply is over. `ended` resolves when it has sent everything. */
export function keptOpen({ stream }: Leg, reply: Promise<void>): { sink: Sink; ended: Promise<void> } {
  let resolve: () => void
  const ended = new Promise<void>(resolveIt => {
    resolve = resolveIt
  })
  const sink = new Writable({
    write: (chunk, encoding, callback) => void stream.write(chunk, encoding, callback),
    final(callback) {
      resolve()
      reply.then(() => stream.end(callback), callback)
    },
  })
  stream.once('close', () => sink.destroy())
  return { sink, ended }
}
