/** IP addresses: parsing and normalization. */
import { isIP, SocketAddress } from 'node:net'

/** An address as a number. An IPv4-mapped IPv6 address becomes its IPv4 address. */
export interface Ip {
  readonly family: 4 | 6
  readonly value: bigint
}

/**
 * Returns the normalized text of an address, or undefined for other text. Converts IPv4-mapped IPv6 to IPv4
 * (`::ffff:a00:1` → `10.0.0.1`). Removes a zone (`fe80::1%eth0` → `fe80::1`). Rejects numbers with leading zeros
 * (`010.0.0.1`), which some programs read as octal.
 */
export function canonicalIp(text: string): string | undefined {
  const [, address = '', zone] = zoned.exec(text) ?? []
  const family = isIP(address)
  if (family === 0 || (family === 4 && zone)) return undefined
  if (family === 4) return address
  return new SocketAddress({ address, family: 'ipv6' }).address.replace(/^::ffff:(?=\d+\.)/, '')
}

/** Returns undefined for text that is not an address. */
export function parseIp(text: string): Ip | undefined {
  const address = canonicalIp(text)
  if (address === undefined) return undefined
  return address.includes(':')
    ? { family: 6, value: hexadecimal(groupsOf(address)) }
    : { family: 4, value: quad(address) }
}

/** Linux allows other characters than these in the name of an interface; `isIP` accepts letters, digits and `-.:`. */
const zoned = /^([^%]*)(%[^\s/:%]+)?$/

/** Parses the eight groups of four hexadecimal digits. */
function groupsOf(address: string): string[] {
  const [head = [], tail = []] = withoutQuad(address)
    .split('::')
    .map(half => (half ? half.split(':') : []))
  return [...head, ...Array<string>(8 - head.length - tail.length).fill('0'), ...tail]
}

/** The system formats some addresses as `::1.2.3.4`. */
function withoutQuad(address: string): string {
  return address.replace(
    /\d+\.[\d.]+$/,
    text => `${(quad(text) >> 16n).toString(16)}:${(quad(text) & 0xffffn).toString(16)}`,
  )
}

function hexadecimal(groups: string[]): bigint {
  return BigInt(`0x${groups.map(group => group.padStart(4, '0')).join('')}`)
}

function quad(address: string): bigint {
  return BigInt(address.split('.').reduce((value, part) => value * 256 + Number(part), 0))
}
