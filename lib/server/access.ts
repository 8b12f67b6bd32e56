/** Access lists: the addresses that may connect. */

import { type Ip, parseIp } from '../endpoints/ip.js'
import { describe, TcpPipeError } from '../text/errors.js'

/** Each rule is an address, a CIDR (`10.0.0.0/8`, `fd00::/8`) or a range (`10.0.0.1-10.0.0.9`). */
export interface AccessLists {
  /** Denies every address that is not in the list. Default: no restriction. */
  readonly allow?: readonly string[] | undefined
  /** Denies every address in the list, even if `allow` contains it. Default: none. */
  readonly deny?: readonly string[] | undefined
}

/** The addresses from first to last, inclusive. */
export interface AddressRange {
  readonly family: Ip['family']
  readonly first: bigint
  readonly last: bigint
}

/**
 * Returns a function that reports whether an address may connect, or undefined without lists. The function denies text
 * that is not an IP address. It treats an IPv4-mapped address as its IPv4 address, also in rules (`::ffff:10.0.0.0/104`
 * is `10.0.0.0/8`). An IPv6 rule never matches an IPv4 address: `::/0` does not, `0.0.0.0/0` does. Zones
 * (`fe80::1%eth0`) are ignored.
 *
 * Throws `ERR_OPTION` for an invalid rule and for an empty `allow`.
 */
export function accessCheck({ allow, deny }: AccessLists): ((address: string | undefined) => boolean) | undefined {
  if (allow === undefined && deny === undefined) return undefined
  const isAllowed = listCheck('allow', allow)
  const isDenied = listCheck('deny', deny)
  if (allow?.length === 0) throw new TcpPipeError('ERR_OPTION', 'allow: an empty list would deny everyone')
  return address => {
    const ip = address === undefined ? undefined : parseIp(address)
    return ip !== undefined && !isDenied?.(ip) && (isAllowed?.(ip) ?? true)
  }
}

/**
 * Returns the addresses that a rule matches. Ignores the bits of a CIDR after its prefix (`10.0.0.1/8` is
 * `10.0.0.0/8`), as packet filters do. Throws `ERR_OPTION`; the message begins with `where`.
 */
export function parseRule(rule: unknown, where: string): AddressRange {
  const range = typeof rule === 'string' ? (network(rule) ?? span(rule)) : undefined
  if (range) return range
  const what = typeof rule === 'string' ? `'${shorten(rule)}'` : describe(rule)
  throw new TcpPipeError('ERR_OPTION', `${where}: ${what} is not ${expected}`)
}

const expected =
  "an address, a CIDR or a range, such as '10.0.0.1', '10.0.0.0/8', 'fd00::/8' or '10.0.0.1-10.0.0.9' (the lower end first)"

/** Shortens a rule for messages. A file that is not a list of rules can have lines of any length. */
function shorten(rule: string): string {
  return rule.length > longestRule ? `${rule.slice(0, longestRule)}…` : rule
}

const longestRule = 128

/** Returns a function that reports whether a rule matches. Throws `ERR_OPTION`; the message begins with the option. */
export function listCheck(option: string, rules: unknown): ((ip: Ip) => boolean) | undefined {
  if (rules === undefined) return undefined
  if (Array.isArray(rules)) return matcher(rules.map(rule => parseRule(rule, option)))
  throw new TcpPipeError('ERR_OPTION', `${option}: ${describe(rules)} is not allowed; expected an array of rules`)
}

/** Parses a CIDR. A network that contains only mapped addresses is an IPv4 network. */
function network(rule: string): AddressRange | undefined {
  const [, text = '', length] = /^(.+)\/(0|[1-9]\d{0,2})$/.exec(rule) ?? []
  const ip = parseIp(text)
  if (!ip) return undefined
  const isMapped = ip.family === 4 && text.includes(':')
  if (isMapped && Number(length) < 96) return block(6, mapped + ip.value, Number(length))
  return block(ip.family, ip.value, Number(length) - (isMapped ? 96 : 0))
}

const mapped = 0xffff_0000_0000n // ::ffff:0:0

function block(family: Ip['family'], value: bigint, length: number): AddressRange | undefined {
  const bits = family === 4 ? 32 : 128
  if (length > bits) return undefined
  const size = 1n << BigInt(bits - length)
  const first = value - (value % size)
  return { family, first, last: first + size - 1n }
}

/** Parses a range or a single address. */
function span(rule: string): AddressRange | undefined {
  const [first, last] = endsOf(rule)
  if (!first || !last || first.family !== last.family || first.value > last.value) return undefined
  return { family: first.family, first: first.value, last: last.value }
}

function endsOf(rule: string): (Ip | undefined)[] {
  const ends = rule.split(/-(?=[^-]*$)/).map(parseIp)
  if (ends.length === 2 && ends.every(Boolean)) return ends
  const ip = parseIp(rule) // the name of a zone may contain a '-'
  return [ip, ip]
}

/** Binary search. `net.BlockList` searches linearly, and matches an IPv4 address against `::/0`. */
function matcher(ranges: readonly AddressRange[]): (ip: Ip) => boolean {
  const ofFamily = {
    4: disjoint(ranges.filter(({ family }) => family === 4)),
    6: disjoint(ranges.filter(({ family }) => family === 6)),
  }
  return ({ family, value }) => {
    const range = lastFrom(ofFamily[family], value)
    return range !== undefined && value <= range.last
  }
}

/** Sorts the ranges and merges those that overlap. */
function disjoint(ranges: AddressRange[]): AddressRange[] {
  const joined: AddressRange[] = []
  for (const range of ranges.sort((one, other) => (one.first < other.first ? -1 : 1))) {
    const previous = joined.at(-1)
    if (!previous || range.first > previous.last) joined.push(range)
    else if (range.last > previous.last) joined[joined.length - 1] = { ...previous, last: range.last }
  }
  return joined
}

/** Returns the last range that begins at or before the value. */
function lastFrom(ranges: readonly AddressRange[], value: bigint): AddressRange | undefined {
  let low = 0
  let high = ranges.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((ranges[middle] as AddressRange).first <= value) low = middle + 1
    else high = middle
  }
  return ranges[low - 1]
}
