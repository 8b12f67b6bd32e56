/** The contract of a transform: one object from which its syntax, its checks, its help and its types come. */
export { formatRemote } from '../text/remote.js'
export type { ConnectionInfo } from './context.js'

import { inspect } from 'node:util'
import type { Unit } from '../formats/records.js'
import { describe, didYouMean, TcpPipeError } from '../text/errors.js'
import type { OptionSchema, OptionsOf, ValuesOf } from '../text/options.js'
import { lazyStream } from './compose.js'
import type { Context } from './context.js'
import { recipe } from './parts.js'
import type { OutOf, Recipe, Stage, TransformStream } from './stage.js'

export { flushable, many, none, stop } from 'stream-chain/defs.js'
export { blockBytes } from '../formats/records.js'
export * from '../text/options.js'
export type { Context, Logger } from './context.js'

/** What one call of the function receives. */
export interface UnitTypes {
  bytes: Buffer
  line: string
  // biome-ignore lint/suspicious/noExplicitAny: a JSON value is whatever its author says it is
  json: any
}

export interface Definition<O extends OptionSchema = OptionSchema, U extends Unit = Unit, S extends Stage = Stage> {
  /** The name on the command line; the export is the same in camelCase. */
  readonly name: string
  /** What it does to the data, in one line. */
  readonly summary: string
  /** Under which heading it is listed. */
  readonly group?: Group
  readonly unit: U
  readonly options?: O
  /** What is wrong with these options together, or on this platform, in words that follow the name; undefined: nothing. */
  check?(options: ValuesOf<O>): string | undefined
  /** Whether its output is text that consists of whole lines. Default: true for lines and json. */
  readonly makesLines?: boolean
  /**
   * Whether it needs its stream from the beginning to the end: a live change of stages is refused while it is open, since
   * it could not be ended in the middle without a loss or an error. Default: false.
   */
  readonly indivisible?: boolean
  /** A spec that shows it, with what it makes of which input. A test runs it. */
  readonly example?: { readonly spec: string; readonly input: string; readonly output: string }
  /** More for its page: formats and their sources, what to watch out for. */
  readonly notes?: string
  /** Makes the stage for one connection. Options are checked already; it has no side effect before the first record. */
  create(options: ValuesOf<O>, context: Context): S
}

/** The headings of the list of transforms, in its order. */
export const groups = ['inspect', 'convert', 'lines and records', 'flow', 'faults', 'extend'] as const
export type Group = (typeof groups)[number]

type OptionArguments<S extends OptionSchema> =
  Record<never, never> extends OptionsOf<S>
    ? [options?: keyof S extends never ? Record<string, never> : OptionsOf<S>, context?: Partial<Context>]
    : [options: OptionsOf<S>, context?: Partial<Context>]

/** What is known of a transform without its types. */
export interface TransformEntry {
  readonly definition: Definition
  /** The stage for given options, which are checked here. */
  recipe(options?: Record<string, unknown>, context?: Partial<Context>): Recipe
}

/** A transform: called with its options it is a stream; it carries its definition. */
export interface Transform<S extends OptionSchema = OptionSchema, R = unknown> extends TransformEntry {
  (...args: OptionArguments<S>): TransformStream<R>
}

// biome-ignore lint/complexity/noBannedTypes: no options
export function defineTransform<U extends Unit, S extends Stage<UnitTypes[U]>, const O extends OptionSchema = {}>(
  definition: Definition<O, U, S>,
): Transform<O, OutOf<S>> {
  checkDefinition(definition as unknown as Definition)
  const { name, unit, options: schema = {} as O, makesLines, indivisible, create } = definition
  const toRecipe = (options?: Record<string, unknown> | null, context?: Partial<Context>) => {
    const values = checkOptions(name, schema, options ?? {}) as ValuesOf<O>
    const wrong = definition.check?.(values)
    if (wrong) throw new TcpPipeError('ERR_OPTION', `${name} ${wrong}`)
    return recipe(name, unit, surroundings => create(values, surroundings), {
      context,
      makesLines,
      indivisible,
    })
  }
  const transform = (options?: Record<string, unknown>, context?: Partial<Context>) =>
    lazyStream([toRecipe(options, context)])
  Object.defineProperty(transform, 'name', { value: name })
  return Object.assign(transform, { definition, recipe: toRecipe }) as unknown as Transform<O, OutOf<S>>
}

const units: Unit[] = ['bytes', 'line', 'json']

/** For authors whom no compiler tells. */
function checkDefinition({ name, unit, options = {}, create }: Definition): void {
  const check = (isRight: boolean, what: string, value: unknown, expected: string) => {
    const message = `the transform ${show(name)}: ${what}: ${show(value)} is not allowed; expected ${expected}`
    if (!isRight) throw new TcpPipeError('ERR_STAGE', message)
  }
  check(typeof name === 'string' && name !== '', 'name', name, 'a text')
  check(units.includes(unit), 'unit', unit, units.join(', '))
  check(typeof create === 'function', 'create', create, 'a function')
  for (const [key, option] of Object.entries(options)) {
    check(typeof option?.accepts === 'function', `options.${key}`, option, 'what text(), flag() and the like give')
    const { default: value, allowed } = option
    check(value === undefined || option.accepts(value), `the default of ${key}`, value, allowed)
  }
}

/** Options with their defaults; throws `ERR_OPTION`, naming the transform, the option, the value and what is allowed. */
function checkOptions(name: string, schema: OptionSchema, given: Record<string, unknown>): Record<string, unknown> {
  if (typeof given !== 'object')
    throw new TcpPipeError('ERR_OPTION', `${name} takes its options as an object, not ${describe(given)}`)
  for (const key of Object.keys(given)) {
    if (!Object.hasOwn(schema, key))
      throw new TcpPipeError('ERR_OPTION', `${name} has no option '${key}'${didYouMean(key, Object.keys(schema))}`)
  }
  return Object.fromEntries(
    Object.entries(schema).map(([key, option]) => {
      const value = given[key]
      if (value === undefined && option.required)
        throw new TcpPipeError('ERR_OPTION', `${name} needs ${key}: ${option.summary}`)
      if (value !== undefined && !option.accepts(value)) {
        throw new TcpPipeError(
          'ERR_OPTION',
          `${name} ${key}: ${show(value)} is not allowed; expected ${option.allowedInCode}`,
        )
      }
      return [key, value === undefined ? option.default : value]
    }),
  )
}

function show(value: unknown): string {
  return inspect(value, { depth: 0, breakLength: Infinity, maxStringLength: 100 })
}
