/** Converts a Writable or a Web `WritableStream` to the Writable at the end of a pipeline. */
import { Writable } from 'node:stream'
import { guardWrites } from '../formats/guard.js'
import { isWebWritable, type WebWritable, type WebWriter } from '../formats/web.js'
import { describe, TcpPipeError, toError } from '../text/errors.js'
import type { Sink } from './endpoint.js'

const shared = new WeakMap<WebWritable, Writable>()

/**
 * Returns a Writable for an output that outlives a connection. The output is never ended. Returns a Writable unchanged.
 * Returns the same Writable each time for a Web `WritableStream`, so that connections can share it. Locks the Web
 * stream only during a write, so that its owner can use it afterwards.
 *
 * @throws `ERR_OPTION` for an output of another type, and for a Web stream that is locked
 */
export function toWritable(output: Writable | WebWritable, name = 'output'): Writable {
  if (isNodeWritable(output)) return guardWrites(output)
  const known = isWebWritable(output) ? shared.get(output) : undefined
  if (known && !known.destroyed) return known
  checkWeb(output, name)
  const writable = lockedByChunk(output, name)
  shared.set(output, writable)
  return writable
}

/**
 * Returns the sink of one connection. Locks a Web `WritableStream`, closes it at the end, and aborts it if the
 * connection fails.
 *
 * @throws `ERR_OPTION` as `toWritable`
 */
export function toSink(output: Sink | WebWritable, name = 'to'): Sink {
  if (isNodeWritable(output)) return guardWrites(output)
  checkWeb(output, name)
  const writer = output.getWriter()
  return new Writable({
    write: (chunk, _encoding, callback) => settle(writer.write(chunk), callback),
    final: callback => settle(writer.close(), callback),
    destroy(error, callback) {
      writer.abort(error ?? undefined).catch(() => {}) // has no effect after the end
      writer.releaseLock()
      callback(error)
    },
  })
}

export function isNodeWritable(value: unknown): value is Writable {
  const { write, on, end, destroy } = (value ?? {}) as Partial<Writable>
  return [write, on, end, destroy].every(method => typeof method === 'function')
}

function lockedByChunk(stream: WebWritable, name: string): Writable {
  return new Writable({
    write(chunk, _encoding, callback) {
      if (stream.locked) return callback(lockError(name))
      const writer = stream.getWriter()
      settle(written(writer, chunk), callback)
    },
  })
}

async function written(writer: WebWriter, chunk: Buffer): Promise<void> {
  try {
    await writer.write(chunk)
  } finally {
    writer.releaseLock()
  }
}

function checkWeb(output: unknown, name: string): asserts output is WebWritable {
  if (!isWebWritable(output)) {
    const message = `${name}: ${describe(output)} is not allowed; expected a Writable, a WritableStream or an address`
    throw new TcpPipeError('ERR_OPTION', message)
  }
  if (output.locked) throw lockError(name)
}

function lockError(name: string): TcpPipeError {
  return new TcpPipeError('ERR_OPTION', `${name}: the WritableStream is locked to another writer`)
}

/** Reports a promise to a callback. The reason of an abort need not be an Error. */
function settle(promise: Promise<void>, callback: (error?: Error | null) => void): void {
  promise.then(
    () => callback(),
    reason => callback(toError(reason)),
  )
}
