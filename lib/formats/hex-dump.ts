/** The rows of hex dumps, built from lookup tables: each shows `width` bytes, the last one may be shorter. */

/** Bytes → rows; the first row begins at `offset`. */
export type Rows = (bytes: Uint8Array, offset: number) => Buffer

/** Like `hexdump -v -C`: offset, a cell `hh ` per byte, one more space after every eighth and the last one, `|text|`. */
export function canonicalRows(width: number): Rows {
  const columns = columnsOf(width)

  function row(view: DataView, start: number, bytes: Uint8Array, from: number, offset: number): number {
    putOffset(view, start, offset)
    const end = Math.min(from + width, bytes.length)
    let at = start + 10
    let text = at + columns
    view.setUint8(text++, BAR)
    let i = from
    for (; i + 8 <= end; i += 8, at += 25, text += 8) putEight(view, at, text, bytes, i)
    for (; i < end; i++, at += 3, text++) {
      view.setUint32(at, cell(bytes[i]), true)
      view.setUint8(text, character(bytes[i]))
    }
    view.setUint16(text, BAR_LF)
    return text + 2
  }

  function rows(bytes: Uint8Array, offset: number): Buffer {
    const before = Math.ceil((2 ** 32 - (offset % 2 ** 32)) / width) * width
    if (before < bytes.length)
      return Buffer.concat([rows(bytes.subarray(0, before), offset), rows(bytes.subarray(before), offset + before)])
    const high = offset < 2 ** 32 ? '' : Math.floor(offset / 2 ** 32).toString(16)
    const bare = high.length + 10 + columns + 3
    const out = Buffer.allocUnsafe(Math.ceil(bytes.length / width) * bare + bytes.length)
    out.fill(SPACE, Math.floor(bytes.length / width) * (bare + width)) // for an incomplete row
    const view = viewOf(out)
    for (let from = 0, at = 0; from < bytes.length; from += width) {
      if (high) out.write(high, at, 'latin1')
      at = row(view, at + high.length, bytes, from, offset + from)
    }
    return out
  }

  return rows
}

/** Like `xxd -p`: only the digits. */
export function plainRows(width: number): Rows {
  return bytes => {
    const out = Buffer.allocUnsafe(2 * bytes.length + Math.ceil(bytes.length / width))
    const view = viewOf(out)
    let at = 0
    for (let i = 0; i < bytes.length; ) {
      const end = Math.min(i + width, bytes.length)
      for (; i + 1 < end; i += 2, at += 4) view.setUint32(at, pair(bytes[i]) | (pair(bytes[i + 1]) << 16), true)
      for (; i < end; i++, at += 2) view.setUint16(at, pair(bytes[i]), true)
      view.setUint8(at++, LF)
    }
    return out
  }
}

/** The canonical rows for a terminal: each class of bytes has the color that hexyl uses. */
export function coloredRows(width: number): Rows {
  const columns = columnsOf(width)

  function row(out: Buffer, view: DataView, start: number, bytes: Uint8Array, offset: number): number {
    let at = start + out.write(`${gray}${formatOffset(offset)}${plain}  `, start)
    for (let i = 0; i < bytes.length; i++) {
      at = putColor(view, at, bytes[i], bytes[i - 1])
      view.setUint32(at, cell(bytes[i]), true)
      at += i % 8 === 7 ? 4 : 3
    }
    const space = columns - 3 * bytes.length - Math.floor(bytes.length / 8)
    at += out.write(`${plain}${' '.repeat(space)}|`, at)
    for (let i = 0; i < bytes.length; i++) {
      at = putColor(view, at, bytes[i], bytes[i - 1])
      view.setUint8(at++, character(bytes[i]))
    }
    return at + out.write(`${plain}|\n`, at)
  }

  return (bytes, offset) => {
    const most = Math.ceil(bytes.length / width) * (columns + 40) + bytes.length * 12
    const out = Buffer.allocUnsafe(most)
    const view = viewOf(out)
    let at = 0
    for (let from = 0; from < bytes.length; from += width)
      at = row(out, view, at, bytes.subarray(from, from + width), offset + from)
    return out.subarray(0, at)
  }
}

/** The columns of a canonical row, up to an offset of 4 GiB. */
export function rowColumns(width: number): number {
  return 10 + columnsOf(width) + width + 2
}

/** In hex, at least eight digits. */
export function formatOffset(offset: number): string {
  return offset.toString(16).padStart(8, '0')
}

const LF = 0x0a
const BAR = 0x7c
const BAR_LF = 0x7c0a
const SPACE = 0x20
const SPACES = 0x2020

const digits = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))
const pairs = Uint16Array.from(digits, text => Buffer.from(text).readUint16LE())
const cells = Uint32Array.from(digits, text => Buffer.from(`${text}  `).readUint32LE())
const characters = Uint8Array.from(digits, (_, byte) => (byte >= 0x20 && byte < 0x7f ? byte : 0x2e))

const gray = '\x1b[90m'
const plain = '\x1b[39m'
const ESC_BRACKET = 0x1b5b
const M = 0x6d

/** The color of each byte: the two digits of an SGR code, read as hex. */
const colors = Uint8Array.from(digits, (_, byte) => colorOf(byte))

function colorOf(byte: number): number {
  if (byte === 0) return 0x90
  if (byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0c || byte === 0x0d) return 0x32 // white space
  if (byte > 0x20 && byte < 0x7f) return 0x36
  return byte < 0x80 ? 0x35 : 0x33
}

function columnsOf(width: number): number {
  return 3 * width + Math.ceil(width / 8)
}

/** The two digits of a byte, in memory order. */
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

/** Unrolled: a loop takes 50 % longer. */
function putEight(view: DataView, at: number, text: number, bytes: Uint8Array, i: number): void {
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

/** Writes nothing if the previous byte has the same color. */
function putColor(view: DataView, at: number, byte: Byte, before: Byte): number {
  const color = colors[byte as number]
  if (color === colors[before as number]) return at
  view.setUint16(at, ESC_BRACKET)
  view.setUint16(at + 2, pair(color), true)
  view.setUint8(at + 4, M)
  return at + 5
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
