/** zstd of `node:zlib`, which has it from Node 22.15 and 23.8 on, and what it leaves undone. */
import type { Transform } from 'node:stream'
import zlib, { type Zlib } from 'node:zlib'
import { TcpPipeError } from '../text/errors.js'

export interface ZstdOptions {
  readonly chunkSize?: number
  /** When what is held back comes out: one of `parameters.continue` and `parameters.flush`. */
  readonly flush?: number
  /** Values of parameters, by their numbers. */
  readonly params: Record<number, number>
}

interface ZstdFunctions {
  createZstdCompress?(options: ZstdOptions): Transform & Zlib
  createZstdDecompress?(options: ZstdOptions): Transform & Zlib
}

/** Numbers of zstd.h, under which `params` and `flush` know them. */
export const parameters = {
  compressionLevel: 100,
  checksumFlag: 201,
  windowLogMax: 100, // of the decompressor, which counts for itself
  continue: 0,
  flush: 1,
} as const

/** What is wrong with this Node, for the `check` of a transform; undefined: nothing. */
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
 * Cuts chunks where a frame ends, for `decompressor`: Node 22 and 24 lose the second of two frames in one chunk, Node 22 takes one
 * that was cut short for whole, and Node 26 overlooks what stands behind the last one. Throws `ERR_INPUT` for these.
 */
export function frameCutter(): (chunk?: Buffer) => Iterable<Buffer> {
  let frame = readFrame('this is no zstd')
  let missing = frame.next().value as number
  let number = 0
  let digits = 0
  let isOpen = true
  let isKnown = false // as a frame: zstd gets nothing before
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
      if (isOpen) continue
      yield bytes.subarray(start, at)
      start = at
    }
    held = bytes.subarray(start)
    if (!isKnown || held.length === 0) return
    yield held
    held = Buffer.alloc(0)
  }

  function nextSection(): void {
    const { value, done } = frame.next(number)
    isOpen = !done
    isKnown = isOpen
    if (done) frame = readFrame('there is something else behind the end')
    missing = value ?? (frame.next().value as number)
    number = 0
    digits = 0
  }

  function end(): Buffer[] {
    if (isOpen) throw fault('unexpected end of file')
    return []
  }

  return chunk => (chunk ? cut(chunk) : end())
}

/** Yields the sizes of the sections of a frame (RFC 8878 §3.1); is given the first bytes of each as a number. */
function* readFrame(otherwise: string): Generator<number, undefined, number> {
  const magic = yield 4
  if (magic >= 0x184d2a50 && magic <= 0x184d2a5f) return yield* skip(yield 4)
  if (magic !== 0xfd2fb528) throw fault(otherwise)
  const descriptor = yield 1
  yield headerSize(descriptor)
  for (let isLast = false; !isLast; ) {
    const block = yield 3
    isLast = (block & 1) === 1
    const isRepeated = ((block >> 1) & 3) === 1
    yield* skip(isRepeated ? 1 : block >> 3)
  }
  const hasChecksum = (descriptor & 4) !== 0
  return yield* skip(hasChecksum ? 4 : 0)
}

function* skip(size: number): Generator<number, undefined, number> {
  if (size > 0) yield size
}

/** Of window, dictionary and content size, behind the descriptor. */
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
