/** The types of option values: a caller without a compiler may pass anything. */
import { describe, TcpPipeError } from './errors.js'
import { checkTime } from './quantities.js'

/** What a value may be, in words, and the check. */
type Kind = readonly [allowed: string, accepts: (value: unknown) => boolean]

const logMethods = ['child', 'debug', 'info', 'warn', 'error']
const observerMethods = ['listening', 'opened', 'refused', 'handshakeFailed', 'passed', 'faulted', 'closed', 'stopped']

const kinds = {
  flag: ['true or false', value => typeof value === 'boolean'],
  text: ['a text', value => typeof value === 'string'],
  function: ['a function', isFunction],
  object: ['an object', isObject],
  count: ['a whole number from 1', value => (Number.isInteger(value) || value === Infinity) && Number(value) >= 1],
  address: ['an address', value => typeof value === 'string' || isObject(value)],
  serverTls: ["true, false, 'auto' or an object", value => value === 'auto' || isSwitch(value)],
  clientTls: ['true, false or an object', isSwitch],
  mode: [
    'permissions from 0 to 0o777',
    value => Number.isInteger(value) && Number(value) >= 0 && Number(value) <= 0o777,
  ],
  signal: ['an AbortSignal', value => value instanceof AbortSignal],
  logger: [
    `a pino logger, or an object with the methods ${logMethods.join(', ')}`,
    value => logMethods.every(name => isFunction(member(value, name))),
  ],
  observer: [
    `an object with any of the methods ${observerMethods.join(', ')}`,
    value => isObject(value) && observerMethods.every(name => isAbsentOr(isFunction, member(value, name))),
  ],
} satisfies Record<string, Kind>

/** The kinds of values. A time is in milliseconds. */
export type ValueKind = keyof typeof kinds | 'time'

/**
 * Checks options by their names, and that they are an object. An option that is undefined is not given.
 *
 * Throws `ERR_OPTION`, naming the option, the value and what is allowed.
 */
export function checkValues(options: unknown, expected: Readonly<Record<string, ValueKind>>): void {
  if (!isObject(options)) throw fault('options', options, 'an object')
  for (const [name, kind] of Object.entries(expected)) {
    const value = member(options, name)
    if (kind === 'time') checkTime(name, value as number | undefined)
    else if (!isAbsentOr(kinds[kind][1], value)) throw fault(name, value, kinds[kind][0])
  }
}

function fault(name: string, value: unknown, allowed: string): TcpPipeError {
  return new TcpPipeError('ERR_OPTION', `${name}: ${show(value)} is not allowed; expected ${allowed}`)
}

function show(value: unknown): string {
  if (typeof value === 'string') return `'${value}'`
  return typeof value === 'number' ? String(value) : describe(value)
}

function isAbsentOr(accepts: (value: unknown) => boolean, value: unknown): boolean {
  return value === undefined || accepts(value)
}

function isFunction(value: unknown): boolean {
  return typeof value === 'function'
}

function isSwitch(value: unknown): boolean {
  return typeof value === 'boolean' || isObject(value)
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

function member(value: unknown, name: string): unknown {
  return (value as Record<string, unknown> | null | undefined)?.[name]
}
