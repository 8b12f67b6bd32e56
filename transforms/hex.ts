import { blockBytes, bytes, defineTransform, flag, integer } from '../lib/define.js'

/** Writes bytes as a hex dump: offset, digits and text as `hexdump -v -C` does, or digits alone as `xxd -p` does. */
export const hex = defineTransform({
  name: 'hex',
  summary: 'write bytes as a hex dump',
  group: 'convert',
  unit: 'bytes',
  makesLines: true,
  options: {
    width: integer('bytes per row; default 16, with plain 30', { min: 1, max: 256 }),
    plain: flag('the digits alone'),
    offset: bytes('the offset of the first byte', { default: 0 }),
  },
  example: {
    spec: 'hex width=8',
    input: 'Hi there\n',
    output: '00000000  48 69 20 74 68 65 72 65  |Hi there|\n00000008  0a                       |.|\n00000009\n',
  },
  notes:
    'The output is that of `hexdump -v -C`, with `plain=true` that of `xxd -p`. Rows go on over the borders of chunks: ' +
    'one that is not full is held until it is, or until the end. From 4 GiB on an offset has more than 8 digits.',
  create({ plain, width = plain ? 30 : 16, offset }) {
    return dump(width, offset, plain ? plainLayout(width) : canonicalLayout(width))
  },
})

interface Layout {
  rows(bytes: Buffer, offset: number): Buffer
  /** What stands behind the last full row. */
  end(rest: Buffer, offset: number): Buffer
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

function plainLayout(width: number): Layout {
  function rows(bytes: Buffer): Buffer {
    const out = Buffer.allocUnsafe((bytes.length / width) * (2 * width + 1))
    const view = viewOf(out)
    let at = 0
    for (let i = 0; i < bytes.length; ) {
      const end = i + width
      for (; i + 1 < end; i += 2, at += 4) view.setUint32(at, pair(bytes[i]) | (pair(bytes[i + 1]) << 16), true)
      for (; i < end; i++, at += 2) view.setUint16(at, pair(bytes[i]), true)
      view.setUint8(at++, LF)
    }
    return out
  }
  return { rows, end: rest => Buffer.from(rest.length > 0 ? `${rest.toString('hex')}\n` : '') }
}

/** offset, two spaces, a cell `hh ` for each byte, one space more behind each eighth and the last one, `|text|` */
function canonicalLayout(width: number): Layout {
  const columns = 3 * width + Math.ceil(width / 8)

  function row(view: DataView, start: number, bytes: Buffer, from: number, offset: number): number {
    putOffset(view, start, offset)
    let at = start + 10
    let text = at + columns
    view.setUint8(text++, BAR)
    const end = from + width
    let i = from
    for (; i + 8 <= end; i += 8, at += 25, text += 8) putEight(view, at, text, bytes, i)
    for (; i < end; i++, at += 3, text++) {
      view.setUint32(at, cell(bytes[i]), true)
      view.setUint8(text, character(bytes[i]))
    }
    view.setUint16(text, BAR_LF)
    return text + 2
  }

  function rows(bytes: Buffer, offset: number): Buffer {
    const before = Math.ceil((2 ** 32 - (offset % 2 ** 32)) / width) * width
    if (before < bytes.length)
      return Buffer.concat([rows(bytes.subarray(0, before), offset), rows(bytes.subarray(before), offset + before)])
    const high = offset < 2 ** 32 ? '' : Math.floor(offset / 2 ** 32).toString(16)
    const out = Buffer.allocUnsafe((bytes.length / width) * (high.length + 10 + columns + width + 3))
    const view = viewOf(out)
    for (let from = 0, at = 0; from < bytes.length; from += width) {
      if (high) out.write(high, at, 'latin1')
      at = row(view, at + high.length, bytes, from, offset + from)
    }
    return out
  }

  function end(rest: Buffer, offset: number): Buffer {
    const shown = Array.from(rest, (byte, i) => `${digits[byte]}${i % 8 === 7 ? '  ' : ' '}`).join('')
    const text = String.fromCharCode(...rest.map(character))
    const line = `${name(offset)}  ${shown.padEnd(columns)}|${text}|\n`
    return Buffer.from(`${rest.length > 0 ? line : ''}${name(offset + rest.length)}\n`)
  }

  return { rows, end }
}

const LF = 0x0a
const BAR = 0x7c
const BAR_LF = 0x7c0a
const SPACES = 0x2020

const digits = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))
const pairs = Uint16Array.from(digits, text => Buffer.from(text).readUint16LE())
const cells = Uint32Array.from(digits, text => Buffer.from(`${text}  `).readUint32LE())
const characters = Uint8Array.from(digits, (_, byte) => (byte >= 0x20 && byte < 0x7f ? byte : 0x2e))

/** The two digits of a byte, as they lie in memory. */
function pair(byte: number | undefined): number {
  return pairs[byte as number] as number
}

/** Two digits and two spaces: the next cell overwrites the second one. */
function cell(byte: number | undefined): number {
  return cells[byte as number] as number
}

function character(byte: number | undefined): number {
  return characters[byte as number] as number
}

/** Written out, since a loop takes half as long again. */
function putEight(view: DataView, at: number, text: number, bytes: Buffer, i: number): void {
  putFour(view, at, text, bytes[i], bytes[i + 1], bytes[i + 2], bytes[i + 3])
  putFour(view, at + 12, text + 4, bytes[i + 4], bytes[i + 5], bytes[i + 6], bytes[i + 7])
}

type Byte = number | undefined

function putFour(view: DataView, at: number, text: number, a: Byte, b: Byte, c: Byte, d: Byte): void {
  view.setUint32(at, cell(a), true)
  view.setUint32(at + 3, cell(b), true)
  view.setUint32(at + 6, cell(c), true)
  view.setUint32(at + 9, cell(d), true)
  view.setUint32(text, character(a) | (character(b) << 8) | (character(c) << 16) | (character(d) << 24), true)
}

/** The last eight digits and two spaces. */
function putOffset(view: DataView, at: number, offset: number): void {
  view.setUint16(at, pair((offset >>> 24) & 0xff), true)
  view.setUint16(at + 2, pair((offset >>> 16) & 0xff), true)
  view.setUint16(at + 4, pair((offset >>> 8) & 0xff), true)
  view.setUint16(at + 6, pair(offset & 0xff), true)
  view.setUint16(at + 8, SPACES)
}

function viewOf(out: Buffer): DataView {
  return new DataView(out.buffer, out.byteOffset, out.length)
}

function name(offset: number): string {
  return offset.toString(16).padStart(8, '0')
}
