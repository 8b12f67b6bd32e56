/** The text form of a pipeline: `gunzip | grep 'GET /' invert=true | hex width=8`. */

import { didYouMean, errorCode, errorMessage, TcpPipeError } from '../text/errors.js'
import type { Option } from '../text/options.js'
import { lazyStream } from './compose.js'
import type { TransformEntry } from './define.js'
import { inThread } from './in-thread.js'
import { isModulePath, isTransform, loadModule } from './modules.js'
import type { Recipe, Stage } from './stage.js'

/** The maximum number of stages in a spec. */
export const maxStages = 100

/** Transforms by export name. */
export type Registry = Readonly<Record<string, TransformEntry>>

/** Functions that parse the text form of pipelines with a set of transforms. */
export interface Specs {
  /**
   * Parses a pipeline, such as `'gunzip | hex width=8'`. Returns a function for the option `transforms`. Joins several
   * texts. Checks the names and options of all stages immediately, and opens nothing.
   *
   * @throws `ERR_SPEC` if the text is invalid; the message names the column
   */
  spec(...texts: string[]): () => Stage[]
  /**
   * Does the same as `spec`, but also accepts the path of a module as a stage: `'gunzip | ./without.js DEBUG'`. The
   * default export of the module is a transform, a function or an object. Relative paths start at the working
   * directory.
   *
   * @throws `ERR_MODULE` if a module cannot be imported, `ERR_SPEC` as `spec` does
   */
  loadSpec(...texts: string[]): Promise<() => Stage[]>
}

/**
 * Returns `spec` and `loadSpec` over the transforms among these exports. Ignores the other exports. A text names a
 * transform by the `name` of its definition. `hint` is appended to the message about an unknown name. Default: none.
 * `home` is the URL of the module with these exports, so that a thread can import it for `worker=true`.
 *
 * @example
 * const { spec } = specOf({ without, upper })
 * await serve({ transforms: spec('without DEBUG | upper') })
 */
export function specOf(exports: Readonly<Record<string, unknown>>, hint = '', home?: string): Specs {
  const registry = registryOf(exports)
  const pipelines = (texts: string[], modules: (readonly [string, TransformEntry])[]) => {
    const recipes = texts.flatMap(text => parse(text, registry, modules, { hint, home }))
    return () => recipes.map(recipe => lazyStream([recipe]))
  }
  return {
    spec: (...texts) => pipelines(texts, []),
    async loadSpec(...texts) {
      const paths = [...new Set(texts.flatMap(modulePaths))]
      return pipelines(texts, await Promise.all(paths.map(async path => [path, await loadModule(path)] as const)))
    },
  }
}

/** Returns the transforms among these exports. */
export function registryOf(exports: Readonly<Record<string, unknown>>): Registry {
  const isEntry = (entry: [string, unknown]): entry is [string, TransformEntry] => isTransform(entry[1])
  return Object.fromEntries(Object.entries(exports).filter(isEntry))
}

interface Word {
  text: string
  /** The part before the first quote or escape. `name=` is the name of an option only there. */
  bare: string
  quoted: boolean
  /** The column of the first character, from 1. */
  column: number
}

/** Returns the module paths among the stages. Import them before parsing the text. */
export function modulePaths(text: string): string[] {
  return split(text).flatMap(([name]) => (name && isModulePath(name.text) ? [name.text] : []))
}

/**
 * Parses text into recipes and checks all options. `modules` holds imported modules. Throws `ERR_SPEC` with a column.
 */
export function parse(
  text: string,
  registry: Registry,
  modules: Iterable<readonly [string, TransformEntry]> = [],
  { hint = '', home }: { readonly hint?: string; readonly home?: string | undefined } = {},
): Recipe[] {
  const named = Object.values(registry).map(transform => [transform.definition.name, transform] as const)
  const transforms = new Map([...named, ...modules])
  const stages = split(text)
  if (stages.length > maxStages)
    throw new TcpPipeError('ERR_SPEC', `${stages.length} stages; at most ${maxStages} are allowed`)
  return stages.map(([name, ...words]) => {
    if (!name)
      throw new TcpPipeError(
        'ERR_SPEC',
        `'${shorten(text)}': a stage is missing; expected a transform on both sides of '|'`,
      )
    const transform = transforms.get(name.text)
    if (!transform && isModulePath(name.text))
      throw fault(text, name.column, `'${name.text}' is a module; loadSpec() imports it`)
    if (!transform) {
      throw fault(
        text,
        name.column,
        `unknown transform '${name.text}'${unknownHint(name.text, transforms.keys(), hint)}`,
      )
    }
    return stage(text, transform, name, words, home)
  })
}

