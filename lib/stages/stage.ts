/** What can stand in a pipeline between source and sink, and the one form that all of it takes. */
import { Duplex } from 'node:stream'
import { abortSymbol, type Flushable, isFlushable, type Many, none } from 'stream-chain/defs.js'
import type { Unit } from '../formats/records.js'
import type { WebTransform } from '../formats/web.js'
import { describe, TcpPipeError } from '../text/errors.js'
import type { Context } from './context.js'

// biome-ignore lint/suspicious/noExplicitAny: what a stage of an unknown type receives is for its author to say
type Anything = any

/** What has no `pipe` is no stream, for the compiler as at run time. By that it infers what the `write` of an object receives. */
interface NoStream {
  readonly pipe?: undefined
}

/**
 * A stage with state. It gives what a function may give: a record, a promise, a generator, `none`, `many` or `stop`.
 *
 * `In` is what `write` receives, `Out` what `write` and `flush` return.
 */
export interface StageObject<In = Anything, Out = unknown> extends NoStream {
  /** Takes one record and returns what goes on. Called again when what it returned has settled. */
  write: (record: In) => Out
  /** Called once, at the end of the input. What it returns goes on behind the last record. */
  flush?(): Out
  /** Releases what the stage holds. Called once: after `flush`, or when the pipeline ends before that. */
  destroy?(): unknown
}

/** What a function or an object may say of its records. */
export interface Traits {
  /** How a record that it gives is written where bytes are wanted. Default: a string as it is, other values as JSON. */
  readonly encode?: ((record: unknown) => string) | undefined
  /** A line without this text gives nothing, and is not made a string. */
  readonly literal?: string | undefined
}

/**
 * A stream of `compose` or of a transform. As a stream it emits bytes. In front of another stage, and read by `records`,
 * it gives records of the type `Out`.
 */
export interface TransformStream<Out = Buffer> extends Duplex {
  /** For the compiler alone. */
  readonly [out]: Out
}

declare const out: unique symbol

/**
 * What can stand in a pipeline: a Duplex, a pair of Web streams such as `new CompressionStream('gzip')`, a function of one
 * record (plain, async or a generator), or an object with `write`, `flush` and `destroy`. `In` is what it receives. Without `In` it is a stage of an unknown type, which may stand
 * anywhere.
 */
export type Stage<In = Anything> = Duplex | WebTransform | (((record: In) => unknown) & NoStream) | StageObject<In>

/** The type of the records that the stage behind `S` receives. */
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

/** A stage that may stand behind `S`. */
export type Next<S> = Stage<Stage extends S ? Anything : OutOf<S>>

/** What stands before the first stage. */
export type Start = TransformStream<Buffer>

/**
 * The records that a result `R` of a stage consists of: promises, generators and `many` are opened, `none`, `stop` and
 * `undefined` are left out.
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

/** A stage as a recipe: how to make it for one pipeline. */
export interface Recipe {
  readonly name: string
  /** The unit that it receives; undefined for a plain function, which takes what comes. */
  readonly unit: Unit | undefined
  readonly context?: Partial<Context> | undefined
  /** Whether it makes text in whole lines; undefined: if its unit is a record. */
  readonly makesLines?: boolean | undefined
  /** Whether it cannot be ended in the middle of a stream, to let other stages go on. */
  readonly indivisible?: boolean | undefined
  create(context: Context): Stage
}

/** A function stage, ready to be fused. */
export interface FunctionStage extends Traits {
  readonly name: string
  readonly unit: Unit | undefined
  readonly makesLines?: boolean | undefined
  write(record: unknown): unknown
  flush?: (() => unknown) | undefined
  /** Called when the pipeline ends before the flush has. */
  abort?: (() => unknown) | undefined
}

const unitSymbol = Symbol.for('tcp-pipe.unit') // a module of a user's may have another copy of this one

/**
 * Returns the function as a stage that receives lines. It may stand behind any stage. A line is a string without its LF.
 *
 * @throws `ERR_STAGE` if `write` is not a function
 */
export function eachLine<R>(write: (line: string) => R): TransformFunction<R> {
  return withUnit('line', write)
}

/**
 * Returns the function as a stage that receives JSON values. It may stand behind any stage. The values of the input may
 * follow each other without separators.
 *
 * Annotate the parameter: from `eachJson((entry: Entry) => entry.id)` the compiler knows what the next stage receives.
 * With a type argument, `eachJson<Entry>(…)`, it does not: TypeScript infers all type arguments or none.
 *
 * @throws `ERR_STAGE` if `write` is not a function
 */
export function eachJson<T = unknown, R = unknown>(write: (value: T) => R): TransformFunction<R> {
  return withUnit('json', write)
}

/** A function of `eachLine` or `eachJson`. A codec decodes its input, so that any stage may stand before it. */
export type TransformFunction<R> = (record: Anything) => R

/** The unit that `eachLine` or `eachJson` gave to a function. */
export function unitOf(stage: object): Unit | undefined {
  return (stage as { [unitSymbol]?: Unit })[unitSymbol]
}

export function isDuplex(value: unknown): value is Duplex {
  return (
    value instanceof Duplex ||
    (isObject(value) && isMethod(value.pipe) && isMethod(value.write) && isMethod(value.read))
  )
}

/** An object with `write` that is no stream: a Writable has `pipe`, too. */
export function isStageObject(value: unknown): value is StageObject<unknown> {
  return isObject(value) && isMethod(value.write) && !isMethod(value.pipe)
}

/** A function or an object, as the fused run calls it. */
export function functionStage(
  body: Exclude<Stage, Duplex | WebTransform>,
  name: string,
  unit: Unit | undefined,
): FunctionStage {
  const { encode, literal } = body as Traits
  const common = { name, unit, encode, literal }
  if (typeof body !== 'function') return { ...common, write: record => body.write(record), ...ending(body) }
  if (!isFlushable(body)) return { ...common, write: body }
  const { [abortSymbol]: abort } = body as unknown as Flushable<unknown, unknown> & { [abortSymbol]?: () => unknown }
  return { ...common, write: body, flush: () => body(none), abort }
}

/** `destroy` of an object is called once: behind its flush, or when the pipeline ends before that. */
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
  const stage = Object.assign(call, write) as TransformFunction<R> // a flushable stays one
  return Object.defineProperties(stage, { name: { value: write.name }, [unitSymbol]: { value: unit } })
}

function isMethod(value: unknown): boolean {
  return typeof value === 'function'
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
