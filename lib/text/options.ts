/** The kinds of options that a transform can declare. Each parses text, checks values and describes itself. */
import { either } from './either.js'
import { TcpPipeError } from './errors.js'
import type { Built, Option, Settings } from './option.js'
import {
  between,
  exactBytes,
  exactDuration,
  inRange,
  parseBytes,
  parseDuration,
  plainNumber,
  type Range,
} from './quantities.js'

export type * from './option.js'
export type { Range } from './quantities.js'

/** What `text` takes. */
export interface Check {
  /** What is allowed, in words. Default: non-empty text. */
  allowed?: string
  /** True if the text may be empty. Default: false. */
  empty?: boolean
  /** Returns true if the text is allowed. Default: any text is. */
  check?(value: string): boolean
}

/** The settings of `list`. */
export interface ListCheck {
  /** What is allowed, in words. Default: texts separated by commas. */
  allowed?: string
  /** Returns true if the item is allowed. Default: any item is that is not empty. */
  check?(item: string): boolean
}

/** The settings of `words`. */
export interface WordsCheck {
  /** What is allowed, in words. Default: a program and its arguments. */
  allowed?: string
  /** Returns true if the words are allowed. Default: any words are, if the first one is not empty. */
  check?(words: readonly string[]): boolean
}

/** Creates a text option: accepts any non-empty text, or any text that passes a check. */
export function text<const S extends Settings<string> & Check>(summary: string, settings?: S): Built<string, S> {
  const { empty = false, allowed = empty ? 'text' : 'non-empty text', check = () => true } = settings ?? {}
  return option<string, S>(summary, settings, {
    allowed,
    read: value => value,
    accepts: value => typeof value === 'string' && (empty || value !== '') && check(value),
  })
}

/** Creates an option that is true or false. Default: false. */
export function flag(summary: string): Option<boolean, boolean, false> {
  return option<boolean, { default: false }>(
    summary,
    { default: false },
    {
      allowed: 'true or false',
      words: ['true', 'false'],
      read: value => (value === 'true' ? true : value === 'false' ? false : undefined),
      accepts: value => typeof value === 'boolean',
    },
  )
}

/** Creates an option for one of several words. */
export function choice<const T extends string, const S extends Settings<NoInfer<T>>>(
  summary: string,
  words: readonly T[],
  settings?: S,
): Built<T, S> {
  const accepts = (value: unknown) => words.includes(value as T)
  return option<T, S>(summary, settings, { allowed: either(words), words, read: value => value as T, accepts })
}

/** Creates an option for a whole number, `42`. */
export function integer<const S extends Settings<number> & Range>(summary: string, settings?: S): Built<number, S> {
  return option<number, S>(summary, settings, {
    allowed: between('a whole number', settings, String),
    read: value => (/^-?\d+$/.test(value) ? Number(value) : undefined),
    accepts: value => Number.isSafeInteger(value) && inRange(value as number, settings),
  })
}

/** Creates an option for a number with or without decimals, `0.5`. */
export function number<const S extends Settings<number> & Range>(summary: string, settings?: S): Built<number, S> {
  return option<number, S>(summary, settings, {
    allowed: between("a number, such as '0.5'", settings, String),
    allowedInCode: between('a number', settings, String),
    read: value => (/^-?\d+(\.\d+)?$/.test(value) ? Number(value) : undefined),
    accepts: value => Number.isFinite(value) && inRange(value as number, settings),
  })
}

/** What `bytes` takes. */
export interface BytesRange extends Range {
  /** True if `off` is allowed. It stands for 0. Default: false. */
  off?: boolean
}

/** Creates an option for a number of bytes: `65536`, `64k` or `1MiB` on the command line, 65536 in code. */
export function bytes<const S extends Settings<number> & BytesRange>(summary: string, settings?: S): Built<number, S> {
  const off = settings?.off === true
  const allowed = between(`bytes, such as '65536', '64k' or '1MiB'${off ? ", or 'off'" : ''}`, settings, exactBytes)
  return option<number, S>(summary, settings, {
    allowed,
    allowedInCode: between(`a whole number of bytes${off ? ', or 0 for none' : ''}`, settings, String),
    read: value => (off && value === 'off' ? 0 : parseBytes(value, allowed)),
    accepts: value => Number.isSafeInteger(value) && inRange(value as number, settings),
    format: value => (off && value === 0 ? 'off' : exactBytes(value)),
  })
}

