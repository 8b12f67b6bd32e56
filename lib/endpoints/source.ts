/** Converts any input to the Readable at the start of a pipeline. */
import { finished, Readable, Writable } from 'node:stream'
import { blocksOf, type Data, expectedData, isData } from '../formats/bytes.js'
import { afterDelivery } from '../formats/delivery.js'
import { checkChunks } from '../formats/guard.js'
import { isWebReadable, type WebReadable } from '../formats/web.js'
import { describe, TcpPipeError, toError } from '../text/errors.js'
import type { Source } from './endpoint.js'

/**
 * The data to send: a Readable or another Node.js stream; a Web `ReadableStream`; an iterable or an async iterable,
 * such as an array or a generator object; a Blob; bytes; or a string, which is the data itself, encoded as UTF-8.
 *
 * A stream or an iterable may yield strings, Buffers, Uint8Arrays, other `ArrayBuffer` views, or ArrayBuffers. Any
 * other value fails the source with `ERR_OPTION`.
 */
export type SourceInput =
  | Source
  | NodeJS.ReadableStream
  | WebReadable
  | Iterable<Data | PromiseLike<Data>>
  | AsyncIterable<Data>
  | Blob
  | Data

/**
 * Converts a user's input to a source. Returns a Readable unchanged. The source owns its input: destroying the source
 * destroys the stream, cancels the Web stream or calls `return()` of the iterator.
 *
 * @throws `ERR_OPTION` for an input of another type, and for a Web stream that is locked
 */
export function toSource(input: SourceInput, name = 'from'): Source {
  if (input instanceof Readable) {
    checkChunks(input, value => chunkError(name, value))
    return input
  }
  if (isData(input)) return pulled(steps(blocksOf(input)), name)
  if (input instanceof Blob) return pulled(steps(blobBlocks(input)), name)
  if (isWebReadable(input)) return pulled(webSteps(input, name), name)
  if (isNodeReadable(input)) return followed(input, name)
  return pulled(steps(iteratorOf(input, name)), name)
}

/** The origin of the values of a source. */
interface Steps {
  next(): Step | PromiseLike<Step>
  /** Called when the source is destroyed before the last value. Its result is ignored. */
  leave(reason: unknown): unknown
}

type Step = { done?: boolean | undefined; value?: unknown }

/**
 * Replaces `Readable.from`, whose `destroy` waits for a `next()` that may never settle, and blocks the pipeline. It
 * also does not split large chunks.
 */
function pulled({ next, leave }: Steps, name: string): Source {
  let blocks: Iterator<Buffer> = blocksOf('')
  let over = false
  let running = false

  /** Reads the next value, split into blocks. */
  async function take(): Promise<void> {
    const { done, value } = await next()
    over = done === true
    if (!over) blocks = blocksOf(dataOf(await value, name))
  }

  /** Awaits nothing between the last `push` and the end of the loop: a `read` in between would be lost. */
  async function fill(): Promise<void> {
    while (!over && !source.destroyed) {
      const block = blocks.next()
      if (block.done) await take()
      else if (!source.push(block.value)) break
    }
    running = false
    if (over) source.push(null)
  }

  const source = new Readable({
    highWaterMark: 64 * 1024,
    read() {
      if (running) return
      running = true
      fill().catch(error => afterDelivery(source, () => source.destroy(toError(error))))
    },
    destroy(error, callback) {
      const reason = error ?? undefined
      if (!over)
        void Promise.resolve(reason)
          .then(leave)
          .catch(() => {}) // deferred: the iterator may be running
      callback(error)
    },
  })
  return source
}

function steps(iterator: Iterator<unknown> | AsyncIterator<unknown>): Steps {
  return { next: () => iterator.next(), leave: () => iterator.return?.() }
}

function webSteps(stream: WebReadable, name: string): Steps {
  if (stream.locked) throw new TcpPipeError('ERR_OPTION', `${name}: the ReadableStream is locked to another reader`)
  const reader = stream.getReader()
  return { next: () => reader.read(), leave: reason => reader.cancel(reason) }
}

async function* blobBlocks(blob: Blob): AsyncGenerator<ArrayBuffer> {
  const size = 256 * 1024
  for (let from = 0; from < blob.size; from += size) yield await blob.slice(from, from + size).arrayBuffer()
}

function iteratorOf(input: unknown, name: string): Iterator<unknown> | AsyncIterator<unknown> {
  const { [Symbol.asyncIterator]: later, [Symbol.iterator]: now } = (input ?? {}) as AsyncIterable<unknown> &
    Iterable<unknown>
  const open = later ?? now
  if (typeof open === 'function') return open.call(input)
  const expected = 'expected a stream, an iterable, a Blob, bytes or a string'
  throw new TcpPipeError('ERR_OPTION', `${name}: ${describe(input)} is not allowed; ${expected}`)
}

type ForeignReadable = Pick<NodeJS.ReadableStream, 'on' | 'off'> & {
  pause?(): unknown
  resume?(): unknown
  destroy?(error?: Error): unknown
}

/** Wraps a third-party stream or an old-style stream, which may have only events. */
function followed(stream: ForeignReadable, name: string): Source {
  let hasFailed = false
  const source = new Readable({
    highWaterMark: 64 * 1024,
    read: () => void stream.resume?.(),
    destroy(error, callback) {
      stream.off('data', take)
      stream.destroy?.(error ?? undefined)
      callback(error)
    },
  })

  function take(value: unknown): void {
    try {
      for (const block of blocksOf(dataOf(value, name))) if (!source.push(block)) stream.pause?.()
    } catch (error) {
      fail(error as Error)
    }
  }

  /** What follows has no effect: an end would hide the error. */
  function fail(error: Error): void {
    stream.off('data', take)
    hasFailed = true
    afterDelivery(source, () => source.destroy(error))
  }

  stream.on('data', take)
  stream.pause?.()
  finished(stream as NodeJS.ReadableStream, { writable: false }, error => {
    if (error) fail(error)
    else if (!hasFailed) source.push(null)
  })
  return source
}

function dataOf(value: unknown, name: string): Data {
  if (!isData(value)) throw chunkError(name, value)
  return value
}

function chunkError(name: string, value: unknown): TcpPipeError {
  return new TcpPipeError('ERR_OPTION', `${name}: ${describe(value)} is not allowed as a chunk; ${expectedData}`)
}

/** A Writable also has a `pipe` method, which throws. */
function isNodeReadable(input: unknown): input is ForeignReadable {
  const { pipe, on } = (input ?? {}) as Partial<NodeJS.ReadableStream>
  return typeof pipe === 'function' && typeof on === 'function' && !(input instanceof Writable)
}
