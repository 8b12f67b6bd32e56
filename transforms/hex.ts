import { blockBytes, bytes, defineTransform, flag, integer } from '../lib/define.js'

/** Writes bytes as a hex dump: offset, digits and text as `hexdump -v -C` does, or the digits alone as `xxd -p` does. */
export const hex = defineTransform({
  name: 'hex',
  summary: 'write bytes as a hex dump',
  unit: 'bytes',
  makesLines: true,
  options: {
    width: integer('bytes per row; default 16, with plain 30', { min: 1, max: 256 }),
    plain: flag('the digits alone'),
    offset: bytes('the offset of the first byte', { default: 0 }),
  },
  example: { spec: 'hex width=8', input: 'Hi there\n', output: exampleOutput() },
  notes:
    'The output is that of `hexdump -v -C`, and with `plain=true` that of `xxd -p`. Rows go on over the borders of ' +
    'chunks: one that is not full is held until it is, or until the end. From 4 GiB on an offset has more than 8 digits.',
  create({ plain, width = plain ? 30 : 16, offset }) {
    return dump(width, offset, plain ? plainLayout(width) : canonicalLayout(width))
  },
})

interface Layout {
  rows(bytes: Buffer, offset: number): Buffer
  /** What stands behind the last full row. */
  end(rest: Buffer, offset: number): string
}

/** Works in blocks, so that a large chunk does not become five times as much memory at once. */
function dump(width: number, start: number, layout: Layout) {
  const blockSize = blockBytes - (blockBytes % width)
  let offset = start
  let rest: Buffer = Buffer.alloc(0)

  function* write(chunk: Buffer) {
    for (let from = 0; from < chunk.length; ) {
      const part = chunk.subarray(from, from + blockSize - rest.length)
      from += part.length
      const block = rest.length > 0 ? Buffer.concat([rest, part]) : part
      const whole = block.length - (block.length % width)
      rest = Buffer.from(block.subarray(whole))
      yield layout.rows(block.subarray(0, whole), offset)
      offset += whole
    }
  }

  function flush() {
    return rest.length > 0 || offset > start ? layout.end(rest, offset) : undefined
  }

  return { write, flush }
}

const digits = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

/** Byte → its two digits, as they lie in memory. */
const pair = Uint16Array.from(digits, text => Buffer.from(text).readUint16LE())

/** Byte → its two digits and two spaces; the next cell overwrites the second one. */
const cell = Uint32Array.from(digits, text => Buffer.from(`${text}  `).readUint32LE())

/** Byte → its character in the text column. */
const character = Uint8Array.from(digits, (_, byte) => (byte >= 0x20 && byte < 0x7f ? byte : 0x2e))

function plainLayout(width: number): Layout {
  function rows(bytes: Buffer): Buffer {
    const out = Buffer.allocUnsafe((bytes.length / width) * (2 * width + 1))
    const view = viewOf(out)
    for (let i = 0, at = 0; i < bytes.length; ) {
      const end = i + width
      for (; i + 1 < end; i += 2, at += 4) view.setUint32(at, at2(bytes, i), true)
      if (i < end) view.setUint16(at, pair[bytes[i++] as number] as number, true)
      at += 2 * (width % 2)
      view.setUint8(at++, 0x0a)
    }
    return out
  }
  return { rows, end: rest => (rest.length > 0 ? `${rest.toString('hex')}\n` : '') }
}
