/** What all decompressors share: caps on the output, and an eye on what stands behind the end of the input. */
import { Duplex, type Transform } from 'node:stream'
import { finished } from 'node:stream/promises'
import { callbackify } from 'node:util'
import type { Zlib } from 'node:zlib'
import { errorMessage, TcpPipeError } from '../text/errors.js'
import { bytes, integer } from '../text/options.js'
import { blockBytes } from './records.js'

/** One format, as zlib reads it. */
export interface Format {
  /** Of the transform, for its messages. */
  readonly name: string
  /** From `node:zlib`. Its `chunkSize` is the size of the blocks that come out. */
  readonly stream: Transform & Zlib
  /** True if zero bytes may stand behind the end. */
  readonly padding?: boolean
  /** Cuts a chunk where zlib has to be given no more at once; called without one at the end. Throws `ERR_INPUT`. */
  cut?(chunk?: Buffer): Iterable<Buffer>
}

export interface Caps {
  /** The most bytes of output; undefined: no cap. */
  readonly max: number | undefined
  /** The most bytes of output for a byte of input, once there are more than `freeOutput`. */
  readonly ratio: number
}

/** The options `max` and `ratio`, as each decompressor has them. */
export function capOptions<const R extends number>(ratio: R) {
  return {
    max: bytes('the most output; default: no cap', { min: 1 }),
    ratio: integer('the most bytes of output for a byte of input, once there are 16 MiB', { min: 1, default: ratio }),
  }
}

/** Output below this is never a bomb. */
export const freeOutput = 16 * 1024 * 1024

/**
 * Decompresses, holding no more than zlib and one block. Fails with `ERR_INPUT` if the input cannot be read, ends early
 * or goes on behind its end, and with `ERR_OUTPUT_LIMIT` at a cap: in a stream zlib's own `maxOutputLength` does nothing.
 */
export function decompressor({ name, stream: inner, padding = false, cut = whole }: Format, caps: Caps): Duplex {
  let output = 0
  let over = false // zlib has left something unread

  async function writeAll(chunk: Buffer | undefined): Promise<void> {
    for (const piece of cut(chunk)) {
      const rest = over ? piece : await unread(inner, piece)
      over ||= rest.length > 0
      if (rest.some(byte => !padding || byte !== 0)) throw inputError(name, 'there is something else behind the end')
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
  if (max !== undefined && output > max) return `more than max, ${max} bytes, of output`
  if (output > freeOutput && output > ratio * input)
    return `${input} bytes gave ${output}, more than ratio, ${ratio}, for each`
  return undefined
}

/** Writes; what zlib does not take, since it has come to its end. What goes wrong comes as an event, and never here. */
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
