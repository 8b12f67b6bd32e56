/** Amounts in the words of log lines. No line is broken between a number and its unit. */
import { formatBytes, formatDuration } from '../lib/text/quantities.js'
import { tie } from './wrap.js'

export function count(number: unknown, what: string): string {
  return `${number}${tie}${what}${number === 1 ? '' : 's'}`
}

export function size(bytes: unknown): string {
  return formatBytes(Number(bytes), 1).replace(' ', tie)
}

export function time(milliseconds: unknown): string {
  return formatDuration(Number(milliseconds)).replace(/^([\d.]+)(ms|s)$/, `$1${tie}$2`)
}
