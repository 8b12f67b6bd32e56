/** A text that stands for bytes: a delimiter, or a pattern to look for. */
import { text } from './options.js'

/** An option that is such a text. `max` is the most bytes that it may stand for; default: any number. */
export function literal(summary: string, max = Number.POSITIVE_INFINITY) {
  const limit = max === Number.POSITIVE_INFINITY ? '' : `; at most ${max} bytes`
  return text(summary, {
    allowed: `a text; '\\n', '\\r', '\\t', '\\0' and '\\xHH' are bytes in it, '\\\\' is a backslash${limit}`,
    // Its length first: a byte is at most four characters, and the pattern is for a text that somebody has typed.
    check: value => value.length <= 4 * max && isLiteral.test(value) && literalBytes(value).length <= max,
  })
}

const isLiteral = /^([^\\]|\\[nrt0\\]|\\x[\da-fA-F]{2})+$/

/** The bytes that it stands for; characters are UTF-8. */
export function literalBytes(value: string): Buffer {
  const parts = value.match(/\\x..|\\.|[^\\]+/gs) as string[]
  return Buffer.concat(parts.map(part => (part.startsWith('\\') ? escaped(part) : Buffer.from(part))))
}

/** `\n` or `\x0a` → its byte. */
function escaped(sequence: string): Buffer {
  const byte = { n: 10, r: 13, t: 9, '0': 0, '\\': 92 }[sequence.slice(1)] ?? Number.parseInt(sequence.slice(2), 16)
  return Buffer.of(byte)
}
