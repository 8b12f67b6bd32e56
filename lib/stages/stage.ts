/** Stages: the values that a pipeline accepts between source and sink, and their common form. */
import { Duplex } from 'node:stream'
import { abortSymbol, type Flushable, isFlushable, type Many, none } from 'stream-chain/defs.js'
import type { Unit } from '../formats/records.js'
import type { WebTransform } from '../formats/web.js'
import { describe, TcpPipeError } from '../text/errors.js'
import type { Context } from './context.js'
import type { ThreadStage } from './worker-pool.js'

// biome-ignore lint/suspicious/noExplicitAny: the author of a stage of unknown type declares its input
type Anything = any

/** Not a stream, for the compiler and at run time: no `pipe`. Lets it infer the parameter of an object's `write`. */
interface NoStream {
  readonly pipe?: undefined
}

/**
 * A stage with state. Its methods return the same as a function: a record, a promise, a generator, `none`, `many` or
 * `stop`.
 *
 * `In` is the parameter of `write`. `Out` is the return type of `write` and `flush`.
 */
export interface StageObject<In = Anything, Out = unknown> extends NoStream {
  /** Receives one record and returns the output. Called again after the returned value has settled. */
  write: (record: In) => Out
  /** Called once, at the end of the input. Its output follows the last record. */
  flush?(): Out
  /** Releases resources. Called once: after `flush`, or when the pipeline ends earlier. */
  destroy?(): unknown
  /** What becomes of the memory of a chunk: see `Traits`. */
  readonly memory?: Traits['memory']
}

/** Optional properties of a function or an object, about its records. */
export interface Traits {
  /** Converts an output record to text where bytes are needed. Default: a string unchanged, other values as JSON. */
  readonly encode?: ((record: unknown) => string) | undefined
  /** Lines without this text produce no output and are not decoded. */
  readonly literal?: string | undefined
  /** The stage returns each JSON value as it is, and `encode` writes it as `JSON.stringify` does. */
  readonly copies?: boolean | undefined
  /**
   * What becomes of the memory of a chunk, which sources may use again. `passes`: the stage returns each chunk itself, and
   * keeps none; it may `stop`. `releases`: what it returns is in memory of its own, and when its result is used up (a promise
   * has settled, a generator has ended) it needs the chunk no more. Default: it may keep chunks, or parts of them.
   */
  readonly memory?: 'passes' | 'releases' | undefined
}

/**
 * A stream that `compose` or a transform returns. As a stream, it emits bytes. To the next stage and to `records`, it
 * passes records of the type `Out`.
 */
export interface TransformStream<Out = Buffer> extends Duplex {
  /** For the compiler only. */
  readonly [out]: Out
}

declare const out: unique symbol

/**
 * A stage of a pipeline: a Duplex, a pair of Web streams such as `new CompressionStream('gzip')`, a function of one
 * record (plain, async or a generator), or an object with `write`, `flush` and `destroy`. `In` is the type of its
 * input. A stage without `In` has an unknown type and is allowed at any position.
 */
export type Stage<In = Anything> = Duplex | WebTransform | (((record: In) => unknown) & NoStream) | StageObject<In>

/** The type of the records that the stage after `S` receives. */
export type OutOf<S> =
  S extends TransformStream<infer R>
    ? R
    : S extends Duplex
      ? Buffer
      : S extends (record: never) => infer R
        ? RecordOf<R>
        : S extends StageObject<never, infer R>
          ? RecordOf<R>
          : Buffer

/** A stage that may follow `S`. */
export type Next<S> = Stage<Stage extends S ? Anything : OutOf<S>>

/** The input of the first stage. */
export type Start = TransformStream<Buffer>

/**
 * The type of the records in a result `R` of a stage. Unwraps promises, generators and `many`. Excludes `none`, `stop`
 * and `undefined`.
 */
export type RecordOf<R> = unknown extends R
  ? R
  : R extends
        | PromiseLike<infer U>
        | Iterator<infer U, unknown, never>
        | AsyncIterator<infer U, unknown, never>
        | Many<infer U>
    ? RecordOf<U>
    : R extends Buffer
      ? Buffer
      : Exclude<R, symbol | undefined | void>

