/** Shared by all decompressors: output limits, and a check for data after the end of the input. */
import { Duplex, type Transform } from 'node:stream'
import { finished } from 'node:stream/promises'
import { callbackify } from 'node:util'
import type { Zlib } from 'node:zlib'
import { errorMessage, TcpPipeError } from '../text/errors.js'
import { bytes, integer } from '../text/options.js'
import { afterDelivery } from './delivery.js'
import { blockBytes } from './records.js'

/** One format, as zlib reads it. */
export interface Format {
  /** The name of the transform, for messages. */
  readonly name: string
  /** From `node:zlib`, with `outputOptions`. */
  readonly stream: Transform & Zlib
  /** The size of the trailer. zlib gets the last bytes of each chunk on their own: it drops output if a checksum is wrong. */
  readonly trailer?: number
  /** True if zero bytes may follow the end. */
  readonly padding?: boolean
  /** Splits a chunk at points that zlib must not be fed past; called without a chunk at the end. Throws `ERR_INPUT`. */
  cut?(chunk?: Buffer): Iterable<Buffer>
}

export interface Caps {
  /** Maximum number of output bytes; undefined: no limit. */
  readonly max: number | undefined
  /** Maximum number of output bytes per input byte, beyond `freeOutput`. */
  readonly ratio: number
}

/** The options `max` and `ratio` of each decompressor. */
export function capOptions<const R extends number>(ratio: R) {
  return {
    max: bytes('maximum output; default: no limit', { min: 1 }),
    ratio: integer('maximum number of output bytes per input byte, beyond 16 MiB of output', {
      min: 1,
      default: ratio,
    }),
  }
}

/** The size of the output blocks. zlib waits until a block is read, so that an error does not overtake one. */
export const outputOptions = { chunkSize: blockBytes, readableHighWaterMark: 1 }

/** Output below this is never a bomb. */
export const freeOutput = 16 * 1024 * 1024

/**
 * Decompresses; besides zlib's memory it holds one block. Fails with `ERR_INPUT` if the input is invalid, truncated or
 * continues after its end, and with `ERR_OUTPUT_LIMIT` at a limit: zlib's `maxOutputLength` has no effect on streams.
 * Delivers what precedes the error, except what zlib drops: up to one block before invalid data.
 */
export function decompressor(
  { name, stream: inner, padding = false, cut = whole, trailer = 0 }: Format,
  caps: Caps,
): Duplex {
  let output = 0
  let over = false // zlib has left input unread
  let hasFailed = false

  async function writeAll(chunk: Buffer | undefined): Promise<void> {
    for (const part of cut(chunk)) for (const piece of endApart(part, trailer)) await writeOne(piece)
  }

  async function writeOne(piece: Buffer): Promise<void> {
    const rest = over ? piece : await unread(inner, piece)
    over ||= rest.length > 0
    if (rest.some(byte => !padding || byte !== 0)) throw inputError(name, 'unexpected data after the end')
  }

  async function endAll(): Promise<void> {
    await writeAll(undefined)
    inner.end()
    await finished(inner)
    outer.push(null)
  }

  function take(block: Buffer): void {
    const most = allowed(inner.bytesWritten, caps)
    const left = most - output
    output += block.length
    if (!outer.push(block.length > left ? block.subarray(0, left) : block)) inner.pause()
    if (block.length > left) fail(new TcpPipeError('ERR_OUTPUT_LIMIT', `${name}: ${exceeded(inner, output, caps)}`))
  }

  function fail(error: Error): void {
    if (hasFailed) return
    hasFailed = true
    inner.pause()
    afterDelivery(outer, () => outer.destroy(error))
  }

  const outer = new Duplex({
    readableHighWaterMark: blockBytes,
    write: (chunk, _encoding, callback) => callbackify(writeAll)(chunk, error => (error ? fail(error) : callback())),
    final: callback => callbackify(endAll)(error => (error ? fail(error) : callback())),
    read: () => void (hasFailed || inner.resume()),
    destroy(error, callback) {
      inner.destroy()
      callback(error)
    },
  })
  inner.on('data', take)
  inner.on('error', cause => fail(inputError(name, errorMessage(cause), cause)))
  return outer
}

function whole(chunk?: Buffer): Iterable<Buffer> {
  return chunk ? [chunk] : []
}

/** The last `size` bytes in fours: wherever the trailer is cut, no four complete a checksum and have data before it. */
function* endApart(bytes: Buffer, size: number): Generator<Buffer> {
  let from = 0
  for (let left = size; left > 0; left -= 4) {
    const to = Math.max(from, bytes.length - left)
    if (to > from) yield bytes.subarray(from, to)
    from = to
  }
  if (from < bytes.length) yield bytes.subarray(from)
}

/** The number of output bytes that the caps allow for the input so far. */
function allowed(input: number, { max = Number.POSITIVE_INFINITY, ratio }: Caps): number {
  return Math.min(max, Math.max(freeOutput, ratio * input))
}

function exceeded({ bytesWritten: input }: Zlib, output: number, { max, ratio }: Caps): string {
  if (max !== undefined && output > max) return `the output exceeds max=${max} bytes`
  return `the output exceeds ratio=${ratio}: ${input} bytes of input gave ${output} bytes; a higher ratio allows it`
}

/** Writes a piece and resolves with what zlib leaves unread after its end. Errors arrive as events and never here. */
function unread(inner: Format['stream'], piece: Buffer): Promise<Buffer> {
  const before = inner.bytesWritten
  return new Promise(resolve => {
    inner.write(piece, error => {
      if (!error && !inner.destroyed) resolve(piece.subarray(inner.bytesWritten - before))
    })
  })
}

function inputError(name: string, message: string, cause?: Error): TcpPipeError {
  return new TcpPipeError('ERR_INPUT', `${name}: ${message}`, cause && { cause })
}
