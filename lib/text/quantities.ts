/**
 * Human-readable sizes and durations. In code they are bytes and milliseconds. In text a bare number is bytes and
 * seconds.
 */
import { TcpPipeError } from './errors.js'

const byteUnits: Record<string, number> = {
  '': 1,
  b: 1,
  k: 1024,
  kib: 1024,
  kb: 1000,
  m: 1024 ** 2,
  mib: 1024 ** 2,
  mb: 1e6,
  g: 1024 ** 3,
  gib: 1024 ** 3,
  gb: 1e9,
  t: 1024 ** 4,
  tib: 1024 ** 4,
  tb: 1e12,
}

const durationUnits: Record<string, number> = { ms: 1, '': 1000, s: 1000, m: 60_000, min: 60_000, h: 3_600_000 }

/** `64k`, `1MiB`, `1.5g`, `1MB` (decimal) or a plain number → bytes, rounded down. An error says what is allowed. */
export function parseBytes(text: string, allowed = "bytes, such as '65536', '64k' or '1MiB'"): number {
  return Math.floor(parse(text, byteUnits, allowed))
}

/** `250ms`, `10s`, `2m`, `1h` or a plain number of seconds → milliseconds. */
export function parseDuration(text: string): number {
  return parse(text, durationUnits, "a duration, such as '250ms', '2m' or '10' (seconds)")
}

/** 1536 → `1.50 KiB`. Bytes themselves have no decimals. */
export function formatBytes(bytes: number, decimals = 2): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  const power = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10))
  return `${power === 0 ? bytes : (bytes / 1024 ** power).toFixed(decimals)} ${units[power]}`
}

/** 90500 → `1m30.5s`, 250 → `250ms`. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds < 1000) return `${Math.round(milliseconds)}ms`
  const seconds = milliseconds / 1000
  if (seconds < 60) return `${Number(seconds.toFixed(1))}s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m${Number((seconds % 60).toFixed(1))}s`
  return `${Math.floor(seconds / 3600)}h${Math.floor((seconds % 3600) / 60)}m`
}

function parse(text: string, units: Record<string, number>, allowed: string): number {
  const match = /^(\d+(?:\.\d+)?)([a-z]*)$/i.exec(text)
  const unit = match ? units[(match[2] as string).toLowerCase()] : undefined
  const value = match && unit !== undefined ? Number(match[1]) * unit : Number.NaN
  if (Number.isFinite(value)) return value // false for hundreds of digits
  throw new TcpPipeError('ERR_OPTION', `'${text}' is not allowed; expected ${allowed}`)
}

/** The longest time of a Node timer, in milliseconds. */
export const longestTime = 2 ** 31 - 1

/** Node would treat a time beyond the limit, or a non-number, as 1 ms. */
export function checkTime(name: string, value: number | undefined): void {
  if (value === undefined || (typeof value === 'number' && value >= 0 && value <= longestTime)) return
  const expected = `expected milliseconds from 0 to ${longestTime}`
  throw new TcpPipeError('ERR_OPTION', `${name}: ${value} is not allowed; ${expected}`)
}

/** The limits of a number, in the unit that code passes. */
export interface Range {
  /** The least value that is allowed. Default: 0. */
  min?: number
  /** The greatest value that is allowed. Default: `Number.MAX_SAFE_INTEGER`. */
  max?: number
}

/** Whether a number is in a range, which begins at 0 by default. */
export function inRange(value: number, { min = 0, max = Number.MAX_SAFE_INTEGER }: Range = {}): boolean {
  return value >= min && value <= max
}

/** `a whole number, from 1 to 9`: what a range allows, in words. */
export function between(what: string, { min, max }: Range = {}, format: (value: number) => string): string {
  if (min !== undefined && max !== undefined) return `${what}, from ${format(min)} to ${format(max)}`
  if (min !== undefined) return `${what}, at least ${format(min)}`
  if (max !== undefined) return `${what}, at most ${format(max)}`
  return what
}

/** Formats numbers without an exponent, which the parser does not accept. */
export function plainNumber(value: unknown): string {
  const text = String(value)
  const small = typeof value === 'number' && /^(\d(?:\.\d+)?)e-(\d+)$/.exec(text)
  const [, digits, exponent] = small || []
  return digits ? `0.${'0'.repeat(Number(exponent) - 1)}${digits.replace('.', '')}` : text
}

/** Formats bytes as typed: 65536 → `64k`. */
export function exactBytes(size: number): string {
  return exact(size, { g: 1024 ** 3, m: 1024 ** 2, k: 1024, '': 1 })
}

/** Formats a time as typed: 90000 → `90s`. */
export function exactDuration(milliseconds: number): string {
  return exact(milliseconds, { h: 3_600_000, m: 60_000, s: 1000, ms: 1 })
}

/** Uses the largest unit that divides the value, otherwise the smallest. */
function exact(value: number, units: Record<string, number>): string {
  const fitting = Object.entries(units).filter(([, size]) => value % size === 0 && value > 0)
  const [unit, size] = (fitting[0] ?? Object.entries(units).at(-1)) as [string, number]
  return `${plainNumber(value / size)}${unit}`
}

/** For `JSON.stringify`: numbers of at most two decimals. Hundredths of a millisecond say enough. */
export function toHundredths(_key: string, value: unknown): unknown {
  return typeof value === 'number' ? Math.round(value * 100) / 100 : value
}
