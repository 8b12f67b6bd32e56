/** Frames in a stream of bytes: their formats, the options that choose one, and the way from one form to another. */

import { literal, literalBytes } from '../text/literal.js'
import { bytes, choice, type ValuesOf } from '../text/options.js'
import { type Cutter, cutByDelimiter, cutByLength, type LengthFormat, type Limit } from './cutters.js'
import { type Joiner, joinByDelimiter, joinByLength } from './joiners.js'
import { batchRecords, blockBytes } from './records.js'

export { cutByDelimiter, cutBySize } from './cutters.js'
export { joinByDelimiter } from './joiners.js'

/** The longest frame that can be asked for: each one is held until it is whole. */
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

/** What `frame` and `unframe` have in common: exactly one of `format` and `delimiter`, and the longest frame. */
export const framingOptions = {
  format: choice('a length before each frame, or a NUL behind it', formats, { positional: true }),
  delimiter: literal("instead of a format: what stands behind each frame, such as '||' or '\\r\\n'"),
  max: frameSize('the longest frame; default 1m, or what the format can hold'),
}

export type FramingValues = ValuesOf<typeof framingOptions>

/** An option that is the size of a frame. */
export function frameSize(summary: string) {
  return bytes(summary, { min: 1, max: longest })
}

/** What is wrong with the options together, in words that follow the name of the transform. */
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

/** Finds the frames. `name` is that of the transform. */
export function frameCutter(values: FramingValues, name: string): Cutter {
  const limit = frameLimit(values)
  const format = lengthFormat(values.format)
  return format
    ? cutByLength(format, limit, `${name}: the frame`)
    : cutByDelimiter(delimiterOf(values), limit, `${name}: frame`)
}

/** Writes each frame with its length or its delimiter. `label` names a frame in errors, before its number. */
export function frameJoiner(values: FramingValues, label: string): Joiner {
  const format = lengthFormat(values.format)
  if (format) return joinByLength(format)
  return joinByDelimiter(delimiterOf(values), label, 'contains the delimiter, or ends with the beginning of it')
}

/** A stage from one framing to another. Frames that come together leave together. */
export function reframe(cutter: Cutter, join: Joiner) {
  function* joined(frames: Iterable<Buffer>): Generator<Buffer> {
    let batch: Buffer[] = []
    let size = 0

    function take(): Buffer {
      const taken = batch
      batch = []
      size = 0
      return join(taken)
    }

    try {
      for (const frame of frames) {
        size += frame.length
        if (batch.push(frame) >= batchRecords || size >= blockBytes) yield take()
      }
    } finally {
      if (batch.length > 0) yield take() // what is wrong with these is wrong before what ended the loop
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
