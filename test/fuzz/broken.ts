/** Inputs with an error in their middle, and what a reader of their format must deliver before it finds the error. */
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import fc from '../fast-check.js'
import { text } from '../laws/samples.js'
import { noise } from '../laws/support.js'

export interface Broken {
  readonly bytes: Buffer
  /** Where the error begins; it is found from there on. */
  readonly at: number
  /** What precedes it, in the output. */
  readonly before: Buffer
  /** Something else may follow that: a wrong byte of a block can be a byte of data. */
  readonly isOpen: boolean
}

/** Bytes that a line or a frame may have; more of them are an error in some formats. */
export const maxRecord = 1000

interface Format {
  readonly spec: string
  /** The code of the error. */
  readonly code: string
  make(pieces: readonly Buffer[], tail: Buffer): Broken
}

/** Each piece as it is written, something wrong, and the pieces again. */
function joined(
  pieces: readonly Buffer[],
  write: (piece: Buffer) => Buffer,
  wrong: Buffer,
  read = (piece: Buffer) => piece,
): Broken {
  const good = Buffer.concat(pieces.map(write))
  const before = Buffer.concat(pieces.map(read))
  return { bytes: Buffer.concat([good, wrong, good]), at: good.length, before, isOpen: false }
}

/** Invalid data further behind the beginning of a member may cost some output, which depends on the cuts. */
const exactBytes = 60_000

/** A gzip member with an error in its checksum, or in its middle; others behind it, or nothing. */
function member(pieces: readonly Buffer[], tail: Buffer, place: 'checksum' | 'middle', isLast: boolean): Broken {
  const good = Buffer.concat(pieces.map(piece => gzipSync(piece)))
  const wrong = gzipSync(tail)
  const at = place === 'checksum' ? wrong.length - 8 : 10 + Math.floor((wrong.length - 18) / 2)
  wrong[at] = (wrong[at] as number) ^ 0xff
  const isOpen = place === 'middle'
  const before = Buffer.concat(isOpen ? pieces : [...pieces, tail])
  const bytes = Buffer.concat([good, wrong, ...(isLast ? [] : [good])])
  return { bytes, at: good.length + at, before, isOpen }
}

function frame(size: (length: number) => Buffer): (piece: Buffer) => Buffer {
  return piece => Buffer.concat([size(piece.length), piece])
}

const sizes = {
  u16be: (length: number) => Buffer.of(length >> 8, length & 0xff),
  u32be: (length: number) => Buffer.of(0, 0, length >> 8, length & 0xff),
}

const lf = Buffer.from('\n')
const ended = (line: Buffer) => Buffer.concat([line, lf])

/** A piece as a text without control characters: one line of a known length at most. */
const lineOf = (piece: Buffer) => Buffer.from(piece.toString('hex').slice(0, maxRecord))

const jsonOf = (piece: Buffer) => Buffer.from(`{"a":"${piece.toString('hex').slice(0, 500)}","b":[1,null]}`)

const tooLong = Buffer.alloc(maxRecord + 1, 'x')

