/** Cuts a stream of bytes into frames: by size, by what stands behind each frame, by the length before it. */
import { TcpPipeError } from '../text/errors.js'

/** Chunks → frames, wherever the chunks are cut. A frame may be a view of its chunk. */
export interface Cutter {
  write(chunk: Buffer): Iterable<Buffer>
  /** The last frame, if it needs nothing behind it. */
  end(): Iterable<Buffer>
}

/** The longest frame that is taken. */
export interface Limit {
  readonly bytes: number
  /** What sets it, in words that follow 'longer than': `max, 1024 bytes`. */
  readonly words: string
}

/** How a length is written: the sum of its bytes, each times its weight, in the order of the bytes. */
export interface LengthFormat {
  /** The most bytes of the prefix. */
  readonly weights: readonly number[]
  /** Seven bits of each byte count, and the eighth says that another byte follows. */
  readonly varies: boolean
}

/** Every `size` bytes are a frame; the last one may be shorter. */
export function cutBySize(size: number): Cutter {
  const part = partOf(size)

  function* write(chunk: Buffer): Generator<Buffer> {
    for (let at = 0; at < chunk.length; ) {
      const end = at + size - part.length()
      const bytes = chunk.subarray(at, end)
      if (end <= chunk.length) yield part.complete(bytes)
      else part.add(bytes)
      at = end
    }
  }

  function* end(): Generator<Buffer> {
    if (part.length() > 0) yield part.complete()
  }

  return { write, end }
}

/** A frame is what stands before each delimiter, and what stands behind the last one unless that is nothing. */
export function cutByDelimiter(delimiter: Buffer, limit: Limit, label: string): Cutter {
  const needle = delimiter.length === 1 ? (delimiter[0] as number) : delimiter // twice as fast
  const part = partOf(limit.bytes)
  let carry: Buffer = Buffer.alloc(0) // it may be the beginning of a delimiter
  let count = 1

  function fits(bytes: Buffer): Buffer {
    if (part.length() + bytes.length <= limit.bytes) return bytes
    throw new TcpPipeError('ERR_RECORD_TOO_LONG', `${label} ${count} is longer than ${limit.words}`)
  }

  function* write(chunk: Buffer): Generator<Buffer> {
    const bytes = carry.length > 0 ? Buffer.concat([carry, chunk]) : chunk
    let at = 0
    for (let end = bytes.indexOf(needle); end !== -1; end = bytes.indexOf(needle, at)) {
      yield part.complete(fits(bytes.subarray(at, end)))
      at = end + delimiter.length
      count++
    }
    const sure = Math.max(at, bytes.length - delimiter.length + 1)
    part.add(fits(bytes.subarray(at, sure)))
    carry = Buffer.from(bytes.subarray(sure))
  }

  function* end(): Generator<Buffer> {
    const last = part.complete(fits(carry))
    if (last.length > 0) yield last
  }

  return { write, end }
}

/** A frame is as long as the prefix before it says. Nothing is allocated for bytes that have not come. */
export function cutByLength({ weights, varies }: LengthFormat, limit: Limit, label: string): Cutter {
  const part = partOf(limit.bytes)
  let offset = 0 // of the next byte of the input
  let start = 0 // the offset of the frame with its prefix
  let length = 0
  let digits = 0 // bytes of the prefix that have come
  let known = false

  function fault(code: 'ERR_INPUT' | 'ERR_RECORD_TOO_LONG', message: string): TcpPipeError {
    return new TcpPipeError(code, `${label} at offset ${start} ${message}`)
  }

  /** Every byte can only add to the length, so one that is too long is told as soon as it is. */
  function addDigit(byte: number): void {
    if (digits === 0) start = offset
    const weight = weights[digits++]
    if (weight === undefined) throw fault('ERR_INPUT', `has a length of more than ${weights.length} bytes`)
    length += weight * (varies ? byte & 0x7f : byte)
    if (length > limit.bytes)
      throw fault('ERR_RECORD_TOO_LONG', `announces ${length} bytes or more, longer than ${limit.words}`)
    known = varies ? byte < 0x80 : digits === weights.length
    offset++
  }

  function* write(chunk: Buffer): Generator<Buffer> {
    for (let at = 0; at < chunk.length; ) {
      if (!known) addDigit(chunk[at++] as number)
      if (!known) continue
      const bytes = chunk.subarray(at, at + length - part.length())
      at += bytes.length
      offset += bytes.length
      if (part.length() + bytes.length < length) part.add(bytes)
      else {
        yield part.complete(bytes)
        length = 0
        digits = 0
        known = false
      }
    }
  }

  function end(): Buffer[] {
    if (digits === 0) return []
    const missing = known ? length - part.length() : `${varies ? 1 : weights.length - digits} or more`
    const where = known ? '' : 'within its length, '
    throw fault('ERR_INPUT', `is cut short ${where}at offset ${offset}; bytes missing: ${missing}`)
  }

  return { write, end }
}

/**
 * A frame whose end has not come, of at most `most` bytes. They are copied: a view would keep its whole chunk, and a
 * peer that sends single bytes would fill the memory with views.
 */
function partOf(most: number) {
  let held = Buffer.alloc(0)
  let length = 0

  function add(bytes: Buffer): void {
    const whole = length + bytes.length
    if (whole > held.length) {
      const grown = Buffer.allocUnsafe(Math.max(whole, Math.min(2 * whole, most)))
      held.copy(grown, 0, 0, length)
      held = grown
    }
    held.set(bytes, length)
    length = whole
  }

  /** The frame, which is nobody else's from now on. */
  function complete(bytes: Buffer = Buffer.alloc(0)): Buffer {
    if (length === 0) return bytes
    add(bytes)
    const frame = held.subarray(0, length)
    held = Buffer.alloc(0)
    length = 0
    return frame
  }

  return { length: () => length, add, complete }
}