/** A recipe: creates a stage for one pipeline. */
export interface Recipe {
  readonly name: string
  /** The unit of its input; undefined for a plain function, which accepts any. */
  readonly unit: Unit | undefined
  readonly context?: Partial<Context> | undefined
  /** Whether its output consists of lines. Default: true for the units `line` and `json`. */
  readonly makesLines?: boolean | undefined
  /** Whether it cannot end in the middle of a stream, and so cannot be replaced. */
  readonly indivisible?: boolean | undefined
  /** Set if the stage runs in a thread. */
  readonly thread?: ThreadStage | undefined
  create(context: Context): Stage
}

/** A function stage, ready for fusing. */
export interface FunctionStage extends Traits {
  readonly name: string
  readonly unit: Unit | undefined
  readonly makesLines?: boolean | undefined
  write(record: unknown): unknown
  flush?: (() => unknown) | undefined
  /** Called when the pipeline ends before the flush. */
  abort?: (() => unknown) | undefined
}

const unitSymbol = Symbol.for('tcp-pipe.unit') // a user module may import another copy of this library

/**
 * Returns the function as a stage that receives lines. It may follow any stage. A line is a string without its LF.
 *
 * @throws `ERR_STAGE` if `write` is not a function
 */
export function eachLine<R>(write: (line: string) => R): TransformFunction<R> {
  return withUnit('line', write)
}

/**
 * Returns the function as a stage that receives JSON values. It may follow any stage. The input needs no separators
 * between values.
 *
 * Annotate the parameter: with `eachJson((entry: Entry) => entry.id)`, the compiler infers the input of the next stage.
 * With a type argument, `eachJson<Entry>(…)`, it does not: TypeScript infers all type arguments or none.
 *
 * @throws `ERR_STAGE` if `write` is not a function
 */
export function eachJson<T = unknown, R = unknown>(write: (value: T) => R): TransformFunction<R> {
  return withUnit('json', write)
}

/** A function of `eachLine` or `eachJson`. A codec decodes its input, so it may follow any stage. */
export type TransformFunction<R> = (record: Anything) => R

/** Returns the unit that `eachLine` or `eachJson` assigned to a function. */
export function unitOf(stage: object): Unit | undefined {
  return (stage as { [unitSymbol]?: Unit })[unitSymbol]
}

export function isDuplex(value: unknown): value is Duplex {
  return (
    value instanceof Duplex ||
    (isObject(value) && isMethod(value.pipe) && isMethod(value.write) && isMethod(value.read))
  )
}

/** Returns whether a value is an object with `write`, but not a stream: a Writable also has `pipe`. */
export function isStageObject(value: unknown): value is StageObject<unknown> {
  return isObject(value) && isMethod(value.write) && !isMethod(value.pipe)
}

/** Converts a function or an object to the form that a fused run calls. */
export function functionStage(
  body: Exclude<Stage, Duplex | WebTransform>,
  name: string,
  unit: Unit | undefined,
): FunctionStage {
  const { encode, literal, copies, memory } = body as Traits
  const common = { name, unit, encode, literal, copies, memory }
  if (typeof body !== 'function') return { ...common, write: record => body.write(record), ...ending(body) }
  if (!isFlushable(body)) return { ...common, write: body }
  const { [abortSymbol]: abort } = body as unknown as Flushable<unknown, unknown> & { [abortSymbol]?: () => unknown }
  return { ...common, write: body, flush: () => body(none), abort }
}

/** Calls `destroy` of an object once: after its flush, or when the pipeline ends earlier. */
function ending(body: StageObject<unknown>): Pick<FunctionStage, 'flush' | 'abort'> {
  const flush = body.flush?.bind(body)
  const destroy = body.destroy?.bind(body)
  if (!destroy) return { flush }
  let destroyed = false
  const abort = () => {
    if (destroyed) return undefined
    destroyed = true
    return destroy()
  }
  const flushAndDestroy = async function* () {
    yield await flush?.()
    await abort()
  }
  return { flush: flushAndDestroy, abort }
}

function withUnit<R>(unit: Unit, write: (record: never) => R): TransformFunction<R> {
  if (typeof write !== 'function') throw new TcpPipeError('ERR_STAGE', `expected a function, not ${describe(write)}`)
  const call = (record: never) => write(record)
  const stage = Object.assign(call, write) as TransformFunction<R> // keeps a flushable flushable
  return Object.defineProperties(stage, { name: { value: write.name }, [unitSymbol]: { value: unit } })
}

function isMethod(value: unknown): boolean {
  return typeof value === 'function'
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
