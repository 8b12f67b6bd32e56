/**
 * The units of a stage and the codecs between them. Records travel in batches: arrays of at most 1,024 records or
 * 64 KiB. Bytes are Buffers, a line is a string without its LF, json is a value.
 */
import { type Flushable, flushable } from 'stream-chain/defs.js'
import { TcpPipeError } from './errors.js'
import { jsonScanner } from './json.js'

export type Unit = 'bytes' | 'line' | 'json'
export type Batch = unknown[]

/** A function of a fused run: a batch comes in, batches go out. */
export type BatchFunction = ((batch: Batch) => unknown) | Flushable<Batch, unknown>

export const batchRecords = 1024
export const batchBytes = 64 * 1024

/** The length cap of a record in bytes, unless `maxLine` sets another one. */
export const defaultMaxLine = 1024 * 1024

const LF = 10

/** Shared by a decoder and the encoder behind it, so that a last line without its LF stays without it. */
export interface Ending {
  unterminated: boolean
}

/** Chunks → records of the unit. A record over `maxLine` bytes fails with `ERR_RECORD_TOO_LONG`. */
export function decoder(unit: 'line' | 'json', maxLine: number, ending: Ending): BatchFunction {
  return unit === 'line' ? lineDecoder(maxLine, ending) : jsonDecoder(maxLine, ending)
}

/** Records → chunks: a string is a line, a Buffer is bytes, any other value is a line of JSON. */
export function encoder(ending: Ending): (batch: Batch) => Batch {
  let owed = false // a record was written whose LF comes only if another one follows
  return batch => {
    const chunks: Batch = []
    let lines: string[] = []
    const flush = () => {
      if (lines.length === 0) return
      const joined = lines.join('\n')
      chunks.push(Buffer.from(ending.unterminated ? (owed ? `\n${joined}` : joined) : `${joined}\n`))
      owed = ending.unterminated
      lines = []
    }
    for (const value of batch) {
      if (typeof value === 'string') lines.push(value)
      else if (value instanceof Uint8Array) {
        flush()
        if (owed) chunks.push(Buffer.from('\n'))
        owed = false
        chunks.push(value)
      } else lines.push(stringify(value))
    }
    flush()
    return chunks
  }
}

/** Bytes as they came: a string becomes UTF-8. */
export function toBuffer(chunk: unknown): Buffer {
  if (typeof chunk === 'string') return Buffer.from(chunk)
  const view = chunk as Uint8Array
  return Buffer.isBuffer(view) ? view : Buffer.from(view.buffer, view.byteOffset, view.byteLength)
}

function lineDecoder(maxLine: number, ending: Ending): BatchFunction {
  let pending: Buffer[] = []
  let carried = 0

  function keep(bytes: Buffer): void {
    carried += bytes.length
    if (carried > maxLine) throw tooLong('line', maxLine)
    if (bytes.length > 0) pending.push(bytes)
  }

  function take(bytes: Buffer): string {
    if (carried === 0) return bytes.toString()
    const whole = Buffer.concat([...pending, bytes])
    pending = []
    carried = 0
    return whole.toString()
  }

  /** Lengths are those of the input, before invalid bytes become U+FFFD. */
  function check(bytes: Buffer): void {
    let length = carried
    for (let from = 0; from <= bytes.length; length = 0) {
      const next = bytes.indexOf(LF, from)
      const end = next === -1 ? bytes.length : next
      if (length + end - from > maxLine) throw tooLong('line', maxLine)
      from = end + 1
    }
  }

  function* lines(chunk: Buffer): Generator<string[]> {
    for (let start = 0; start < chunk.length; start += batchBytes) {
      const part = chunk.subarray(start, start + batchBytes)
      const last = part.lastIndexOf(LF)
      if (last === -1) keep(part)
      else {
        const whole = part.subarray(0, last)
        if (carried + last > maxLine) check(whole)
        const records = take(whole).split('\n')
        if (records.length <= batchRecords) yield records
        else for (let i = 0; i < records.length; i += batchRecords) yield records.slice(i, i + batchRecords)
        keep(part.subarray(last + 1))
      }
    }
  }

  return flushable(
    function* (batch: Batch) {
      for (const chunk of batch) yield* lines(toBuffer(chunk))
    },
    function* () {
      if (carried === 0) return
      ending.unterminated = true
      yield [take(Buffer.alloc(0))]
    },
  )
}

function jsonDecoder(maxLine: number, ending: Ending): BatchFunction {
  const scanner = jsonScanner(maxLine)
  const text = new TextDecoder('utf-8')
  const batches = function* (values: Iterable<unknown>) {
    let batch: Batch = []
    for (const value of values) {
      if (batch.push(value) === batchRecords) {
        yield batch
        batch = []
      }
    }
    if (batch.length > 0) yield batch
  }
  return flushable(
    function* (batch: Batch) {
      for (const chunk of batch) yield* batches(scanner.write(text.decode(toBuffer(chunk), { stream: true })))
    },
    function* () {
      ending.unterminated = false
      yield* batches(scanner.end(text.decode()))
    },
  )
}

export function tooLong(what: string, maxLine: number): TcpPipeError {
  return new TcpPipeError('ERR_RECORD_TOO_LONG', `a ${what} is longer than maxLine, ${maxLine} bytes`)
}

function stringify(value: unknown): string {
  const json = JSON.stringify(value)
  if (json === undefined) throw new TcpPipeError('ERR_STAGE_RESULT', `a ${typeof value} cannot be written as JSON`)
  return json
}
