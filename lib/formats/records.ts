/**
 * The units of stages and the codecs between them. Records travel in batches: arrays of at most 1,024 records or 64 KiB.
 * Bytes are Buffers, a line is a string without its LF, JSON is a value.
 */
import { isAscii } from 'node:buffer'
import { type Flushable, flushable, none } from 'stream-chain/defs.js'
import { tooLong } from '../text/errors.js'
import { textToBytes } from './bytes.js'
import { countLines } from './count-lines.js'
import { jsonScanner } from './json.js'
import { type JsonReader, plainReader } from './plain-json.js'

/** The unit of a stage: a chunk of bytes, a line of text without its LF, or a JSON value. */
export type Unit = 'bytes' | 'line' | 'json'
export type Batch = unknown[]

/** A function of a fused run: takes a batch, returns batches. */
export type BatchFunction = ((batch: Batch) => unknown) | Flushable<Batch, unknown>

export const batchRecords = 1024
export const blockBytes = 64 * 1024

/** The most bytes that sources usually give at once. */
export const chunkBytes = 4 * blockBytes

/** The default of `maxRecord`, in bytes. */
export const defaultMaxRecord = 1024 * 1024

const LF = 10

/** Shared by a decoder and the encoder after it, so that an unterminated last line stays unterminated. */
export interface Ending {
  unterminated: boolean
}

/** The next stage drops lines without the literal, so the decoder may skip and count them. */
export interface LineFilter {
  literal: string
  skip(lines: number): void
}

/** What the stages around a decoder allow or need. */
export interface Surroundings {
  readonly filter?: LineFilter | undefined
  readonly rest?: Rest | undefined
  /**
   * The values are encoded as they are, so the decoder may give whole lines of JSON as they are written: a Buffer with
   * any number of them. This receives the number of values in each.
   */
  readonly copied?: ((values: number) => void) | undefined
}

/** Chunks → records of the unit. A record over `maxRecord` bytes fails with `ERR_RECORD_TOO_LONG`. */
export function decoder(
  unit: 'line' | 'json',
  maxRecord: number,
  ending: Ending,
  { filter, rest, copied }: Surroundings = {},
): Flushable<Batch, unknown> {
  return unit === 'line' ? lineDecoder(maxRecord, ending, filter, rest) : jsonDecoder(maxRecord, copied)
}

/** Converts a chunk to a Buffer; a string becomes UTF-8. */
export function toBuffer(chunk: unknown): Buffer {
  if (typeof chunk === 'string') return textToBytes(chunk)
  const view = chunk as Uint8Array
  return Buffer.isBuffer(view) ? view : Buffer.from(view.buffer, view.byteOffset, view.byteLength)
}

/** If `wanted`, the decoder leaves the bytes of an incomplete last character here. */
export interface Rest {
  wanted: boolean
  bytes: Buffer
}

function lineDecoder(
  maxRecord: number,
  ending: Ending,
  filter: LineFilter | undefined,
  rest: Rest | undefined,
): Flushable<Batch, unknown> {
  const split = filter ? literalSplitter(filter) : splitLines
  let held = Buffer.alloc(0) // its first `length` bytes are an incomplete line
  let length = 0

  /** Copies: a view would retain the whole chunk, so a peer that sends single bytes could exhaust the memory. */
  function hold(bytes: Buffer): void {
    const whole = length + bytes.length
    if (whole > maxRecord) throw tooLong('line', maxRecord)
    if (whole > held.length) held = Buffer.concat([held], Math.min(2 * whole, maxRecord))
    bytes.copy(held, length)
    length = whole
  }

  function release(): string {
    const line = held.toString('utf8', 0, length)
    if (held.length > blockBytes) held = Buffer.alloc(0)
    length = 0
    return line
  }

  function cut(bytes: Buffer): string[] {
    if (length === 0) return split(bytes)
    const end = bytes.indexOf(LF)
    hold(end === -1 ? bytes : bytes.subarray(0, end))
    const first = release()
    if (end === -1) return [first]
    const lines = split(bytes.subarray(end + 1))
    lines.unshift(first)
    return lines
  }

  function decode(block: Buffer): unknown {
    return found(give => {
      const last = block.lastIndexOf(LF)
      if (last !== -1) {
        const end = fittingEnd(block.subarray(0, last), maxRecord)
        if (end >= 0) give(cut(block.subarray(0, end)))
        if (end < last) throw tooLong('line', maxRecord)
      }
      hold(block.subarray(last + 1))
    })
  }

  function leaveRest(rest: Rest): void {
    const size = partOfCharacter(held.subarray(0, length))
    rest.bytes = Buffer.from(held.subarray(length - size, length))
    length -= size
  }

  return flushable(
    (batch: Batch) => inBlocks(batch, decode),
    function* () {
      if (rest?.wanted) leaveRest(rest)
      if (length === 0) return
      ending.unterminated = true
      yield [release()]
    },
  )
}

