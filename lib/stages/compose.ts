/** Stages as one Duplex, which is made of streams when it is first used. */
import { Duplex, finished, pipeline } from 'node:stream'
import { blockBytes } from '../formats/records.js'
import { TcpPipeError } from '../text/errors.js'
import type { Output } from './fuse.js'
import { type Lazy, type Part, recipe, register, takenError, takeRecords, toParts } from './parts.js'
import { plan } from './plan.js'
import type { OutOf, Stage, TransformStream } from './stage.js'

/** A stage behind the stage `S`. */
type Next<S> = Stage<OutOf<S>>

type Start = TransformStream<Buffer>

/** An array whose stages the compiler cannot see one by one. */
type AnyLength<S extends readonly Stage[]> = number extends S['length'] ? S : never

/**
 * Joins stages into one Duplex for `pipeline` or `pipe`. It starts with the first byte or read; `serve`, `send` and
 * another `compose` take the stages out of a fresh one and fuse them with their neighbours.
 *
 * @throws `ERR_STAGE` for something that is no stage, and for a Duplex that stands in a pipeline already
 */
export function compose(): TransformStream<Buffer>
export function compose<A extends Next<Start>>(a: A): TransformStream<OutOf<A>>
export function compose<A extends Next<Start>, B extends Next<A>>(a: A, b: B): TransformStream<OutOf<B>>
export function compose<A extends Next<Start>, B extends Next<A>, C extends Next<B>>(
  a: A,
  b: B,
  c: C,
): TransformStream<OutOf<C>>
export function compose<A extends Next<Start>, B extends Next<A>, C extends Next<B>, D extends Next<C>>(
  a: A,
  b: B,
  c: C,
  d: D,
): TransformStream<OutOf<D>>
export function compose<
  A extends Next<Start>,
  B extends Next<A>,
  C extends Next<B>,
  D extends Next<C>,
  E extends Next<D>,
>(a: A, b: B, c: C, d: D, e: E): TransformStream<OutOf<E>>
export function compose<
  A extends Next<Start>,
  B extends Next<A>,
  C extends Next<B>,
  D extends Next<C>,
  E extends Next<D>,
  F extends Next<E>,
>(a: A, b: B, c: C, d: D, e: E, f: F): TransformStream<OutOf<F>>
export function compose<
  A extends Next<Start>,
  B extends Next<A>,
  C extends Next<B>,
  D extends Next<C>,
  E extends Next<D>,
  F extends Next<E>,
  G extends Next<F>,
>(a: A, b: B, c: C, d: D, e: E, f: F, g: G): TransformStream<OutOf<G>>
export function compose<
  A extends Next<Start>,
  B extends Next<A>,
  C extends Next<B>,
  D extends Next<C>,
  E extends Next<D>,
  F extends Next<E>,
  G extends Next<F>,
  H extends Next<G>,
>(a: A, b: B, c: C, d: D, e: E, f: F, g: G, h: H): TransformStream<OutOf<H>>
export function compose<S extends readonly Stage[]>(...stages: AnyLength<S>): TransformStream<unknown>
export function compose(...stages: Stage[]): TransformStream<unknown> {
  return lazyStream(stages.flatMap(toParts)) as TransformStream<unknown>
}

/**
 * The records that a stream of ours gives, as the next stage of `compose` would receive them: lines, values, chunks. It
 * takes the place of reading the stream, so it is called before anything is read. Leaving the loop destroys the stream.
 *
 *     for await (const line of records(socket.pipe(grep({ pattern: /x/ })))) …
 *
 * @throws `ERR_STAGE` for a stream that is not ours, or that has been read or composed already
 */
export function records<Out>(stream: TransformStream<Out>): AsyncGenerator<Out, void, void> {
  return takeRecords(stream).records() as AsyncGenerator<Out, void, void>
}

/** A stream that is made of recipes when it is first used. */
export function lazyStream(parts: Part[]): Duplex {
  let inner: Duplex[] = []
  let output: Output = 'bytes'

  function start(): void {
    if (state.taken) throw takenError()
    if (stream.destroyed) throw stream.errored ?? new TcpPipeError('ERR_STAGE', 'this stream is destroyed')
    if (inner.length > 0) return
    state.fresh = false
    inner = plan(parts.length > 0 ? parts : [identity], { output }).streams
    const tail = inner.at(-1) as Duplex
    const fail = (error?: Error | null) => error && stream.destroy(error)
    if (output === 'bytes') tail.on('data', chunk => stream.push(chunk) || tail.pause())
    tail.once('end', () => stream.push(null))
    tail.on('error', fail) // a Duplex of another library can have one behind its end
    if (inner.length > 1) pipeline(inner as [Duplex, Duplex], fail)
    else finished(tail, fail)
  }

  /** Around the stream's own readable side, which has nothing but its end. */
  function records(): AsyncGenerator<unknown> {
    output = 'batches'
    stream.on('error', () => {}) // the loop tells it
    stream.resume()
    return unpack()
  }

  async function* unpack(): AsyncGenerator<unknown> {
    try {
      start()
      for await (const batch of inner.at(-1) as Duplex) yield* Array.isArray(batch) ? batch : [batch]
    } catch (error) {
      throw stream.errored ?? error
    } finally {
      stream.destroy()
    }
  }

  /** Starts on first use; what fails then is an error of the stream. */
  function use(fail: (error: Error) => void, action: (head: Duplex, tail: Duplex) => void): void {
    try {
      start()
      action(inner[0] as Duplex, inner.at(-1) as Duplex)
    } catch (error) {
      fail(error as Error)
    }
  }

  const stream = new Duplex({
    readableHighWaterMark: blockBytes,
    writableHighWaterMark: blockBytes,
    write(chunk, encoding, callback) {
      use(callback, head => head.write(chunk, encoding, cause(head, callback)))
    },
    final(callback) {
      use(callback, head => head.end(cause(head, callback)))
    },
    read() {
      if (output === 'batches') return
      use(
        error => stream.destroy(error),
        (_head, tail) => tail.resume(),
      )
    },
    destroy(error, callback) {
      for (const each of inner) each.destroy()
      callback(error)
    },
  })
  const state: Lazy = { parts, fresh: true, taken: false, records }
  register(stream, state)
  return stream
}

/** A callback that tells why a stream is destroyed, not that it is. */
function cause(stream: Duplex, callback: (error?: Error | null) => void) {
  return (error?: Error | null) => callback(error && (stream.errored ?? error))
}

const identity = recipe('identity', undefined, () => chunk => chunk)
