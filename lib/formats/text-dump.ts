/** Bytes as text for a person: nothing is hidden, and nothing controls a terminal. */

import { wrap } from '../text/columns.js'
import { escapeLine } from '../text/escape.js'

/** A character of more than one byte that is well-formed (Unicode, table 3-7), or a byte that is part of none. */
const beyondAscii =
  /[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xed[\x80-\x9f][\x80-\xbf]|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2}|[\x80-\xff]/g

/** UTF-8 → one line. Control and invisible characters are escaped; a byte that is no UTF-8 becomes `\xNN`. */
export function readable(bytes: Buffer): string {
  return escapeLine(decode(bytes))
}

/** UTF-8 → lines that each end in LF: each line of the text, with its LF as `\n`, indented and wrapped to the columns. */
export function textRows(bytes: Buffer, columns: number): string {
  const lines = decode(bytes).split(/(?<=\n)/)
  return lines
    .flatMap(line => wrap(escapeLine(line), Math.max(1, columns - indent.length)))
    .map(line => `${indent}${line}\n`)
    .join('')
}

const indent = '  '

function decode(bytes: Buffer): string {
  return bytes
    .toString('latin1')
    .replace(beyondAscii, found =>
      found.length > 1 ? Buffer.from(found, 'latin1').toString() : `\\x${found.charCodeAt(0).toString(16)}`,
    )
}