/** Counts the last bytes that begin an incomplete UTF-8 character (RFC 3629). */
function partOfCharacter(bytes: Buffer): number {
  for (let count = 1; count <= Math.min(3, bytes.length); count++) {
    const byte = bytes[bytes.length - count] as number
    if (byte < 0x80) return 0
    if (byte >= 0xc0) return count < (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2) ? count : 0
  }
  return 0
}

function splitLines(bytes: Buffer): string[] {
  return bytes.toString(isAscii(bytes) ? 'latin1' : 'utf8').split('\n') // Node.js 20 decodes UTF-8 more slowly
}

/**
 * Searches the bytes: a match in UTF-8 is a match in the text, even among invalid bytes. If many lines have the literal,
 * decoding all of them is faster; the search resumes after some blocks.
 */
function literalSplitter({ literal, skip }: LineFilter): (bytes: Buffer) => string[] {
  const needle = Buffer.from(literal)
  let pause = 0
  return bytes => {
    if (pause > 0) {
      pause--
      return splitLines(bytes)
    }
    const lines: string[] = []
    for (let at = bytes.indexOf(needle); at !== -1; ) {
      const start = bytes.lastIndexOf(LF, at) + 1
      const next = bytes.indexOf(LF, at)
      const end = next === -1 ? bytes.length : next
      lines.push(bytes.toString('utf8', start, end))
      at = end < bytes.length ? bytes.indexOf(needle, end) : -1
    }
    const all = countLines(bytes) + 1 // the last line has no LF here
    if (4 * lines.length > all) pause = 64
    skip(all - lines.length)
    return lines
  }
}

/**
 * Returns the end of the lines before one that is too long, -1 if that is the first. Looks at the input, before invalid
 * bytes become U+FFFD.
 */
function fittingEnd(bytes: Buffer, maxRecord: number): number {
  for (let from = 0; from + maxRecord < bytes.length; ) {
    const next = bytes.indexOf(LF, from)
    const end = next === -1 ? bytes.length : next
    if (end - from > maxRecord) return from - 1
    from = end + 1
  }
  return bytes.length
}

function jsonDecoder(maxRecord: number, copied: Surroundings['copied']): Flushable<Batch, unknown> {
  const scanner = jsonScanner(maxRecord)
  const text = new TextDecoder()
  const scan: JsonReader = (chunk, values) => void scanner.write(text.decode(chunk, { stream: true }), values)
  const read = copied ? plainReader(scanner, scan, maxRecord, copied) : scan
  return flushable(
    (batch: Batch) => inBlocks(batch, block => collect(values => read(block, values))),
    () => collect(values => scanner.end(scanner.write(text.decode(), values))),
  )
}

/** Returns the values that `find` adds, as `found`. */
function collect(find: (values: Batch) => void): unknown {
  return found(give => {
    const values: Batch = []
    give(values)
    find(values)
  })
}

/** Decodes chunks block by block. For the usual batch, one chunk of one block, without a generator: it costs more calls. */
function inBlocks(batch: Batch, decode: (block: Buffer) => unknown): unknown {
  const first = toBuffer(batch[0])
  return batch.length === 1 && first.length <= blockBytes ? decode(first) : decodeEach(batch, decode)
}

function* decodeEach(batch: Batch, decode: (block: Buffer) => unknown): Generator {
  for (const chunk of batch.map(toBuffer)) {
    for (let from = 0; from < chunk.length; from += blockBytes) yield decode(chunk.subarray(from, from + blockBytes))
  }
}

/** Returns what `find` gives, also if it throws: one batch, or several. */
function found(find: (give: (records: Batch) => void) => void): unknown {
  let records: Batch = []
  try {
    find(given => {
      records = given
    })
  } catch (error) {
    return failing(records, error)
  }
  return records.length > batchRecords ? batches(records) : records.length > 0 ? records : none
}

function* failing(records: Batch, error: unknown): Generator<Batch> {
  yield* batches(records)
  throw error
}

function* batches(records: Batch): Generator<Batch> {
  const { length } = records // the next function may add to a batch
  for (let from = 0; from < length; from += batchRecords)
    yield length > batchRecords ? records.slice(from, from + batchRecords) : records
}
