/** zstd from `node:zlib` (Node 22.15 and 23.8 or later), and fixes for its gaps. */
import type { Transform } from 'node:stream'
import zlib, { type Zlib } from 'node:zlib'
import { TcpPipeError } from '../text/errors.js'

export interface ZstdOptions {
  readonly chunkSize?: number
  /** When held output is emitted: `parameters.continue` or `parameters.flush`. */
  readonly flush?: number
  /** Parameter values by number. */
  readonly params: Record<number, number>
}

interface ZstdFunctions {
  createZstdCompress?(options: ZstdOptions): Transform & Zlib
  createZstdDecompress?(options: ZstdOptions): Transform & Zlib
}

/** Numbers from zstd.h, for `params` and `flush`. */
export const parameters = {
  compressionLevel: 100,
  checksumFlag: 201,
  windowLogMax: 100, // of the decompressor, which has its own numbering
  continue: 0,
  flush: 1,
} as const

/** For the `check` of a transform: says that this Node lacks zstd, or returns undefined. */
export function lacksZstd(version: string): string | undefined {
  if (functions.createZstdCompress) return undefined
  return `needs Node 22.15, 23.8 or later; this is ${version}`
}

export function createZstdCompress(options: ZstdOptions): Transform & Zlib {
  return (functions as Required<ZstdFunctions>).createZstdCompress(options)
}

export function createZstdDecompress(options: ZstdOptions): Transform & Zlib {
  return (functions as Required<ZstdFunctions>).createZstdDecompress(options)
}

/**
 * Splits chunks at frame ends, for `decompressor`. Works around Node bugs: 22 and 24 lose the second of two frames in a
 * chunk, 22 accepts a truncated frame, and 26 ignores data after the last frame. Throws `ERR_INPUT` for invalid input.
 *
 * A checksum is a piece of its own: if it is wrong, zstd drops the output of its piece. Passes no skippable frame after
 * the first frame: a call of zstd for each would take thousands of times longer than to read it.
 */
export function frameCutter(): (chunk?: Buffer) => Iterable<Buffer> {
  let frame = readFrame('not zstd data')
  let missing = frame.next().value as number
  let number = 0
  let digits = 0
  let isOpen = true
  let isKnown = false // as a frame; zstd gets nothing before that
  let isDropped = false
  let hasPassed = false // whether zstd has got a frame
  let endsPiece = false
  let held: Buffer = Buffer.alloc(0)

  function* cut(chunk: Buffer): Generator<Buffer> {
    const bytes = held.length > 0 ? Buffer.concat([held, chunk]) : chunk
    let start = 0
    for (let at = held.length; at < bytes.length; ) {
      isOpen = true
      const end = Math.min(bytes.length, at + missing)
      for (let i = at; i < end && digits < 4; i++) number += (bytes[i] as number) * 256 ** digits++
      missing -= end - at
      at = end
      if (missing === 0) nextSection()
      if (isOpen && !endsPiece) continue
      if (!isDropped) yield bytes.subarray(start, at)
      start = at
      endsPiece = false
    }
    held = bytes.subarray(start)
    if (!isKnown || held.length === 0) return
    if (!isDropped) yield held
    held = Buffer.alloc(0)
  }

  function nextSection(): void {
    if (!isKnown) {
      isDropped = hasPassed && isSkippable(number)
      hasPassed = true
    }
    const { value, done } = frame.next(number)
    isOpen = !done
    isKnown = isOpen
    endsPiece = value === checksum
    if (done) frame = readFrame('unexpected data after the end')
    missing = Math.abs(value ?? (frame.next().value as number))
    number = 0
    digits = 0
  }

  function end(): Buffer[] {
    if (isOpen) throw fault('unexpected end of file')
    return []
  }

  return chunk => (chunk ? cut(chunk) : end())
}

/** The size of the section, with a sign of its own. */
const checksum = -4

function isSkippable(magic: number): boolean {
  return magic >= 0x184d2a50 && magic <= 0x184d2a5f
}

/** Yields the section sizes of a frame (RFC 8878 §3.1); receives the first bytes of each section as a number. */
function* readFrame(otherwise: string): Generator<number, undefined, number> {
  const magic = yield 4
  if (isSkippable(magic)) return yield* skip(yield 4)
  if (magic !== 0xfd2fb528) throw fault(otherwise)
  const descriptor = yield 1
  yield headerSize(descriptor)
  for (let isLast = false; !isLast; ) {
    const block = yield 3
    isLast = (block & 1) === 1
    const isRepeated = ((block >> 1) & 3) === 1
    yield* skip(isRepeated ? 1 : block >> 3)
  }
  if (descriptor & 4) yield checksum
  return undefined
}

function* skip(size: number): Generator<number, undefined, number> {
  if (size > 0) yield size
}

/** Size of the window, dictionary and content size fields after the descriptor. */
function headerSize(descriptor: number): number {
  const isSingle = (descriptor & 0x20) !== 0
  const dictionary = [0, 1, 2, 4][descriptor & 3] as number
  const content = [isSingle ? 1 : 0, 2, 4, 8][descriptor >> 6] as number
  return (isSingle ? 0 : 1) + dictionary + content
}

function fault(message: string): TcpPipeError {
  return new TcpPipeError('ERR_INPUT', `unzstd: ${message}`)
}

const functions = zlib as ZstdFunctions
