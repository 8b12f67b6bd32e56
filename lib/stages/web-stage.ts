/** Converts a pair of Web streams, such as `new CompressionStream('gzip')`, to a Duplex. */
import { Duplex } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import { expectedData, toBytes } from '../formats/bytes.js'
import { afterDelivery } from '../formats/delivery.js'
import { blockBytes } from '../formats/records.js'
import type { WebTransform } from '../formats/web.js'
import { describe, errorCode, TcpPipeError, toError } from '../text/errors.js'

const names = new WeakMap<Duplex, string>()

/** Returns the name of a stream in figures: its class, or the class of its pair. */
export function streamName(stream: Duplex): string {
  return names.get(stream) ?? stream.constructor.name
}

/**
 * Returns a Duplex and locks both streams of the pair. Writes a chunk after the pair has accepted the previous one.
 * Reads the pair when the Duplex is read.
 *
 * Replaces `Duplex.fromWeb`, which (as of Node 26) fails and loses chunks if the pair ends its output early, and causes
 * an unhandled rejection if the pair fails with a value that is not an Error.
 */
export function webStage(pair: WebTransform): Duplex {
  const reader = pair.readable.getReader()
  const writer = pair.writable.getWriter()
  const { name } = pair.constructor

  /** A pair that ended its output early rejects writes. Only its readable side shows whether that is a normal end. */
  async function settle(done: Promise<void>): Promise<void> {
    try {
      await done
    } catch (error) {
      if (errorCode(error) !== 'ERR_INVALID_STATE') throw error
      await reader.closed
      await setImmediate() // asynchronous: an endless source would block the event loop
    }
  }

  async function read(): Promise<void> {
    const { done, value } = await reader.read()
    stream.push(done ? null : bytesOf(value, name))
  }

  const stream = new Duplex({
    readableHighWaterMark: blockBytes,
    writableHighWaterMark: blockBytes,
    write: (chunk, _encoding, callback) => report(settle(writer.write(chunk)), callback, stream),
    final: callback => report(settle(writer.close()), callback, stream),
    read: () => report(read(), error => error && stream.destroy(error), stream),
    destroy(error, callback) {
      const reason = error ?? undefined
      for (const left of [writer.abort(reason), reader.cancel(reason)]) left.catch(() => {})
      callback(error)
    },
  })
  names.set(stream, name)
  return stream
}

/** Calls the callback outside of the promise, so that its errors do not reject the promise. */
function report(done: Promise<void>, callback: (error?: Error | null) => void, stream: Duplex): void {
  done.then(
    () => queueMicrotask(callback),
    reason => queueMicrotask(() => afterDelivery(stream, () => callback(failureOf(reason)))),
  )
}

function bytesOf(value: unknown, name: string): Buffer {
  const bytes = toBytes(value)
  if (!bytes) throw new TcpPipeError('ERR_STAGE_RESULT', `${name} returned ${describe(value)}; ${expectedData}`)
  return bytes
}

/** From Node 22 on, decompression streams wrap the zlib error in an error without a message. */
function failureOf(reason: unknown): Error {
  const error = toError(reason)
  return error.message === '' && error.cause instanceof Error ? error.cause : error
}