/**
 * Creates an option for a duration. On the command line it has a unit, `250ms` or `10s`, and a bare number is seconds. In
 * code it is a number of milliseconds.
 */
export function duration<const S extends Settings<number> & Range>(summary: string, settings?: S): Built<number, S> {
  return option<number, S>(summary, settings, {
    allowed: between("a duration, such as '250ms', '10s' or '10' (seconds)", settings, exactDuration),
    allowedInCode: between('a number of milliseconds', settings, String),
    read: parseDuration,
    accepts: value => Number.isFinite(value) && inRange(value as number, settings),
    format: exactDuration,
  })
}

/** Creates an option for several texts: `a,b` on the command line, `['a', 'b']` in code. */
export function list<const S extends Settings<readonly string[]> & ListCheck>(
  summary: string,
  settings?: S,
): Built<readonly string[], S> {
  const { allowed = "a list separated by ','", check = () => true } = settings ?? {}
  return option<readonly string[], S>(summary, settings, {
    allowed,
    read: value => value.split(','),
    accepts: value => isTexts(value) && value.every(item => item !== '' && check(item)),
    format: items => items.join(','),
  })
}

/**
 * Makes an option for a command: all remaining words of the command line as they are, an array in code. It is required.
 */
export function words(
  summary: string,
  { allowed = 'a program and its arguments', check = () => true }: WordsCheck = {},
): Option<readonly string[], readonly string[], true> {
  const settings = { required: true, positional: true } as const
  const made = option<readonly string[], typeof settings>(summary, settings, {
    allowed,
    read: value => [value],
    accepts: value => isTexts(value) && value[0] !== '' && check(value),
    format: items => items.join(' '),
  })
  return { ...made, rest: true }
}

/** Creates an option for a regular expression: `ERROR` or `/error/i` on the command line, a RegExp in code. */
export function regexp<const S extends Settings<RegExp>>(summary: string, settings?: S): Built<RegExp, S> {
  return option<RegExp, S>(summary, settings, {
    allowed: "a regular expression, such as 'ERROR' or '/error/i'",
    allowedInCode: 'a RegExp, such as /ERROR/',
    read: parseRegExp,
    accepts: value => value instanceof RegExp,
  })
}

interface Kind<T> {
  allowed: string
  allowedInCode?: string
  words?: readonly string[]
  read(text: string): T | undefined
  accepts(value: unknown): boolean
  format?(value: T): string
}

function option<T, const S extends Settings<T>>(summary: string, settings: S | undefined, kind: Kind<T>): Built<T, S> {
  const { allowed, allowedInCode = allowed, words, read, accepts, format = plainNumber } = kind
  const parse = (value: string): T => {
    const result = read(value)
    if (!accepts(result)) throw new TcpPipeError('ERR_OPTION', `'${value}' is not allowed; expected ${allowed}`)
    return result as T
  }
  const { required = false, positional = false } = settings ?? {}
  const fallback = settings && 'default' in settings ? { default: settings.default } : {}
  return {
    summary,
    allowed,
    allowedInCode,
    ...(words && { words }),
    required,
    positional,
    ...fallback,
    parse,
    accepts,
    format,
  } as unknown as Built<T, S>
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.length > 0 && value.every(item => typeof item === 'string')
}

function parseRegExp(source: string): RegExp | undefined {
  const literal = /^\/(.+)\/([dgimsuvy]*)$/s.exec(source)
  try {
    return literal ? new RegExp(literal[1] as string, literal[2]) : new RegExp(source)
  } catch (error) {
    throw new TcpPipeError('ERR_OPTION', (error as Error).message)
  }
}
