/**
 * The PROXY protocol, versions 1 and 2: the header with which a balancer says whose connection it passes on
 * (https://www.haproxy.org/download/1.8/doc/proxy-protocol.txt).
 */
import { isIP } from 'node:net'
import { crc32c } from '../../formats/checksums.js'
import { TcpPipeError } from '../../text/errors.js'
import { escapeLine } from '../../text/escape.js'
import { canonicalIp, type Ip, parseIp } from '../ip.js'

/** One end of the connection that a balancer passes on. */
export interface ProxyEnd {
  /** An IP address, or `unix`. */
  readonly address: string
  /** Undefined for a unix socket. */
  readonly port: number | undefined
}

/** Who has connected, and where to. */
export interface ProxyEnds {
  readonly source: ProxyEnd
  readonly destination: ProxyEnd
}

export interface ProxyHeader {
  /** The length of the header in bytes; what follows is of the client. */
  readonly length: number
  /** Undefined if the connection is the balancer's own, such as a health check, or its client has no known address. */
  readonly ends: ProxyEnds | undefined
}

/** The versions that can be written. */
export const proxyVersions = ['v1', 'v2'] as const

export type ProxyVersion = (typeof proxyVersions)[number]

/** The maximum length of a header of version 1 with its line end, and of one of version 2 that is accepted. */
export const maxProxyHeader = { v1: 107, v2: 4096 } as const

const textStart = Buffer.from('PROXY ')
const binaryStart = Buffer.from('\r\n\r\n\0\r\nQUIT\n')

/**
 * Parses the header at the beginning of the bytes. Returns undefined if it is not complete yet. Throws
 * `ERR_PROXY_PROTOCOL` as soon as the bytes can be the beginning of no header.
 */
export function parseProxyHeader(bytes: Buffer): ProxyHeader | undefined {
  if (startsAs(bytes, binaryStart)) return bytes.length < binaryStart.length + 4 ? undefined : parseBinary(bytes)
  if (startsAs(bytes, textStart)) return parseText(bytes)
  throw fault(`it begins with ${quote(bytes.subarray(0, binaryStart.length))}`)
}

/** Whether the bytes, or as many as have come, are those of the start. */
function startsAs(bytes: Buffer, start: Buffer): boolean {
  const length = Math.min(bytes.length, start.length)
  return bytes.compare(start, 0, length, 0, length) === 0
}

function parseText(bytes: Buffer): ProxyHeader | undefined {
  const end = bytes.subarray(0, maxProxyHeader.v1).indexOf('\r\n')
  if (end >= 0) return { length: end + 2, ends: endsInText(bytes.toString('latin1', 0, end)) }
  if (bytes.length >= maxProxyHeader.v1) throw fault(`its line is longer than ${maxProxyHeader.v1} bytes`)
  return undefined
}

function endsInText(line: string): ProxyEnds | undefined {
  if (/^PROXY UNKNOWN( |$)/.test(line)) return undefined
  const [, version, source = '', destination = '', from = '', to = ''] =
    /^PROXY TCP([46]) ([\d.:A-Fa-f]+) ([\d.:A-Fa-f]+) (\d{1,5}) (\d{1,5})$/.exec(line) ?? []
  const isRight = [source, destination].every(address => isIP(address) === Number(version)) && [from, to].every(isPort)
  if (!isRight) throw fault(`${quote(line)} names no client`)
  return {
    source: { address: plain(source), port: Number(from) },
    destination: { address: plain(destination), port: Number(to) },
  }
}

function isPort(text: string): boolean {
  return /^(0|[1-9]\d*)$/.test(text) && Number(text) <= 65535
}

/** The usual form of an address, which is known to be one. IPv4 as such, also if it is mapped to IPv6. */
function plain(address: string): string {
  return canonicalIp(address) as string
}

/** The bytes of both addresses and ports of each family: none, IPv4, IPv6, unix. */
const addressBytes = [0, 12, 36, 216] as const

const families = { none: 0, inet: 1, inet6: 2, unix: 3 } as const
/** Of the transports: the one of a stream. 0 is none, and 2 that of datagrams. */
const stream = 1
const commands = { local: 0, proxy: 1 } as const

function parseBinary(bytes: Buffer): ProxyHeader | undefined {
  const start = binaryStart.length
  const [kind, protocol] = [bytes.readUInt8(start), bytes.readUInt8(start + 1)]
  const [command, family, transport] = [kind & 15, protocol >> 4, protocol & 15]
  if (kind >> 4 !== 2) throw fault(`version ${kind >> 4} is unknown`)
  if (command > commands.proxy) throw fault(`command ${command} is unknown`)
  if (family > families.unix || transport > 2) throw fault(`protocol 0x${protocol.toString(16)} is unknown`)
  const length = start + 4 + bytes.readUInt16BE(start + 2)
  if (length > maxProxyHeader.v2) throw fault(`it has ${length} bytes, more than ${maxProxyHeader.v2}`)
  if (bytes.length < length) return undefined
  if (command === commands.local) return { length, ends: undefined } // whatever else it has is to be ignored
  const from = start + 4 + (addressBytes[family] as number)
  if (length < from) throw fault(`its ${length} bytes are too few for the addresses`)
  checkExtensions(bytes.subarray(0, length), from)
  return { length, ends: transport === stream ? endsInBytes(family, bytes.subarray(start + 4)) : undefined }
}

