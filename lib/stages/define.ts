/** The contract of a transform: one object defines its syntax, checks, help and types. */
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

/** The record type of each unit: the argument of one call of a stage. */
export interface UnitTypes {
  /** A chunk. Its boundaries are arbitrary. */
  bytes: Buffer
  /** A line of UTF-8 text without its LF. */
  line: string
  /** A JSON value. */
  // biome-ignore lint/suspicious/noExplicitAny: the author of a stage declares the type of its JSON values
  json: any
}

/**
 * The definition of a transform. `O` is the type of its options, `U` its unit, `S` the stage that `create` returns.
 */
export interface Definition<O extends OptionSchema = OptionSchema, U extends Unit = Unit, S extends Stage = Stage> {
  /** The name on the command line. The name of the export is the same in camelCase. */
  readonly name: string
  /** A description of its effect in one line. */
  readonly summary: string
  /** The heading under which it is listed. Default: not listed. */
  readonly group?: Group
  /** The records that the stage receives: `'bytes'`, `'line'` or `'json'`. */
  readonly unit: U
  /** The options by name, created with `text`, `flag`, `integer` and so on. Default: none. */
  readonly options?: O
  /**
   * Checks conditions on several options or on the platform, before anything is opened. Returns undefined, or an error
   * text that follows the name of the transform.
   */
  check?(options: ValuesOf<O>): string | undefined
  /** True if its output consists of whole lines. Default: true for the units `line` and `json`, false for `bytes`. */
  readonly makesLines?: boolean
  /**
   * True if the stage cannot end in the middle of a stream without loss or error. An open one cannot be replaced.
   * Default: true for the unit `json`, false otherwise.
   */
  readonly indivisible?: boolean
  /** An example: a spec, an input, and the resulting output. */
  readonly example?: { readonly spec: string; readonly input: string; readonly output: string }
  /** Notes for its page, in Markdown: formats and their sources, limitations. */
  readonly notes?: string
  /**
   * Creates the stage of one connection. Receives all options, checked and with defaults. Must not open resources: a
   * stage opens them with its first record.
   */
  create(options: ValuesOf<O>, context: Context): S
}

/** The headings of the list of transforms, in order. */
export const groups = ['inspect', 'convert', 'lines and records', 'flow', 'faults', 'extend'] as const

/** A heading of the list of transforms. */
export type Group = (typeof groups)[number]

type OptionArguments<O extends OptionSchema> =
  Record<never, never> extends OptionsOf<O>
    ? [options?: keyof O extends never ? Record<string, never> : OptionsOf<O>, context?: Partial<Context>]
    : [options: OptionsOf<O>, context?: Partial<Context>]

/** A transform without type parameters. */
export interface TransformEntry {
  /** The argument of `defineTransform`. */
  readonly definition: Definition
  /**
   * Checks the options and returns a recipe for the stage. Any number of pipelines can use it.
   *
   * @throws `ERR_OPTION` if an option is invalid
   */
  recipe(options?: Record<string, unknown>, context?: Partial<Context>): Recipe
}

/** A transform with the options `O`. Its stage returns records of the type `R`. */
export interface Transform<O extends OptionSchema = OptionSchema, R = unknown> extends TransformEntry {
  /**
   * Checks the options and returns a stream, which creates its stage with its first byte. Members of `context` override
   * the context of the pipeline.
   *
   * @throws `ERR_OPTION`, naming the option, the value and what is allowed
   */
  (...args: OptionArguments<O>): TransformStream<R>
}

/**
 * Creates a transform from its definition. The compiler infers the records of `create`'s stage from `unit`, the option
 * values from `options`, and the input of the next stage from the return type of the stage.
 *
 * @throws `ERR_STAGE` if the definition has no name, an unknown unit, no `create`, or an invalid option
 *
 * @example
 * export const numbered = defineTransform({
 *   name: 'numbered',
 *   summary: 'put its number before each line',
 *   unit: 'line',
 *   options: { from: integer('the first number', { default: 1 }) },
 *   create({ from }) {
 *     let number = from
 *     return {
 *       write: line => `${number++} ${line}`,
 *       flush: () => `${number - from} lines`,
 *     }
 *   },
 * })
 *
 * source.pipe(numbered({ from: 10 })).pipe(process.stdout)
 */
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

/** Checks a definition, for authors without a compiler. */
function checkDefinition({ name, unit, options = {}, create }: Definition): void {
  const check = (isRight: boolean, what: string, value: unknown, expected: string) => {
    if (isRight) return
    const message = `the transform ${show(name)}: ${what}: ${show(value)} is not allowed; expected ${expected}`
    throw new TcpPipeError('ERR_STAGE', message)
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

/** Applies defaults. Throws `ERR_OPTION`, naming the transform, the option, the value and what is allowed. */
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
