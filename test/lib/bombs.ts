/** Small inputs of which much comes. */
import { type Duplex, Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'

const mebibyte = 2 ** 20

/** So many MiB of zeros, compressed by a stream of zlib. */
export function bomb(compressor: Duplex, mebibytes: number): Readable {
  const block = Buffer.alloc(mebibyte)
  return Readable.from(Array.from({ length: mebibytes }, () => block)).pipe(compressor)
}

export interface Exploded {
  /** Bytes that came out. */
  size: number
  error: unknown
  /** By how many bytes the process grew at most. */
  grown: number
}

/** What comes of an input, and how much memory that takes. */
export async function explode(stream: Duplex, input: Readable): Promise<Exploded> {
  const before = process.memoryUsage.rss()
  let size = 0
  let grown = 0
  const sink = new Writable({
    write(chunk, _encoding, callback) {
      size += chunk.length
      grown = Math.max(grown, process.memoryUsage.rss() - before)
      callback()
    },
  })
  const error = await pipeline(input, stream, sink).catch(error => error)
  return { size, error, grown }
}
