/** Streams of other authors: what they throw or emit fails them, and not the process. */
import type { Duplex, Readable, Writable } from 'node:stream'
import { toError } from '../text/errors.js'
import { isData, toBytes } from './bytes.js'
import { afterDelivery } from './delivery.js'

const guarded = new WeakSet<Writable>()

/** Node.js does not catch what the implementation of a Writable throws. Fails the write with it instead. */
export function guardWrites<S extends Writable>(stream: S): S {
  if (guarded.has(stream)) return stream
  guarded.add(stream)
  const { write, _write, _writev } = stream
  if (_writev) stream._writev = guard(stream, _writev)
  if (_write) stream._write = guard(stream, _write)
  else stream.write = guard(stream, write as Method) as Writable['write'] // of another make
  return stream
}

/** The same for a stage. What it gave before its callback got an error is delivered first, also at its end. */
export function guardStage<S extends Duplex>(stream: S): S {
  const name = '_transform' in stream ? '_flush' : '_final' // a Transform needs its own `_final`, which calls `_flush`
  guardWrites(stream)
  const methods = stream as unknown as Record<string, Method | undefined>
  for (const each of ['_write', '_writev', name]) {
    const method = methods[each]
    if (method) methods[each] = delivering(stream, each === name ? guard(stream, method) : method)
  }
  return stream
}

/** The callback is the last argument. */
function delivering(stream: Duplex, method: Method): Method {
  return (...given) => {
    const callback = given.at(-1) as Callback
    const deliver: Callback = (error, ...more) =>
      error ? afterDelivery(stream, () => callback(error)) : callback(error, ...more)
    return method.apply(stream, [...given.slice(0, -1), deliver])
  }
}

type Callback = (error?: Error | null, ...more: unknown[]) => void

// biome-ignore lint/suspicious/noExplicitAny: of several methods, which have nothing in common but a callback
type Method = (...given: any[]) => unknown

/** Passes what the method throws to the callback, which is its last argument, or, after a call of that, to the stream. */
function guard(stream: Writable, method: Method): Method {
  return (...given) => {
    const callback: unknown = given.at(-1)
    let fail: Callback = error => void stream.destroy(error as Error)
    if (typeof callback === 'function') {
      const destroy = fail
      fail = callback as Callback
      given[given.length - 1] = (error: unknown, ...results: unknown[]) => {
        fail = destroy
        callback(error && toError(error), ...results)
      }
    }
    try {
      return method.apply(stream, given)
    } catch (error) {
      fail(toError(error))
      return false
    }
  }
}

/**
 * Checks the values of a stream in object mode. Otherwise Node.js throws inside an event, where the next stream receives
 * a value that is no data. Destroys the stream with the error that `refuse` returns.
 */
export function checkChunks(stream: Readable, refuse: (value: unknown) => Error, isStrict = () => true): void {
  const { emit } = stream
  if (!stream.readableObjectMode) return
  stream.emit = (event: string | symbol, ...values: unknown[]) => {
    const [value] = values
    if (event !== 'data' || !isStrict()) return emit.call(stream, event, ...values)
    if (isData(value)) return emit.call(stream, event, typeof value === 'string' ? value : toBytes(value))
    stream.destroy(refuse(value))
    return false
  }
}

/** The same for a stream that is piped into another one, which may take any value if it is in object mode itself. */
export function checkPiped(stream: Readable, refuse: (value: unknown) => Error): void {
  const { pipe } = stream
  if (!stream.readableObjectMode) return
  let isStrict = false
  stream.pipe = (next, options) => {
    isStrict = !(next as unknown as Writable).writableObjectMode
    return pipe.call(stream, next, options) as typeof next
  }
  checkChunks(stream, refuse, () => isStrict)
}
