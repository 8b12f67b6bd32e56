/** What counts as bytes where data comes from outside, and large data in blocks. */
import { isAnyArrayBuffer } from 'node:util/types'

/** The data that sources and Web stages may yield. A string is encoded as UTF-8. Any other value is used as bytes. */
export type Data = string | ArrayBufferView | ArrayBufferLike

/** Names what `toBytes` takes. */
export const expectedData = 'expected a string, a Buffer, a Uint8Array or another view of bytes, or an ArrayBuffer'

/** The length of a block in bytes; of a string in UTF-16 code units, which are 1 to 3 bytes each. */
const blockLength = { bytes: 256 * 1024, string: 128 * 1024 }

export function isData(value: unknown): value is Data {
  return typeof value === 'string' || ArrayBuffer.isView(value) || isAnyArrayBuffer(value)
}

/** Copies no bytes; undefined for a value that is no data. */
export function toBytes(value: unknown): Buffer | undefined {
  if (typeof value === 'string') return textToBytes(value)
  if (Buffer.isBuffer(value)) return value
  if (ArrayBuffer.isView(value)) return Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  return isAnyArrayBuffer(value) ? Buffer.from(value) : undefined
}

/** As `Buffer.from(text)`, which takes twice as long for the lines of a block: it makes memory of its own, and copies. */
export function textToBytes(text: string): Buffer {
  if (text.length < shortText) return Buffer.from(text)
  const size = Buffer.byteLength(text)
  const bytes = Buffer.allocUnsafe(size)
  bytes.write(text, size === text.length ? 'latin1' : 'utf8')
  return bytes
}

/** From the pool of Node.js, where both take as long. */
const shortText = 4096

/** Cuts data into blocks of 512 KiB at most. A string is encoded block by block, and no character of it is divided. */
export function* blocksOf(data: Data): Generator<Buffer, void, void> {
  if (typeof data === 'string') return yield* textBlocks(data)
  const bytes = toBytes(data) as Buffer
  for (let from = 0; from < bytes.length; from += blockLength.bytes)
    yield bytes.subarray(from, from + blockLength.bytes)
}

function* textBlocks(text: string): Generator<Buffer, void, void> {
  for (let from = 0, to = 0; from < text.length; from = to) {
    to = Math.min(from + blockLength.string, text.length)
    if ((text.codePointAt(to - 1) as number) > 0xffff) to++
    yield textToBytes(text.slice(from, to))
  }
}
