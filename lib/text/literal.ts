/** Text that stands for bytes: a delimiter or a search pattern. */
import { text } from './options.js'

/** An option for such a text. `max` limits its bytes; default: no limit. */
export function literal(summary: string, max = Number.POSITIVE_INFINITY) {
  const limit = max === Number.POSITIVE_INFINITY ? '' : `; at most ${max} bytes`
  return text(summary, {
    allowed: `text; '\\n', '\\r', '\\t', '\\0' and '\\xHH' stand for bytes, '\\\\' for a backslash${limit}`,
    // The length first: a byte is at most four characters, and the pattern is slow on huge texts.
    check: value => value.length <= 4 * max && isLiteral.test(value) && literalBytes(value).length <= max,
  })
}

const isLiteral = /^([^\\]|\\[nrt0\\]|\\x[\da-fA-F]{2})+$/

/** The bytes that the text stands for; characters are UTF-8. */
export function literalBytes(value: string): Buffer {
  const parts = value.match(/\\x..|\\.|[^\\]+/gs) as string[]
  return Buffer.concat(parts.map(part => (part.startsWith('\\') ? escaped(part) : Buffer.from(part))))
}

/** `\n` or `\x0a` → its byte. */
function escaped(sequence: string): Buffer {
  const byte = { n: 10, r: 13, t: 9, '0': 0, '\\': 92 }[sequence.slice(1)] ?? Number.parseInt(sequence.slice(2), 16)
  return Buffer.of(byte)
}
