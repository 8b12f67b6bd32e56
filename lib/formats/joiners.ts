/** Writes frames as a stream of bytes: with a length prefix or a delimiter after each frame. */

import { TcpPipeError } from '../text/errors.js'
import type { LengthFormat } from './cutters.js'

/** Frames → bytes. If a frame cannot be written, yields those before it, and throws. */
export type Joiner = (frames: readonly Buffer[]) => Iterable<Buffer>

/** Writes each frame after its length. */
export function joinByLength({ weights, varies }: LengthFormat): Joiner {
  const widthOf = (length: number) => (varies ? weights.findIndex(weight => length < 128 * weight) + 1 : weights.length)

  function write(out: Buffer, at: number, length: number): number {
    const width = widthOf(length)
    for (let i = 0; i < width; i++) {
      const digit = Math.floor(length / (weights[i] as number)) // stored modulo 256
      out[at + i] = varies && i + 1 < width ? digit | 0x80 : digit
    }
    return at + width
  }

  return frames => {
    const prefixes = frames.reduce((sum, frame) => sum + widthOf(frame.length), 0)
    const out = Buffer.allocUnsafe(sizeOf(frames) + prefixes)
    let at = 0
    for (const frame of frames) {
      at = write(out, at, frame.length)
      out.set(frame, at)
      at += frame.length
    }
    return [out]
  }
}

/** Writes `delimiter` after each frame; rejects a frame that would be read as two, with `refusal`. */
export function joinByDelimiter(delimiter: Buffer, label: string, refusal: string): Joiner {
  const needle = delimiter.length === 1 ? (delimiter[0] as number) : delimiter
  let count = 0
  return function* join(frames) {
    const out = Buffer.allocUnsafe(sizeOf(frames) + frames.length * delimiter.length)
    let at = 0
    try {
      for (const frame of frames) {
        count++
        const end = at + frame.length
        out.set(frame, at)
        out.set(delimiter, end)
        if (out.indexOf(needle, at) !== end) throw new TcpPipeError('ERR_INPUT', `${label} ${count} ${refusal}`)
        at = end + delimiter.length
      }
    } finally {
      if (at > 0) yield out.subarray(0, at)
    }
  }
}

function sizeOf(frames: readonly Buffer[]): number {
  return frames.reduce((size, frame) => size + frame.length, 0)
}
