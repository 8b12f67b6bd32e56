import t from 'tap'
import { type Container, gzip, raw, zlib } from '../../../lib/formats/containers.js'

const content = { checksum: 0x04030201, size: 2 ** 32 + 7 }

/** Feeds bytes, with nothing for data; says what it wants then, or the message of its error and after how many bytes. */
function read(container: Container, bytes: readonly number[]): string {
  const layout = container.read(content)
  let wanted = layout.next(0).value
  for (const [i, byte] of bytes.entries()) {
    try {
      if (wanted === 'data') wanted = layout.next(0).value
      wanted = layout.next(byte).value
    } catch (error) {
      t.match(error, { code: 'ERR_INPUT' })
      return `${(error as Error).message} after ${i + 1}`
    }
  }
  return String(wanted)
}

const start = (flags: number) => [0x1f, 0x8b, 8, flags, 1, 2, 3, 4, 0, 3]
const trailer = [1, 2, 3, 4, 7, 0, 0, 0]

t.test('gzip', async t => {
  for (const [title, bytes, expected] of [
    ['nothing', [], 'byte'],
    ['text', [0x61], 'gunzip: incorrect header check after 1'],
    ['half an identifier', [0x1f, 0x61], 'gunzip: incorrect header check after 2'],
    ['another method', [0x1f, 0x8b, 7], 'gunzip: unknown compression method after 3'],
    ['a reserved flag', start(0x20), 'gunzip: unknown header flags set after 4'],
    ['no fields', start(0), 'data'],
    ['extra bytes', [...start(4), 3, 0, 1, 2, 3], 'data'],
    ['not all of the extra bytes', [...start(4), 0, 1, 1, 2, 3], 'byte'],
    ['no extra bytes', [...start(4), 0, 0], 'data'],
    ['a name', [...start(8), 0x61, 0], 'data'],
    ['a name and a comment', [...start(0x18), 0x61, 0, 0x62, 0x63, 0], 'data'],
    ['a name that goes on', [...start(8), 0x61, 0x62], 'byte'],
    ['a checksum of the header', [...start(2), 0x50, 0xf0], 'data'],
    ['a wrong one', [...start(2), 0x50, 0xf1], 'gunzip: header crc mismatch after 12'],
    ['all fields', [...start(0x1e), 1, 0, 9, 0x61, 0, 0x62, 0, 0x33, 0x4e], 'data'],
    ['a trailer', [...start(0), ...trailer], 'byte or end'],
    ['half a trailer', [...start(0), ...trailer.slice(0, 7)], 'byte'],
    ['a wrong checksum', [...start(0), 1, 2, 3, 5], 'gunzip: incorrect data check after 14'],
    ['a wrong length', [...start(0), 1, 2, 3, 4, 7, 0, 0, 1], 'gunzip: incorrect length check after 18'],
    ['padding', [...start(0), ...trailer, 0, 0, 0], 'byte or end'],
    ['a member behind padding', [...start(0), ...trailer, 0, 0x1f], 'gunzip: unexpected data after the end after 20'],
    ['text behind it', [...start(0), ...trailer, 0x61], 'gunzip: incorrect header check after 19'],
    ['a second member', [...start(0), ...trailer, ...start(8), 0x61, 0, ...trailer], 'byte or end'],
    ['half a second member', [...start(0), ...trailer, ...start(8), 0x61], 'byte'],
  ] as const)
    t.equal(read(gzip, bytes), expected, title)
})

t.test('zlib', async t => {
  for (const [title, bytes, expected] of [
    ['nothing', [], 'byte'],
    ['text', [0x61, 0x62], 'inflate: incorrect header check after 2'],
    ['another method', [0x77, 0x09], 'inflate: unknown compression method after 2'],
    ['a window of 64 KiB', [0x88, 0x1c], 'inflate: invalid window size after 2'],
    ['a dictionary', [0x78, 0x20], 'inflate: the input needs a preset dictionary, which is not supported after 2'],
    ['data', [0x78, 0x9c], 'data'],
    ['a trailer', [0x78, 0x9c, 4, 3, 2, 1], 'byte or end'],
    ['half a trailer', [0x78, 0x9c, 4, 3, 2], 'byte'],
    ['a wrong checksum', [0x78, 0x9c, 4, 3, 2, 2], 'inflate: incorrect data check after 6'],
    ['something behind it', [0x78, 0x9c, 4, 3, 2, 1, 0], 'inflate: unexpected data after the end after 7'],
  ] as const)
    t.equal(read(zlib, bytes), expected, title)
})

t.test('bare deflate', async t => {
  t.equal(read(raw, []), 'data')
  t.equal(read(raw, [0]), 'inflate: unexpected data after the end after 1')
  t.equal(raw.checksum(Buffer.of(1), 0), 0)
})