export const formats: Readonly<Record<string, Format>> = {
  'no JSON': {
    spec: 'json',
    code: 'ERR_JSON',
    make: pieces => joined(pieces.map(jsonOf), ended, Buffer.from('{"a" 1}\n'), ended),
  },
  'a member twice': {
    spec: 'json',
    code: 'ERR_JSON',
    make: pieces => joined(pieces.map(jsonOf), ended, Buffer.from('{"a":1,"b":2,"a":3}\n'), ended),
  },
  'a long line': {
    spec: 'replace QQ Q',
    code: 'ERR_RECORD_TOO_LONG',
    make: pieces => joined(pieces.map(lineOf), ended, ended(tooLong), ended),
  },
  'a line feed in a frame': {
    spec: 'unframe u16be',
    code: 'ERR_INPUT',
    make: pieces => joined(pieces.map(lineOf), frame(sizes.u16be), frame(sizes.u16be)(Buffer.from('a\nb')), ended),
  },
  'a long frame': {
    spec: `unframe u32be raw=true max=${maxRecord}`,
    code: 'ERR_RECORD_TOO_LONG',
    make: pieces => joined(pieces.map(lineOf), frame(sizes.u32be), frame(sizes.u32be)(tooLong)),
  },
  'no digit of base64': {
    spec: 'unbase64',
    code: 'ERR_INPUT',
    make: pieces => joined(pieces.map(whole), piece => Buffer.from(piece.toString('base64')), Buffer.from('*')),
  },
  'no digit of hex': {
    spec: 'unhex',
    code: 'ERR_INPUT',
    make: pieces => joined(pieces, piece => Buffer.from(`${piece.toString('hex')}\n`), Buffer.from('zz\n')),
  },
  'a wrong checksum of gzip': {
    spec: 'gunzip',
    code: 'ERR_INPUT',
    make: (pieces, tail) => member(pieces, tail, 'checksum', true),
  },
  'a wrong checksum of gzip before other members': {
    spec: 'gunzip',
    code: 'ERR_INPUT',
    make: (pieces, tail) => member(pieces, tail, 'checksum', false),
  },
  'a wrong block of gzip': {
    spec: 'gunzip',
    code: 'ERR_INPUT',
    make: (pieces, tail) => member(pieces, tail.subarray(0, exactBytes), 'middle', false),
  },
  'data behind gzip': {
    spec: 'gunzip',
    code: 'ERR_INPUT',
    make: pieces => joined(pieces, piece => gzipSync(piece), Buffer.from('xyz')),
  },
  'a wrong checksum of zlib': {
    spec: 'inflate',
    code: 'ERR_INPUT',
    make: (_, tail) => {
      const wrong = deflateSync(tail)
      const at = wrong.length - 1
      wrong[at] = (wrong[at] as number) ^ 0xff
      return { bytes: Buffer.concat([wrong, wrong]), at, before: tail, isOpen: false }
    },
  },
  'data behind zlib': { spec: 'inflate', code: 'ERR_INPUT', make: (_, tail) => behind(deflateSync(tail), tail) },
  'data behind brotli': {
    spec: 'unbrotli',
    code: 'ERR_INPUT',
    make: (_, tail) => behind(brotliCompressSync(tail), tail),
  },
}

function behind(packed: Buffer, before: Buffer): Broken {
  return { bytes: Buffer.concat([packed, Buffer.from('xyz')]), at: packed.length, before, isOpen: false }
}

/** As many bytes as base64 writes without padding. */
function whole(piece: Buffer): Buffer {
  return piece.subarray(0, piece.length - (piece.length % 3))
}

export interface Recipe {
  readonly format: string
  /** The bytes of each piece, which is a record, a frame or a member. */
  readonly pieces: readonly number[]
  readonly tail: number
  readonly isText: boolean
}

export const recipes: fc.Arbitrary<Recipe> = fc.record({
  format: fc.constantFrom(...Object.keys(formats)),
  pieces: fc.oneof(
    fc.array(fc.integer({ min: 1, max: 900 }), { maxLength: 20, size: 'max' }),
    fc.array(fc.integer({ min: 1, max: 20 }), { maxLength: 300, size: 'max' }),
  ),
  tail: fc.oneof(fc.integer({ min: 30, max: 10_000 }), fc.integer({ min: 50_000, max: 200_000 })),
  isText: fc.boolean(),
})

export function cook({ format, pieces, tail, isText }: Recipe): Broken & { spec: string; code: string } {
  const bytes = isText ? text : noise
  const { spec, code, make } = formats[format] as Format
  const made = make(
    pieces.map((size, i) => bytes(size, i + 1).subarray(0, size)),
    bytes(tail, tail),
  )
  return { ...made, spec, code }
}
