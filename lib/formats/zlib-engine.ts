/** A format that a stream of `node:zlib` reads alone. */
import type { Transform } from 'node:stream'
import { finished } from 'node:stream/promises'
import type { Zlib } from 'node:zlib'
import { errorMessage, TcpPipeError } from '../text/errors.js'
import type { Engine, Take } from './decompressor.js'
import { blockBytes } from './records.js'

export interface Format {
  /** The name of the transform, for messages. */
  readonly name: string
  /** With `outputOptions`. */
  readonly stream: Transform & Zlib
  /** Splits a chunk at points that zlib must not be fed past; called without a chunk at the end. Throws `ERR_INPUT`. */
  cut?(chunk?: Buffer): Iterable<Buffer>
}

/** The size of the output blocks. zlib waits until a block is read, so that an error does not overtake one. */
export const outputOptions = { chunkSize: blockBytes, readableHighWaterMark: 1 }

/** For `decompressor`. zlib drops up to one block before invalid data. Data after the end are an error. */
export function zlibEngine({ name, stream, cut = whole }: Format): (take: Take) => Engine {
  async function write(chunk?: Buffer): Promise<void> {
    for (const piece of cut(chunk)) {
      const size = await readBy(stream, piece).catch(fail)
      if (size < piece.length) throw inputError(name, 'unexpected data after the end')
    }
  }

  async function end(): Promise<void> {
    await write()
    stream.end()
    await finished(stream).catch(fail)
  }

  function fail(cause: Error): never {
    throw inputError(name, errorMessage(cause), cause)
  }

  return take => {
    stream.on('error', () => {}) // a call reports it
    stream.on('data', take)
    return {
      get bytesRead() {
        return stream.bytesWritten
      },
      write,
      end,
      pause: () => stream.pause(),
      resume: () => stream.resume(),
      destroy: () => stream.destroy(),
    }
  }
}

function whole(chunk?: Buffer): Iterable<Buffer> {
  return chunk ? [chunk] : []
}

/** Writes a piece. Resolves when its output is read, with the bytes that zlib has read of it: fewer if the data end. */
export function readBy(stream: Transform & Zlib, piece: Buffer): Promise<number> {
  const before = stream.bytesWritten
  return new Promise((resolve, reject) => {
    stream.once('error', reject)
    // zlib does not wait until its last block is read, unless it is a full one.
    const settle = () => {
      if (stream.readableLength === 0) resolve(stream.bytesWritten - before)
      else stream.once('data', settle)
    }
    stream.write(piece, error => {
      stream.off('error', reject)
      if (!error && !stream.destroyed) settle()
    })
  })
}

export function inputError(name: string, message: string, cause?: Error): TcpPipeError {
  return new TcpPipeError('ERR_INPUT', `${name}: ${message}`, cause && { cause })
}