function unknownHint(name: string, names: Iterable<string>, hint: string): string {
  if (/\/|\.[cm]?[jt]s$/.test(name)) return `; a module of your own is './${name}'`
  return didYouMean(name, names) || hint
}

function stage(text: string, transform: TransformEntry, name: Word, words: Word[], home: string | undefined): Recipe {
  try {
    const isInThread = words.some(word => isWorkerWord(word, transform) && word.text === 'worker=true')
    const own = words.filter(word => !isWorkerWord(word, transform))
    const options = optionsOf(text, transform, own)
    const recipe = transform.recipe(options)
    return isInThread ? inThread(recipe, { transform, options, word: name.text, home }) : recipe
  } catch (error) {
    if (errorCode(error) === 'ERR_SPEC') throw error
    throw fault(text, name.column, errorMessage(error))
  }
}

/** The option of every transform that does not have one of this name, and whose words are not those of a program. */
function isWorkerWord({ bare }: Word, { definition: { options = {} } }: TransformEntry): boolean {
  const isTaken = Object.hasOwn(options, 'worker') || Object.values(options).some(({ rest }) => rest)
  return !isTaken && /^worker=(true|false)$/.test(bare)
}

function optionsOf(text: string, transform: TransformEntry, words: Word[]): Record<string, unknown> {
  const { name, options: schema = {} } = transform.definition
  const rest = Object.keys(schema).find(key => schema[key]?.rest)
  if (rest !== undefined) return words.length > 0 ? { [rest]: words.map(word => word.text) } : {}
  const positional = Object.keys(schema).filter(key => schema[key]?.positional)
  const options: Record<string, unknown> = {}
  for (const word of words) {
    const [prefix = '', key] = /^([\w-]+)=/.exec(word.bare) ?? []
    const named = key !== undefined && Object.hasOwn(schema, key)
    const target = named ? key : positional.find(each => !Object.hasOwn(options, each))
    if (target === undefined) throw fault(text, word.column, tooMany(transform, word.text, key))
    if (Object.hasOwn(options, target)) throw fault(text, word.column, `${name} ${target} is given twice`)
    try {
      options[target] = (schema[target] as Option).parse(named ? word.text.slice(prefix.length) : word.text)
    } catch (error) {
      throw fault(text, word.column, `${name} ${target}: ${errorMessage(error)}`)
    }
  }
  return options
}

function tooMany({ definition }: TransformEntry, word: string, key: string | undefined): string {
  const names = Object.keys(definition.options ?? {})
  const known =
    names.length === 0 ? `${definition.name} has no options` : `its options: ${names.map(name => `${name}=`).join(' ')}`
  const hint = names.includes(word) ? `; write ${word}=… for that option` : didYouMean(key ?? '', names)
  return `${definition.name} cannot take '${word}'; ${known}${hint}`
}

/**
 * Splits text into the words of each stage, as a shell does: '…' is literal, \ escapes elsewhere, | separates stages.
 */
function split(text: string): Word[][] {
  const stages: Word[][] = [[]]
  let word: Word | undefined
  let quote: { mark: string; column: number } | undefined
  const add = (character: string, column: number, quoted: boolean) => {
    word ??= { text: '', bare: '', quoted: false, column }
    word.text += character
    word.quoted ||= quoted
    if (!word.quoted) word.bare += character
  }
  const close = () => {
    if (word) stages.at(-1)?.push(word)
    word = undefined
  }
  for (let i = 0; i < text.length; i++) {
    const character = text[i] as string
    const column = i + 1
    if (character === '\\' && quote?.mark !== "'") {
      const next = text[++i]
      if (next === undefined) throw fault(text, column, 'a backslash at the end; expected a character after it')
      // As in a shell: inside "…" only \ and " are escaped, so that a regular expression can be written there.
      add(quote && next !== '"' && next !== '\\' ? `\\${next}` : next, column, true)
    } else if (quote) {
      if (character === quote.mark) quote = undefined
      else add(character, column, true)
    } else if (character === '"' || character === "'") {
      quote = { mark: character, column }
      add('', column, true)
    } else if (character === '|') {
      close()
      stages.push([])
    } else if (/\s/.test(character)) close()
    else add(character, column, false)
  }
  if (quote) throw fault(text, quote.column, `the quote ${quote.mark} is not closed`)
  close()
  return stages
}

function fault(text: string, column: number, message: string): TcpPipeError {
  return new TcpPipeError('ERR_SPEC', `'${shorten(text)}', column ${column}: ${message}`)
}

function shorten(text: string): string {
  return text.length > 200 ? `${text.slice(0, 200)}…` : text
}