function endsInBytes(family: number, bytes: Buffer): ProxyEnds | undefined {
  if (family === families.none) return undefined
  const unix = { address: 'unix', port: undefined }
  if (family === families.unix) return { source: unix, destination: unix }
  const size = family === families.inet ? 4 : 16
  const text = family === families.inet ? quad : groups
  const end = (i: number) => ({
    address: plain(text(bytes.subarray(i * size, (i + 1) * size))),
    port: bytes.readUInt16BE(2 * size + 2 * i),
  })
  return { source: end(0), destination: end(1) }
}

function quad(bytes: Buffer): string {
  return bytes.join('.')
}

function groups(bytes: Buffer): string {
  return bytes.toString('hex').replace(/(.{4})(?!$)/g, '$1:')
}

const extensions = { headerBytes: 3, crc32c: 3 } as const

/** Checks the lengths of the extensions (TLV), and the checksum if there is one. Nothing else is done with them. */
function checkExtensions(header: Buffer, from: number): void {
  for (let at = from; at < header.length; ) {
    const value = at + extensions.headerBytes
    const end = value <= header.length ? value + header.readUInt16BE(at + 1) : Number.POSITIVE_INFINITY
    if (end > header.length) throw fault('an extension is longer than the header')
    if (header[at] === extensions.crc32c) checkSum(header, value, end - value)
    at = end
  }
}

/** The checksum covers the whole header, with zeros in its own place. */
function checkSum(header: Buffer, at: number, length: number): void {
  if (length !== 4) throw fault(`its checksum has ${length} bytes`)
  const blank = Buffer.from(header).fill(0, at, at + 4)
  if (crc32c(blank) !== header.readUInt32BE(at)) throw fault('its checksum is wrong')
}

/** Writes a header. Without ends, or if they have no addresses, it says that the client is unknown. */
export function writeProxyHeader(version: ProxyVersion, ends: ProxyEnds | undefined): Buffer {
  const known = ends && knownEnds([ends.source, ends.destination])
  if (version === 'v1') return Buffer.from(known ? textOf(known) : 'PROXY UNKNOWN\r\n')
  if (known) return bytesOf(known)
  return binary(ends?.source.address === 'unix' ? families.unix : families.none)
}

interface KnownEnd {
  readonly ip: Ip
  readonly port: number
}

function knownEnds(ends: readonly ProxyEnd[]): KnownEnd[] | undefined {
  const known = ends.flatMap(({ address, port }) => {
    const ip = parseIp(address)
    return ip && port !== undefined ? [{ ip, port }] : []
  })
  return known.length === ends.length ? known : undefined
}

function areV4(ends: readonly KnownEnd[]): boolean {
  return ends.every(({ ip }) => ip.family === 4)
}

function textOf(ends: readonly KnownEnd[]): string {
  const isV4 = areV4(ends)
  const addresses = ends.map(({ ip }) => (isV4 ? quad(bytesOfIp(ip, true)) : groups(bytesOfIp(ip, false))))
  return `PROXY ${[isV4 ? 'TCP4' : 'TCP6', ...addresses, ...ends.map(({ port }) => port)].join(' ')}\r\n`
}

function bytesOf(ends: readonly KnownEnd[]): Buffer {
  const isV4 = areV4(ends)
  const ports = Buffer.alloc(2 * ends.length)
  for (const [i, { port }] of ends.entries()) ports.writeUInt16BE(port, 2 * i)
  return binary(isV4 ? families.inet : families.inet6, [...ends.map(({ ip }) => bytesOfIp(ip, isV4)), ports])
}

const mapped = 0xffff_0000_0000n // ::ffff:0:0

/** The bytes of an address, which in IPv6 is mapped if it is one of IPv4: both ends have one family. */
function bytesOfIp({ family, value }: Ip, isV4: boolean): Buffer {
  const whole = family === 4 && !isV4 ? mapped + value : value
  return Buffer.from(whole.toString(16).padStart(isV4 ? 8 : 32, '0'), 'hex')
}

function binary(family: number, parts: readonly Buffer[] = [Buffer.alloc(addressBytes[family] as number)]): Buffer {
  const body = Buffer.concat(parts)
  const transport = family === families.none ? 0 : stream
  const head = [0x20 | commands.proxy, (family << 4) | transport, body.length >> 8, body.length & 255]
  return Buffer.concat([binaryStart, Buffer.from(head), body])
}

function quote(text: Buffer | string): string {
  return `'${escapeLine(typeof text === 'string' ? text : text.toString('latin1'))}'`
}

function fault(why: string): TcpPipeError {
  return new TcpPipeError('ERR_PROXY_PROTOCOL', `no header of the PROXY protocol: ${why}`)
}
