/** Stages → runs → streams: neighbouring functions are fused into one Duplex, each Duplex stands alone. */
import { Duplex, finished, pipeline } from 'node:stream'
import { type Context, openContext, type Surroundings } from './context.js'
import { describe, TcpPipeError } from './errors.js'
import { fuse, highWaterMark, type Output } from './fuse.js'
import { meterRun, type RunMeter, stageMeter } from './meter.js'
import { defaultMaxLine, type Unit } from './records.js'
import {
  type FunctionStage,
  functionStage,
  isDuplex,
  isStageObject,
  type OutOf,
  type Recipe,
  type Stage,
  type TransformStream,
  unitOf,
} from './stage.js'

/** What a pipeline is made of: recipes for function stages, and streams. */
export type Part = Recipe | Duplex

export interface PlanOptions extends Surroundings {
  /** The length cap of a line or a JSON value in bytes. Default: 1 MiB. */
  maxLine?: number | undefined
  /** What the last function run gives. Default: bytes. */
  output?: Output
}

/** The streams of one pipeline between its source and its sink, in order, and their meters. */
export interface Plan {
  streams: Duplex[]
  meters: RunMeter[]
  /** Whether what comes out is text in whole lines, the last one perhaps without its LF. */
  makesLines: boolean
  /** The names of the stages that cannot be ended in the middle; of a Duplex of somebody else's nobody knows. */
  whole: string[]
  /** Tells the stages that others are to take their place. */
  replace(): void
}

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
  const state = lazy.get(stream)
  if (!state) throw new TcpPipeError('ERR_STAGE', 'records() reads what compose() or a transform made')
  if (state.taken) throw takenError()
  if (used.has(stream)) throw usedError('this stream')
  if (!state.fresh) throw new TcpPipeError('ERR_STAGE', 'records() comes too late: the stream has begun')
  used.add(stream)
  return state.records() as AsyncGenerator<Out, void, void>
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
    readableHighWaterMark: highWaterMark,
    writableHighWaterMark: highWaterMark,
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
  lazy.set(stream, state)
  return stream
}

/** A callback that tells why a stream is destroyed, not that it is. */
function cause(stream: Duplex, callback: (error?: Error | null) => void) {
  return (error?: Error | null) => callback(error && (stream.errored ?? error))
}

/** Parts → the streams of one pipeline. */
export function plan(parts: readonly Part[], options: PlanOptions = {}): Plan {
  const { maxLine = defaultMaxLine, output = 'bytes' } = options
  const { context, close, replace } = openContext(options)
  const whole: string[] = []
  const streams: Duplex[] = []
  const meters: RunMeter[] = []
  let functions: FunctionStage[] = []
  let unit: Unit = 'bytes'
  let makesLines = false

  function closeRun(gives: Output): void {
    if (functions.length === 0) return
    const { stream, meter } = fuse(functions, maxLine, gives)
    streams.push(stream)
    meters.push(meter)
    functions = []
  }

  for (const stage of parts.flatMap(part => prepare(part, context, whole))) {
    unit = isDuplex(stage) ? 'bytes' : (stage.unit ?? unit)
    makesLines = !isDuplex(stage) && (stage.makesLines ?? unit !== 'bytes')
    if (!isDuplex(stage)) functions.push(stage)
    else {
      closeRun('bytes')
      streams.push(stage)
      meters.push(meterRun(stage, [stageMeter(names.get(stage) ?? stage.constructor.name)]))
    }
  }
  closeRun(output)
  streams.at(-1)?.once('close', close) // the last to end, and a pipeline destroys all if one fails
  return { streams, meters, makesLines, whole, replace }
}

const expected = 'expected a Duplex, a function or { write, flush, destroy }'

/** A stage as the parts that it is made of; throws `ERR_STAGE`, naming its place. */
export function toParts(stage: Stage, index: number): Part[] {
  if (isDuplex(stage)) return takeApart(stage, index)
  const isUncalled = typeof stage === 'function' && 'definition' in stage
  if (!isUncalled && (typeof stage === 'function' || isStageObject(stage))) {
    const name = (stage as { name?: unknown }).name
    return [recipe(typeof name === 'string' && name ? name : `stage ${index + 1}`, unitOf(stage), () => stage as never)]
  }
  const what = isUncalled ? 'a transform that is not called' : describe(stage)
  throw new TcpPipeError('ERR_STAGE', `stage ${index + 1} is ${what}; ${expected}`)
}

export function recipe(
  name: string,
  unit: Unit | undefined,
  create: Recipe['create'],
  more: Pick<Recipe, 'context' | 'makesLines' | 'whole'> = {},
): Recipe {
  return { name, unit, create, ...more }
}

const identity = recipe('identity', undefined, () => chunk => chunk)

interface Lazy {
  parts: Part[]
  fresh: boolean
  taken: boolean
  records(): AsyncGenerator<unknown>
}

const lazy = new WeakMap<Duplex, Lazy>()
const used = new WeakSet<Duplex>()

/** The names of transforms whose stage is a Duplex. */
const names = new WeakMap<Duplex, string>()

function takeApart(stream: Duplex, index: number): Part[] {
  const state = lazy.get(stream)
  if (state?.taken || used.has(stream)) {
    throw usedError(`stage ${index + 1}`)
  }
  if (stream.destroyed) throw new TcpPipeError('ERR_STAGE', `stage ${index + 1} is destroyed`)
  if (!state || !isFresh(stream, state)) {
    used.add(stream)
    return [stream]
  }
  state.taken = true
  return state.parts
}

function isFresh(stream: Duplex, { fresh }: Lazy): boolean {
  return fresh && stream.eventNames().length === 0 && stream.writableLength === 0 && !stream.writableEnded
}

function bodyError(name: string, body: unknown): TcpPipeError {
  return new TcpPipeError('ERR_STAGE', `${name}: create gave ${describe(body)}; ${expected}`)
}

function usedError(what: string): TcpPipeError {
  return new TcpPipeError('ERR_STAGE', `${what} stands in a pipeline already: a stream can be used once`)
}

function takenError(): TcpPipeError {
  return new TcpPipeError('ERR_STAGE', 'this stream was composed into another one; write to that one, and read from it')
}

/** A recipe is carried out: what it creates may itself be a stream made of recipes. */
function prepare(part: Part, surroundings: Context, whole: string[]): (FunctionStage | Duplex)[] {
  if (isDuplex(part)) {
    if (!names.has(part)) whole.push(part.constructor.name)
    return [part]
  }
  const { context: given } = part
  const context = given ? Object.create(surroundings, Object.getOwnPropertyDescriptors(given)) : surroundings
  const body = part.create(context)
  if (part.whole) whole.push(part.name)
  if (isDuplex(body)) names.set(body, part.name)
  else if (typeof body !== 'function' && !isStageObject(body)) throw bodyError(part.name, body)
  else return [{ ...functionStage(body as never, part.name, part.unit), makesLines: part.makesLines }]
  return takeApart(body, 0).flatMap(inner => prepare(inner, context, whole))
}
