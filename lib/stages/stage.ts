/** What can stand in a pipeline between source and sink, and the one form that all of it is brought into. */
import { Duplex } from 'node:stream'
import { abortSymbol, type Flushable, isFlushable, none, type OutputType } from 'stream-chain/defs.js'
import type { Unit } from '../formats/records.js'
import type { WebTransform } from '../formats/web.js'
import { describe, TcpPipeError } from '../text/errors.js'
import type { Context } from './context.js'

/** A stage with state: `write` for each record, `flush` at the end, `destroy` once, whatever the end was. */
export interface StageObject<In = never, Out = unknown> {
  write: (record: In) => Out
  /** What it gives back is passed on behind the last record. */
  flush?(): unknown
  destroy?(): unknown
}

/** What a function or an object may tell of its records. */
export interface Traits {
  /** How a record that it gives is written where bytes are wanted. Default: a string as it is, other values as JSON. */
  readonly encode?: ((record: unknown) => string) | undefined
  /** A line without this text gives nothing, so nobody need make a string of it. */
  readonly literal?: string | undefined
}

/** What a transform's `create` may return. */
export type Body<In = never> = Duplex | WebTransform | ((record: In) => unknown) | StageObject<In>

/** A Duplex that says what a function behind it in `compose` receives. It emits bytes. */
export interface TransformStream<Out = Buffer> extends Duplex {
  /** For the compiler alone. */
  readonly [out]: Out
}

declare const out: unique symbol

/**
 * Whatever a pipeline accepts as a stage: functions of a record (plain, async, generators), objects, Duplexes, and pairs of
 * Web streams such as `new CompressionStream('gzip')`.
 */
export type Stage<In = never> = Duplex | WebTransform | ((record: In) => unknown) | StageObject<In>

/** What the stage behind `S` receives. */
export type OutOf<S> =
  S extends TransformStream<infer R>
    ? R
    : S extends (record: never) => infer R
      ? RecordOf<R>
      : S extends Duplex
        ? Buffer
        : S extends StageObject<never, infer R>
          ? RecordOf<R>
          : Buffer

/** What a stage's result is for the stage behind it: promises, generators and `many` opened, `none` and `stop` gone. */
export type RecordOf<R> = Exclude<OutputType<() => R>, symbol | undefined>

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
  create(context: Context): Body
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

/** The function receives lines (strings without their LF). */
export function eachLine<R>(write: (line: string) => R): TransformFunction<R> {
  return withUnit('line', write)
}

/** The function receives the values of concatenated JSON. */
export function eachJson<T = unknown, R = unknown>(write: (value: T) => R): TransformFunction<R> {
  return withUnit('json', write)
}

/** A function that says which unit it receives, whatever stands before it. */
// biome-ignore lint/suspicious/noExplicitAny: its input comes out of a codec, so any stage may stand before it
export type TransformFunction<R> = (record: any) => R

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
  body: Exclude<Body<unknown>, Duplex | WebTransform>,
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
