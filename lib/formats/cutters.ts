/** Cuts a stream of bytes into frames: by size, by a delimiter after each frame, or by a length prefix. */
import { TcpPipeError } from '../text/errors.js'

/** Chunks → frames, regardless of chunk boundaries. A frame may be a view of its chunk. */
export interface Cutter {
  write(chunk: Buffer): Iterable<Buffer>
  /** The last frame, if it needs no terminator. */
  end(): Iterable<Buffer>
}

/** The longest allowed frame. */
export interface Limit {
  readonly bytes: number
  /** Describes the limit, after 'longer than': `max, 1024 bytes`. */
  readonly words: string
}

/** How a length is encoded: the sum of its bytes, each multiplied by its weight, in byte order. */
export interface LengthFormat {
  /** One weight per byte of the longest prefix. */
  readonly weights: readonly number[]
  /** True for a varint: seven bits of each byte count, and the eighth says that another byte follows. */
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

/** A frame is the bytes before each delimiter, and those after the last one unless empty. */
export function cutByDelimiter(delimiter: Buffer, limit: Limit, label: string): Cutter {
  const needle = delimiter.length === 1 ? (delimiter[0] as number) : delimiter // twice as fast
  const part = partOf(limit.bytes)
  let carry: Buffer = Buffer.alloc(0) // may begin a delimiter
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

/** A cutter that knows where in the stream the frame ends that it has given last. */
export interface LengthCutter extends Cutter {
  offset(): number
}

/** A length prefix precedes each frame. Allocates nothing for bytes that have not arrived. */
export function cutByLength({ weights, varies }: LengthFormat, limit: Limit, label: string): LengthCutter {
  const part = partOf(limit.bytes)
  let offset = 0 // of the next byte of the input
  let start = 0 // offset of the frame's length prefix
  let length = 0
  let digits = 0 // number of prefix bytes so far
  let known = false

  function fault(code: 'ERR_INPUT' | 'ERR_RECORD_TOO_LONG', message: string): TcpPipeError {
    return new TcpPipeError(code, `${label} at offset ${start} ${message}`)
  }

  /** Each byte can only increase the length, so an excessive length fails at once. */
  function addDigit(byte: number): void {
    if (digits === 0) start = offset
    const weight = weights[digits++]
    if (weight === undefined) throw fault('ERR_INPUT', `has a length prefix of more than ${weights.length} bytes`)
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
    const where = known ? '' : 'within its length prefix, '
    throw fault('ERR_INPUT', `is truncated ${where}at offset ${offset}; bytes missing: ${missing}`)
  }

  return { write, end, offset: () => offset }
}

/**
 * An incomplete frame of at most `most` bytes. Copies its bytes: a view would retain its whole chunk, so a peer that
 * sends single bytes could exhaust the memory.
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

  /** Returns the frame and hands over its memory. */
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
