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

/** The type of a record of each unit: what one call of a stage receives. */
export interface UnitTypes {
  /** A chunk, cut wherever the network has cut it. */
  bytes: Buffer
  /** A line of UTF-8 text without its LF. */
  line: string
  /** A JSON value. */
  // biome-ignore lint/suspicious/noExplicitAny: a JSON value is whatever its author says it is
  json: any
}

/**
 * A transform as its author writes it. `O` are its options, `U` is its unit, `S` is the stage that `create` returns.
 */
export interface Definition<O extends OptionSchema = OptionSchema, U extends Unit = Unit, S extends Stage = Stage> {
  /** The name on the command line; the export is the same in camelCase. */
  readonly name: string
  /** Says in one line what it does to the data. */
  readonly summary: string
  /** The heading under which it is listed. Default: it is not in the list. */
  readonly group?: Group
  /** What the stage receives: `'bytes'`, `'line'` or `'json'`. */
  readonly unit: U
  /** The options by name, made by `text`, `flag`, `integer` and the like. Default: none. */
  readonly options?: O
  /**
   * Checks what depends on several options or on the platform. Runs before anything is opened. Returns what is wrong, in
   * words that follow the name of the transform, or undefined.
   */
  check?(options: ValuesOf<O>): string | undefined
  /** True if its output is text in whole lines. Default: true for the units `line` and `json`, false for `bytes`. */
  readonly makesLines?: boolean
  /**
   * True if the stage cannot be ended in the middle of a stream without a loss or an error. A proxy refuses to replace it
   * while it is open. Default: false, but true for the unit `json`.
   */
  readonly indivisible?: boolean
  /** A spec that shows it, an input, and the output that the spec makes of it. */
  readonly example?: { readonly spec: string; readonly input: string; readonly output: string }
  /** More for its page, in Markdown: formats and their sources, what to watch out for. */
  readonly notes?: string
  /**
   * Makes the stage of one connection. Receives every option, checked and with its default. Opens nothing: a stage waits for
   * its first record.
   */
  create(options: ValuesOf<O>, context: Context): S
}

/** The headings of the list of transforms, in its order. */
export const groups = ['inspect', 'convert', 'lines and records', 'flow', 'faults', 'extend'] as const

/** A heading of the list of transforms. */
export type Group = (typeof groups)[number]

type OptionArguments<O extends OptionSchema> =
  Record<never, never> extends OptionsOf<O>
    ? [options?: keyof O extends never ? Record<string, never> : OptionsOf<O>, context?: Partial<Context>]
    : [options: OptionsOf<O>, context?: Partial<Context>]

/** A transform without its types. */
export interface TransformEntry {
  /** What `defineTransform` was given. */
  readonly definition: Definition
  /**
   * Checks the options and returns the stage as a recipe, which any number of pipelines can use.
   *
   * @throws `ERR_OPTION`
   */
  recipe(options?: Record<string, unknown>, context?: Partial<Context>): Recipe
}

/** A transform with the options `O`, whose stage gives records of the type `R`. */
export interface Transform<O extends OptionSchema = OptionSchema, R = unknown> extends TransformEntry {
  /**
   * Checks the options and returns a stream, which makes its stage with its first byte. Members of `context` take the place
   * of what the pipeline provides.
   *
   * @throws `ERR_OPTION`, naming the option, the value and what is allowed
   */
  (...args: OptionArguments<O>): TransformStream<R>
}

/**
 * Makes a transform of its definition. The compiler infers the records of `create`'s stage from `unit`, the values of the
 * options from `options`, and what the next stage receives from what the stage returns.
 *
 * @throws `ERR_STAGE` if the definition has no name, an unknown unit, no `create`, or an option that no option maker made
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

/** For authors without a compiler. */
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
