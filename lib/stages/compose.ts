/** Combines stages into one Duplex, which creates its streams on first use. */
import { Duplex, finished, pipeline } from 'node:stream'
import { isBusy, notePassing, traceStage } from '../formats/delivery.js'
import { blockBytes } from '../formats/records.js'
import { TcpPipeError } from '../text/errors.js'
import { type Lazy, type Part, recipe, register, takenError, takeRecords, toParts } from './parts.js'
import { plan } from './plan.js'
import type { Output } from './run.js'
import type { Next, OutOf, Stage, Start, TransformStream } from './stage.js'

/** A stage after `S`, or none: the compiler cannot infer a place without an argument. */
type MaybeNext<S> = Next<S> | typeof absent

declare const absent: unique symbol

/** The last given stage. */
type LastOf<Stages extends readonly unknown[], Last = Start> = Stages extends readonly [infer S, ...infer Rest]
  ? typeof absent extends S
    ? Last
    : LastOf<Rest, S>
  : Last

/**
 * Combines stages into one Duplex for `pipeline` or `pipe`. The Duplex starts with the first byte or read. `serve`,
 * `send` and another `compose` extract the stages of an unused Duplex and fuse them with adjacent stages. Without
 * stages, it passes bytes unchanged.
 *
 * The compiler checks each of the first 16 stages against the output of the previous stage.
 *
 * @throws `ERR_STAGE` for a value that is not a stage, and for a Duplex that a pipeline already uses
 */
export function compose<
  A extends MaybeNext<Start>,
  B extends MaybeNext<A>,
  C extends MaybeNext<B>,
  D extends MaybeNext<C>,
  E extends MaybeNext<D>,
  F extends MaybeNext<E>,
  G extends MaybeNext<F>,
  H extends MaybeNext<G>,
  I extends MaybeNext<H>,
  J extends MaybeNext<I>,
  K extends MaybeNext<J>,
  L extends MaybeNext<K>,
  M extends MaybeNext<L>,
  N extends MaybeNext<M>,
  O extends MaybeNext<N>,
  P extends MaybeNext<O>,
>(
  ...stages: [
    a?: A,
    b?: B,
    c?: C,
    d?: D,
    e?: E,
    f?: F,
    g?: G,
    h?: H,
    i?: I,
    j?: J,
    k?: K,
    l?: L,
    m?: M,
    n?: N,
    o?: O,
    p?: P,
    ...more: Stage[],
  ]
): TransformStream<OutOf<LastOf<[A, B, C, D, E, F, G, H, I, J, K, L, M, N, O, P]>>>
export function compose(...stages: Stage[]): TransformStream<unknown> {
  return lazyStream(stages.flatMap(toParts)) as TransformStream<unknown>
}

/**
 * Iterates over the records of a stream that `compose` or a transform returned: lines, values or chunks, as the next
 * stage receives them. Call it before reading the stream. Leaving the loop destroys the stream. An error of the stream
 * rejects.
 *
 *     for await (const line of records(socket.pipe(grep({ pattern: /x/ })))) …
 *
 * @throws `ERR_STAGE` for any other stream, and for a stream that has been read or composed already
 */
export function records<Out>(stream: TransformStream<Out>): AsyncGenerator<Out, void, void> {
  return takeRecords(stream).records() as AsyncGenerator<Out, void, void>
}

/** A stream that creates its stages from recipes on first use. */
export function lazyStream(parts: Part[]): Duplex {
  const made: Made = { parts, streams: [], output: 'bytes' }
  const use = (fail: (error: Error) => void, action: (head: Duplex, tail: Duplex) => void) => {
    try {
      start(stream, state, made)
      action(made.streams[0] as Duplex, made.streams.at(-1) as Duplex)
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
      const fail = (error: Error) => stream.destroy(error)
      if (made.output === 'bytes') use(fail, (_head, tail) => tail.resume())
    },
    destroy(error, callback) {
      for (const each of made.streams) each.destroy()
      callback(error)
    },
  })
  const state: Lazy = { parts, fresh: true, taken: false, records: () => readRecords(stream, state, made) }
  register(stream, state)
  return traceStage(stream, () => made.streams.some(isBusy))
}

/** The inner streams of a lazy stream after its start. */
interface Made {
  readonly parts: Part[]
  streams: Duplex[]
  output: Output
}

/** Creates the streams on first use. A failure becomes an error of the stream. */
function start(stream: Duplex, state: Lazy, made: Made): void {
  const { parts, output } = made
  if (state.taken) throw takenError()
  if (stream.destroyed) throw stream.errored ?? new TcpPipeError('ERR_STAGE', 'this stream is destroyed')
  if (made.streams.length > 0) return
  state.fresh = false
  made.streams = plan(parts.length > 0 ? parts : [identity], { output }).streams
  const tail = made.streams.at(-1) as Duplex
  const fail = (error?: Error | null) => error && stream.destroy(error)
  if (output === 'bytes') tail.on('data', chunk => stream.push(chunk) || tail.pause())
  notePassing(tail, stream)
  tail.once('end', () => stream.push(null))
  tail.on('error', fail) // a third-party Duplex may emit one after its end
  if (made.streams.length > 1) pipeline(made.streams as [Duplex, Duplex], fail)
  else finished(tail, fail)
}

/** Bypasses the stream's own readable side, which only ends. */
function readRecords(stream: Duplex, state: Lazy, made: Made): AsyncGenerator<unknown> {
  made.output = 'batches'
  stream.on('error', () => {}) // the loop throws it
  stream.resume()
  return unpack(stream, state, made)
}

async function* unpack(stream: Duplex, state: Lazy, made: Made): AsyncGenerator<unknown> {
  try {
    start(stream, state, made)
    for await (const batch of made.streams.at(-1) as Duplex) yield* Array.isArray(batch) ? batch : [batch]
  } catch (error) {
    throw stream.errored ?? error
  } finally {
    stream.destroy()
  }
}

/** Returns a callback that passes on the reason of a destroy, but not a mere premature close. */
function cause(stream: Duplex, callback: (error?: Error | null) => void) {
  return (error?: Error | null) => callback(error && (stream.errored ?? error))
}

const identity = recipe('identity', undefined, () => chunk => chunk)
