/** The parameters of requests: their checks and defaults. */
import { Refusal } from './refusal.js'

/** The value of a parameter, or undefined if it is not given. */
type Parse<T> = (text: string) => T | undefined

export interface Parameter<T> {
  readonly allowed: string
  readonly parse: Parse<T>
  readonly preset: T
}

export type Parameters = Readonly<Record<string, Parameter<unknown>>>

/** The values that `readQuery` returns. */
export type ValuesOf<P extends Parameters> = { [K in keyof P]: P[K] extends Parameter<infer T> ? T : never }

/** Reads the parameters of a query. Refuses unknown ones, and values that are not allowed. */
export function readQuery<P extends Parameters>(query: URLSearchParams, parameters: P): ValuesOf<P> {
  for (const name of query.keys()) {
    if (!Object.hasOwn(parameters, name))
      throw new Refusal(400, `${name}: unknown parameter; expected ${Object.keys(parameters).join(', ') || 'none'}`)
  }
  const read = ([name, { allowed, parse, preset }]: [string, Parameter<unknown>]) => {
    const text = query.get(name)
    const value = text === null ? preset : parse(text)
    if (text !== null && value === undefined)
      throw new Refusal(400, `${name}: '${text.slice(0, 100)}' is not allowed; expected ${allowed}`)
    return [name, value]
  }
  return Object.fromEntries(Object.entries(parameters).map(read)) as ValuesOf<P>
}

export function choice<const T extends string, const D extends T | undefined>(
  values: readonly T[],
  preset: D,
): Parameter<T | D> {
  return { allowed: values.join(', '), parse: text => values.find(value => value === text), preset }
}

export function whole(min: number, max: number, preset: number): Parameter<number> {
  const parse = (text: string) => {
    const number = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN
    return number >= min && number <= max ? number : undefined
  }
  return { allowed: `a whole number from ${min} to ${max}`, parse, preset }
}

export function anyText<const D extends string | undefined>(preset: D): Parameter<string | D> {
  return { allowed: 'a text', parse: text => text, preset }
}
