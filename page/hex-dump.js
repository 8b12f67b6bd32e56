// @ts-check
/** Rows of a hex dump: offset, 16 bytes, and their ASCII characters. */

export const rowBytes = 16
/** The characters of the offset and the spaces behind it. */
const offsetColumns = 10
/** The characters of a row without its line end. */
export const rowColumns = offsetColumns + rowBytes * 3 + 1 + rowBytes + 2

const digits = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))
const characters = Array.from({ length: 256 }, (_, byte) =>
  byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.',
)

/**
 * @param {Uint8Array} bytes
 * @param {number} offset the number of bytes before them
 */
export function hexDump(bytes, offset) {
  const rows = []
  for (let at = 0; at < bytes.length; at += rowBytes) {
    let columns = ''
    let text = ''
    const end = Math.min(at + rowBytes, bytes.length)
    for (let i = at; i < end; i++) {
      columns += i - at === 8 ? ` ${digits[bytes[i]]} ` : `${digits[bytes[i]]} `
      text += characters[bytes[i]]
    }
    const place = (offset + at).toString(16).padStart(8, '0').slice(-8)
    rows.push(`${place}  ${columns.padEnd(rowBytes * 3 + 1)}|${text}|`)
  }
  return rows.join('\n')
}

/**
 * Where the digits of a byte stand in the dump, for a mark of what was found.
 * @param {number} index the byte, from 0
 * @param {number} rowLength the characters of a full row with its line end
 */
export function digitsAt(index, rowLength = rowColumns + 1) {
  const column = index % rowBytes
  const start = Math.floor(index / rowBytes) * rowLength + offsetColumns + column * 3 + (column >= 8 ? 1 : 0)
  return { start, end: start + 2 }
}
