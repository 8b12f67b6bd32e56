/**
 * CRC-32 (RFC 1952 §8) and Adler-32 (RFC 1950 §8.2), which continue from a value: that of no bytes is 0 and 1. CRC-32C
 * (RFC 3720 §12.1) is of whole texts.
 */
import zlib from 'node:zlib'

/** The checksum of the bytes after those whose checksum is `value`. */
export type Checksum = (bytes: Uint8Array, value: number) => number

/** CRC-32 of a zlib, if it has one: that of Node lacks it before 20.15 and 22.2. */
export function crc32Of(from: { crc32?: Checksum }): Checksum {
  return from.crc32 ?? tableCrc32
}

function tableCrc32(bytes: Uint8Array, value: number): number {
  let crc = value
  for (const byte of bytes) crc = byteCrc32(byte, crc)
  return crc
}

/** CRC-32 with one more byte. */
export function byteCrc32(byte: number, value: number): number {
  return ((table[(value ^ byte ^ 0xff) & 0xff] as number) ^ (~value >>> 8) ^ -1) >>> 0
}

function tableOf(polynomial: number): Int32Array {
  return Int32Array.from({ length: 256 }, (_, byte) => {
    let crc = byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? polynomial : 0)
    return crc
  })
}

const table = tableOf(0xedb88320)

export const crc32 = crc32Of(zlib)

const castagnoli = tableOf(0x82f63b78)

export function crc32c(bytes: Uint8Array): number {
  let crc = -1
  for (const byte of bytes) crc = (castagnoli[(crc ^ byte) & 0xff] as number) ^ (crc >>> 8)
  return ~crc >>> 0
}

/** The number of bytes whose sums fit into 31 bits; the remainder is due then, and it is slow. A multiple of 8. */
const sumBytes = 2048

export function adler32(bytes: Uint8Array, value: number): number {
  let low = value & 0xffff
  let high = value >>> 16
  for (let from = 0; from < bytes.length; from += sumBytes) {
    const part = bytes.subarray(from, from + sumBytes)
    const rest = part.length % 8
    for (let i = 0; i < part.length - rest; i += 8) {
      const [a, b, c, d] = [part[i] as number, part[i + 1] as number, part[i + 2] as number, part[i + 3] as number]
      const [e, f, g, h] = [part[i + 4] as number, part[i + 5] as number, part[i + 6] as number, part[i + 7] as number]
      high = (high + 8 * (low + a) + 7 * b + 6 * c + 5 * d + 4 * e + 3 * f + 2 * g + h) | 0
      low = (low + a + b + c + d + e + f + g + h) | 0
    }
    for (let i = part.length - rest; i < part.length; i++) {
      low += part[i] as number
      high += low
    }
    low %= 65521
    high %= 65521
  }
  return high * 65536 + low
}
