// @ts-check
/** Rows of a hex dump: offset, 16 bytes, and their ASCII characters. */

/** The bytes of a row, where there is room. */
export const rowBytes = 16
/** The characters of the offset and the spaces behind it. */
const offsetColumns = 10

/** The characters of the digits of a row. @param {number} width */
function digitColumns(width) {
  return width * 3 + (width > 8 ? 1 : 0)
}

const digits = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))
const characters = Array.from({ length: 256 }, (_, byte) =>
  byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.',
)

/**
 * @param {Uint8Array} bytes
 * @param {number} offset the number of bytes before them
 * @param {number} width bytes a row
 */
export function hexDump(bytes, offset, width = rowBytes) {
  const rows = []
  for (let at = 0; at < bytes.length; at += width) {
    let columns = ''
    let text = ''
    const end = Math.min(at + width, bytes.length)
    for (let i = at; i < end; i++) {
      columns += i - at === 8 ? ` ${digits[bytes[i]]} ` : `${digits[bytes[i]]} `
      text += characters[bytes[i]]
    }
    const place = (offset + at).toString(16).padStart(8, '0').slice(-8)
    rows.push(`${place}  ${columns.padEnd(digitColumns(width))}|${text}|`)
  }
  return rows.join('\n')
}

/**
 * Where the digits of a byte stand in the dump, for a mark of what was found.
 * @param {number} index the byte, from 0
 * @param {number} width bytes a row
 */
export function digitsAt(index, width = rowBytes) {
  const column = index % width
  const row = Math.floor(index / width) * (offsetColumns + digitColumns(width) + width + 3)
  const start = row + offsetColumns + column * 3 + (column >= 8 ? 1 : 0)
  return { start, end: start + 2 }
}

/** The bytes of a dump. @param {string} text @param {number} width */
export function dumped(text, width = rowBytes) {
  return text.split('\n').flatMap(row => {
    const digits = row.slice(offsetColumns, offsetColumns + digitColumns(width)).trim()
    return digits.split(/ +/).map(each => Number.parseInt(each, 16))
  })
}
