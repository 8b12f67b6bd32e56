/** A pair of Web streams, such as `new CompressionStream('gzip')`, as a Duplex. */
import { Duplex } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import { expectedData, toBytes } from '../formats/bytes.js'
import { blockBytes } from '../formats/records.js'
import type { WebTransform } from '../formats/web.js'
import { describe, errorCode, TcpPipeError } from '../text/errors.js'

const names = new WeakMap<Duplex, string>()

/** What a stream is called in figures: by its class, or by that of the pair that it stands for. */
export function streamName(stream: Duplex): string {
  return names.get(stream) ?? stream.constructor.name
}

/**
 * Locks both streams of the pair. The pair gets a chunk when it has taken the one before, and is read when the Duplex is.
 *
 * Not `Duplex.fromWeb`: of a pair that ends its output early it makes an error and loses chunks, and an error of the pair
 * that is no Error is an unhandled rejection (as of Node 26).
 */
export function webStage(pair: WebTransform): Duplex {
  const reader = pair.readable.getReader()
  const writer = pair.writable.getWriter()
  const { name } = pair.constructor

  /** A pair that has ended its output early refuses what still comes. Only its readable side tells whether that is an end. */
  async function settle(done: Promise<void>): Promise<void> {
    try {
      await done
    } catch (error) {
      if (errorCode(error) !== 'ERR_INVALID_STATE') throw error
      await reader.closed
      await setImmediate() // not at once: an endless source would keep the event loop
    }
  }

  async function read(): Promise<void> {
    const { done, value } = await reader.read()
    stream.push(done ? null : bytesOf(value, name))
  }

  const stream = new Duplex({
    readableHighWaterMark: blockBytes,
    writableHighWaterMark: blockBytes,
    write: (chunk, _encoding, callback) => report(settle(writer.write(chunk)), callback),
    final: callback => report(settle(writer.close()), callback),
    read: () => report(read(), error => error && stream.destroy(error)),
    destroy(error, callback) {
      const reason = error ?? undefined
      for (const left of [writer.abort(reason), reader.cancel(reason)]) left.catch(() => {})
      callback(error)
    },
  })
  names.set(stream, name)
  return stream
}

/** The callback runs outside of the promise: what it throws is not the promise's. */
function report(done: Promise<void>, callback: (error?: Error | null) => void): void {
  done.then(
    () => queueMicrotask(callback),
    reason => queueMicrotask(() => callback(toError(reason))),
  )
}

function bytesOf(value: unknown, name: string): Buffer {
  const bytes = toBytes(value)
  if (!bytes) throw new TcpPipeError('ERR_STAGE_RESULT', `${name} gave ${describe(value)}; ${expectedData}`)
  return bytes
}

/** The streams of Node that decompress hide zlib's error in one without a message, from Node 22 on. */
function toError(reason: unknown): Error {
  if (!(reason instanceof Error)) return new Error(String(reason), { cause: reason })
  return reason.message === '' && reason.cause instanceof Error ? reason.cause : reason
}
