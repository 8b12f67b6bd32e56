/** What stands around deflate data: gzip (RFC 1952), zlib (RFC 1950) or nothing. Reads byte by byte: no cut changes it. */
import { TcpPipeError } from '../text/errors.js'
import { adler32, byteCrc32, type Checksum, crc32 } from './checksums.js'

/** What comes next: a byte; a byte, or the end of the input; deflate data up to their end. */
export type Wanted = 'byte' | 'byte or end' | 'data'

/** Yields what it wants, and receives the byte. Throws `ERR_INPUT`. */
export type Layout = Generator<Wanted, void, number>

/** What the deflate data that have just ended contain. */
export interface Content {
  checksum: number
  /** In bytes. */
  size: number
}

export interface Container {
  /** The name of the transform, for messages. */
  readonly name: string
  readonly checksum: Checksum
  /** The checksum of no bytes. */
  readonly initial: number
  read(content: Content): Layout
}

/** One or more gzip members; zero bytes may follow. */
export const gzip: Container = { name: 'gunzip', checksum: crc32, initial: 0, read: readMembers }

export const zlib: Container = { name: 'inflate', checksum: adler32, initial: 1, read: readZlib }

/** Deflate data without a container. */
export const raw: Container = { name: 'inflate', checksum: () => 0, initial: 0, read: readRaw }

function* readMembers(content: Content): Layout {
  let first = yield 'byte'
  do {
    yield* readHeader(first)
    yield 'data'
    if ((yield* littleEndian(4)) !== content.checksum) throw fault(gzip, 'incorrect data check')
    if ((yield* littleEndian(4)) !== content.size % 2 ** 32) throw fault(gzip, 'incorrect length check')
    first = yield 'byte or end'
  } while (first !== 0)
  while (first === 0) first = yield 'byte or end'
  throw fault(gzip, unexpectedData)
}

/** The bits of the flags. */
const flag = { headerCheck: 2, extra: 4, name: 8, comment: 16, reserved: 0xe0 }

function* readHeader(first: number): Layout {
  if (first !== 0x1f || (yield 'byte') !== 0x8b) throw fault(gzip, 'incorrect header check')
  if ((yield 'byte') !== 8) throw fault(gzip, unknownMethod)
  const flags = yield 'byte'
  if (flags & flag.reserved) throw fault(gzip, 'unknown header flags set')
  let check = crc32(Buffer.of(0x1f, 0x8b, 8, flags), 0)
  check = yield* skip(6, check) // time, extra flags, system
  if (flags & flag.extra) {
    const size = Buffer.of(yield 'byte', yield 'byte')
    check = yield* skip(size.readUInt16LE(), crc32(size, check))
  }
  if (flags & flag.name) check = yield* skipText(check)
  if (flags & flag.comment) check = yield* skipText(check)
  if (flags & flag.headerCheck && (yield* littleEndian(2)) !== (check & 0xffff))
    throw fault(gzip, 'header crc mismatch')
}

/** Returns the checksum with the bytes. */
function* skip(size: number, checksum: number): Generator<Wanted, number, number> {
  let check = checksum
  for (let left = size; left > 0; left--) check = byteCrc32(yield 'byte', check)
  return check
}

/** Skips up to a zero byte. Returns the checksum with the bytes. */
function* skipText(checksum: number): Generator<Wanted, number, number> {
  let check = checksum
  for (let byte = 1; byte !== 0; ) {
    byte = yield 'byte'
    check = byteCrc32(byte, check)
  }
  return check
}

function* readZlib(content: Content): Layout {
  const method = yield 'byte'
  const flags = yield 'byte'
  if ((256 * method + flags) % 31 !== 0) throw fault(zlib, 'incorrect header check')
  if ((method & 0x0f) !== 8) throw fault(zlib, unknownMethod)
  if (method >> 4 > 7) throw fault(zlib, 'invalid window size')
  if (flags & 0x20) throw fault(zlib, 'the input needs a preset dictionary, which is not supported')
  yield 'data'
  let expected = 0
  for (let i = 0; i < 4; i++) expected = 256 * expected + (yield 'byte')
  if (expected !== content.checksum) throw fault(zlib, 'incorrect data check')
  yield 'byte or end'
  throw fault(zlib, unexpectedData)
}

function* readRaw(): Layout {
  yield 'data'
  yield 'byte or end'
  throw fault(raw, unexpectedData)
}

const unknownMethod = 'unknown compression method'
const unexpectedData = 'unexpected data after the end'

function* littleEndian(size: number): Generator<Wanted, number, number> {
  let number = 0
  for (let i = 0; i < size; i++) number += (yield 'byte') * 256 ** i
  return number
}

function fault({ name }: Container, message: string): TcpPipeError {
  return new TcpPipeError('ERR_INPUT', `${name}: ${message}`)
}
