/** Checks the members of a request, which is JSON of anybody. */
import { describe } from '../text/errors.js'
import { Refusal } from './refusal.js'

/** What a member may be, in words, and the check. */
export interface Member<T> {
  readonly allowed: string
  accepts(value: unknown): value is T
}

type Members = Readonly<Record<string, Member<unknown>>>

/** The members that are given. */
export type Given<M extends Members> = { [K in keyof M]?: M[K] extends Member<infer T> ? T : never }

/**
 * Returns the members that are given; null counts as not given. `what` is what errors call a member.
 *
 * @throws a Refusal (400) that names the member, the value and what is allowed
 */
export function membersOf<const M extends Members>(request: unknown, members: M, what = 'member'): Given<M> {
  if (!isObject(request)) throw notAllowed('the request', request, 'an object')
  const given = Object.entries(request).filter(([, value]) => value !== null && value !== undefined)
  for (const [name, value] of given) {
    if (!Object.hasOwn(members, name))
      throw new Refusal(400, `there is no ${what} '${shorten(name)}'; expected ${Object.keys(members).join(', ')}`)
    const { allowed, accepts } = members[name] as Member<unknown>
    if (!accepts(value)) throw notAllowed(name, value, allowed)
  }
  return Object.fromEntries(given) as Given<M>
}

export function notAllowed(name: string, value: unknown, expected: string): Refusal {
  return new Refusal(400, `${shorten(name)}: ${show(value)} is not allowed; expected ${expected}`)
}

/** A text that passes a check. */
export function text(allowed: string, isRight: (value: string) => boolean = () => true): Member<string> {
  return { allowed, accepts: (value): value is string => typeof value === 'string' && isRight(value) }
}

/** One of several words. */
export function word<const T extends string>(words: readonly T[]): Member<T> {
  return { allowed: words.join(', '), accepts: (value): value is T => words.includes(value as T) }
}

/** A whole number. */
export function integer(min: number, max = Number.MAX_SAFE_INTEGER): Member<number> {
  const allowed = max === Number.MAX_SAFE_INTEGER ? `a whole number from ${min}` : `${min} to ${max}`
  return {
    allowed,
    accepts: (value): value is number => Number.isSafeInteger(value) && Number(value) >= min && Number(value) <= max,
  }
}

export const flag: Member<boolean> = {
  allowed: 'true or false',
  accepts: (value): value is boolean => typeof value === 'boolean',
}

export const object: Member<Readonly<Record<string, unknown>>> = { allowed: 'an object', accepts: isObject }

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function show(value: unknown): string {
  if (typeof value === 'string') return `'${shorten(value)}'`
  return typeof value === 'object' || typeof value === 'undefined' ? describe(value) : String(value)
}

function shorten(value: string): string {
  return value.length > 100 ? `${value.slice(0, 100)}…` : value
}
