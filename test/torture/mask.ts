/** A transform whose bytes differ from those of its source, and that takes itself back. */
import { Transform } from 'node:stream'

export function mask(): Transform {
  return new Transform({
    transform(chunk: Buffer, _encoding, callback) {
      callback(null, masked(chunk))
    },
  })
}

export function masked(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes)
  for (let i = 0; i < copy.length; i++) copy[i] = (copy[i] as number) ^ 0x5a
  return copy
}
