/** Frames in a stream of bytes: formats, options, and conversion between formats. */

import { literal, literalBytes } from '../text/literal.js'
import { bytes, choice, type ValuesOf } from '../text/options.js'
import {
  type Cutter,
  cutByDelimiter,
  cutByLength,
  type LengthCutter,
  type LengthFormat,
  type Limit,
} from './cutters.js'
import { type Joiner, joinByDelimiter, joinByLength } from './joiners.js'
import { batchRecords, blockBytes } from './records.js'

export { cutByDelimiter, cutBySize } from './cutters.js'
export { joinByDelimiter } from './joiners.js'

/** The upper bound of `max`: each frame is held until it is complete. */
const longest = 2 ** 30
const defaultMax = 2 ** 20

const powers = [1, 256, 256 ** 2, 256 ** 3]

const lengthFormats = {
  u8: unsigned(powers.slice(0, 1)),
  u16be: unsigned(powers.slice(0, 2).reverse()),
  u16le: unsigned(powers.slice(0, 2)),
  u32be: unsigned(powers.toReversed()),
  u32le: unsigned(powers),
  // Protocol Buffers allow ten bytes, as many as 64 bits need.
  varint: { weights: Array.from({ length: 10 }, (_, i) => 128 ** i), varies: true, most: Infinity },
}

const formats = [...(Object.keys(lengthFormats) as (keyof typeof lengthFormats)[]), 'nul'] as const

/** Options of `frame` and `unframe`: exactly one of `format` and `delimiter`, and the longest frame. */
export const framingOptions = {
  format: choice('length prefix of each frame; nul: a NUL after each frame', formats, { positional: true }),
  delimiter: literal("instead of a format: delimiter after each frame, such as '||' or '\\r\\n'"),
  max: frameSize('longest frame; default: 1m, or the maximum of the format'),
}

export type FramingValues = ValuesOf<typeof framingOptions>

/** An option for the size of a frame. */
export function frameSize(summary: string) {
  return bytes(summary, { min: 1, max: longest })
}

/** Says what is wrong with the combination of options; the text follows the transform's name. */
export function checkFraming({ format, delimiter, max }: FramingValues, size?: number): string | undefined {
  if (format !== undefined && delimiter !== undefined) return 'takes a format or delimiter=, not both'
  if (format === undefined && delimiter === undefined) return `needs a format (${formats.join(', ')}) or delimiter=TEXT`
  const most = mostOf(format)
  for (const [name, value] of Object.entries({ size, max })) {
    if (value !== undefined && value > most)
      return `${name}: ${value} is not allowed; expected at most ${most}, the bytes that ${format} can count`
  }
  const longestFrame = frameLimit({ format, delimiter, max }).bytes
  if (size !== undefined && size > longestFrame)
    return `size: ${size} is not allowed; expected at most max, ${longestFrame} bytes`
  return undefined
}

/** The longest frame. */
export function frameLimit({ format, max }: FramingValues): Limit {
  const most = mostOf(format)
  if (max === undefined && most < defaultMax) return { bytes: most, words: `${format} can count, ${most} bytes` }
  return { bytes: max ?? defaultMax, words: `max, ${max ?? defaultMax} bytes` }
}

/** Makes the cutter that finds the frames. `name` is the transform's name. */
export function frameCutter(values: FramingValues, name: string): Cutter {
  const limit = frameLimit(values)
  const format = lengthFormat(values.format)
  return format
    ? cutByLength(format, limit, `${name}: the frame`)
    : cutByDelimiter(delimiterOf(values), limit, `${name}: frame`)
}

/** A format with a length prefix. */
export type LengthPrefix = keyof typeof lengthFormats

/** Makes the cutter of frames with a length prefix of at most `most` bytes. `name` is who needs them. */
export function lengthCutter(format: LengthPrefix, most: number, name: string): LengthCutter {
  return cutByLength(lengthFormats[format], { bytes: most, words: `${most} bytes` }, `${name}: the frame`)
}

/** Makes the joiner that writes frames with their length or delimiter. `label` precedes a frame's number in errors. */
export function frameJoiner(values: FramingValues, label: string): Joiner {
  const format = lengthFormat(values.format)
  if (format) return joinByLength(format)
  return joinByDelimiter(delimiterOf(values), label, 'contains the delimiter, or ends with a part of it')
}

/** A stage that converts one framing to another. Frames that arrive together leave together. */
export function reframe(cutter: Cutter, join: Joiner) {
  function* joined(frames: Iterable<Buffer>): Generator<Buffer> {
    let batch: Buffer[] = []
    let size = 0

    function take(): Iterable<Buffer> {
      const taken = batch
      batch = []
      size = 0
      return join(taken)
    }

    try {
      for (const frame of frames) {
        size += frame.length
        if (batch.push(frame) >= batchRecords || size >= blockBytes) yield* take()
      }
    } finally {
      if (batch.length > 0) yield* take() // an error in these frames precedes the one that ended the loop
    }
  }

  return { write: (chunk: Buffer) => joined(cutter.write(chunk)), flush: () => joined(cutter.end()) }
}

function unsigned(weights: readonly number[]): LengthFormat & { most: number } {
  return { weights, varies: false, most: 256 ** weights.length - 1 }
}

function lengthFormat(format: FramingValues['format']): (LengthFormat & { most: number }) | undefined {
  return format === undefined || format === 'nul' ? undefined : lengthFormats[format]
}

function mostOf(format: FramingValues['format']): number {
  return lengthFormat(format)?.most ?? longest
}

function delimiterOf({ delimiter = '\\0' }: FramingValues): Buffer {
  return literalBytes(delimiter)
}
