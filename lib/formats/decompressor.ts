/** Shared by all decompressors: output limits, and a check for data after the end of the input. */
import { Duplex, type Transform } from 'node:stream'
import { finished } from 'node:stream/promises'
import { callbackify } from 'node:util'
import type { Zlib } from 'node:zlib'
import { errorMessage, TcpPipeError } from '../text/errors.js'
import { bytes, integer } from '../text/options.js'
import { blockBytes } from './records.js'

/** One format, as zlib reads it. */
export interface Format {
  /** The name of the transform, for messages. */
  readonly name: string
  /** From `node:zlib`. Its `chunkSize` is the size of the output blocks. */
  readonly stream: Transform & Zlib
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

/** Output below this is never a bomb. */
export const freeOutput = 16 * 1024 * 1024

/**
 * Decompresses; besides zlib's memory it holds one block. Fails with `ERR_INPUT` if the input is invalid, truncated or
 * continues after its end, and with `ERR_OUTPUT_LIMIT` at a limit: zlib's `maxOutputLength` has no effect on streams.
 */
export function decompressor({ name, stream: inner, padding = false, cut = whole }: Format, caps: Caps): Duplex {
  let output = 0
  let over = false // zlib has left input unread

  async function writeAll(chunk: Buffer | undefined): Promise<void> {
    for (const piece of cut(chunk)) {
      const rest = over ? piece : await unread(inner, piece)
      over ||= rest.length > 0
      if (rest.some(byte => !padding || byte !== 0)) throw inputError(name, 'unexpected data after the end')
    }
  }

  async function endAll(): Promise<void> {
    await writeAll(undefined)
    inner.end()
    await finished(inner)
    outer.push(null)
  }

  function take(block: Buffer): void {
    output += block.length
    const exceeded = overCap(inner.bytesWritten, output, caps)
    if (exceeded) outer.destroy(new TcpPipeError('ERR_OUTPUT_LIMIT', `${name}: ${exceeded}`))
    else if (!outer.push(block)) inner.pause()
  }

  const outer = new Duplex({
    readableHighWaterMark: blockBytes,
    write: (chunk, _encoding, callback) => callbackify(writeAll)(chunk, callback),
    final: callback => callbackify(endAll)(callback),
    read: () => void inner.resume(),
    destroy(error, callback) {
      inner.destroy()
      callback(error)
    },
  })
  inner.on('data', take)
  inner.on('error', cause => outer.destroy(inputError(name, errorMessage(cause), cause)))
  return outer
}

function whole(chunk?: Buffer): Iterable<Buffer> {
  return chunk ? [chunk] : []
}

function overCap(input: number, output: number, { max, ratio }: Caps): string | undefined {
  if (max !== undefined && output > max) return `the output exceeds max=${max} bytes`
  if (output > freeOutput && output > ratio * input)
    return `the output exceeds ratio=${ratio}: ${input} bytes of input gave ${output} bytes`
  return undefined
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
