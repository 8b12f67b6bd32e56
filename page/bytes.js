// @ts-check
/** Bytes as text, hex and base64, and back. Text is always safe to show: what is invisible is escaped. */

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const encoder = new TextEncoder()

/** What has no glyph, moves other characters, or ends a line for some viewers. */
const invisible = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\p{Default_Ignorable_Code_Point}\ufff9-\ufffb]/gu

/** What scripts and emoji need: it hides and moves nothing. */
const joiners = new Set('\u200c\u200d\ufe0e\ufe0f')

/** @param {string} text @returns {Uint8Array} */
export function fromBase64(text) {
  const binary = atob(text)
  const bytes = new Uint8Array(binary.length)
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i)
  return bytes
}

/** @param {Uint8Array} bytes */
export function toBase64(bytes) {
  let binary = ''
  for (let i = 0; i < bytes.length; i += 8192) binary += String.fromCharCode(...bytes.subarray(i, i + 8192))
  return btoa(binary)
}

/** @param {string} text */
export function fromText(text) {
  return encoder.encode(text)
}

/** @param {Uint8Array} bytes @returns {string | undefined} undefined if they are not UTF-8 */
export function utf8Text(bytes) {
  try {
    return utf8.decode(bytes)
  } catch {
    return undefined
  }
}

/** @param {number} code @param {number} digits */
function hex(code, digits) {
  return code.toString(16).padStart(digits, '0')
}

/** @param {string} character */
function escapeCharacter(character) {
  const code = /** @type {number} */ (character.codePointAt(0))
  if (code < 0x80) return `\\x${hex(code, 2)}`
  return `\\u{${hex(code, 4)}}`
}

/**
 * The bytes as text; what is not UTF-8 becomes what `escapeByte` makes of it.
 * @param {Uint8Array} bytes
 * @param {(text: string) => string} escapeValid
 */
function decode(bytes, escapeValid) {
  const whole = utf8Text(bytes)
  if (whole !== undefined) return escapeValid(whole)
  let text = ''
  let valid = 0
  for (let at = 0; at < bytes.length; ) {
    const length = sequenceLength(bytes, at)
    if (length === 0) {
      if (at > valid) text += escapeValid(utf8.decode(bytes.subarray(valid, at)))
      text += `\\x${hex(bytes[at], 2)}`
      valid = at + 1
    }
    at += length || 1
  }
  return valid < bytes.length ? text + escapeValid(utf8.decode(bytes.subarray(valid))) : text
}

/**
 * The length of the character in UTF-8 at a place; 0 if there is none.
 * @param {Uint8Array} bytes @param {number} at
 */
function sequenceLength(bytes, at) {
  const first = bytes[at]
  if (first < 0x80) return 1
  const length =
    first >= 0xc2 && first < 0xe0 ? 2 : first >= 0xe0 && first < 0xf0 ? 3 : first >= 0xf0 && first < 0xf5 ? 4 : 0
  if (length === 0 || at + length > bytes.length) return 0
  for (let i = 1; i < length; i++) if ((bytes[at + i] & 0xc0) !== 0x80) return 0
  const second = bytes[at + 1]
  const isWrong =
    (first === 0xe0 && second < 0xa0) ||
    (first === 0xed && second > 0x9f) ||
    (first === 0xf0 && second < 0x90) ||
    (first === 0xf4 && second > 0x8f)
  return isWrong ? 0 : length
}

/**
 * For reading: line ends and tabs stay, all else that is invisible is escaped.
 * @param {Uint8Array} bytes
 */
export function visible(bytes) {
  return decode(bytes, visibleText)
}

/** @param {string} text */
export function visibleText(text) {
  return text
    .replace(/\r\n/g, '\n')
    .replace(invisible, each => (each === '\n' || each === '\t' || joiners.has(each) ? each : shortEscape(each)))
}

/** For one line of text, such as a name of the other side. @param {string} text */
export function visibleLine(text) {
  return text.replace(invisible, each => (joiners.has(each) ? each : shortEscape(each)))
}

/** @param {string} each */
function shortEscape(each) {
  return each === '\r' ? '\\r' : each === '\n' ? '\\n' : each === '\t' ? '\\t' : escapeCharacter(each)
}

/**
 * For editing: `fromEscaped` gives the same bytes again. A line break follows each `\n`, and means nothing.
 * @param {Uint8Array} bytes
 */
export function toEscaped(bytes) {
  return decode(bytes, text =>
    text.replace(/\\/g, '\\\\').replace(invisible, each => (each === '\n' ? '\\n\n' : shortEscape(each))),
  ).replace(/\n$/, '')
}

const escapes = /\\(?:([\\rnt0e])|x([0-9a-fA-F]{2})|u\{([0-9a-fA-F]{1,6})\}|u([0-9a-fA-F]{4})|)/g

/** @type {Record<string, string>} */
const letters = { '\\': '\\', r: '\r', n: '\n', t: '\t', 0: '\0', e: '\x1b' }

/**
 * The bytes of a text with escapes. Line breaks are ignored. Throws a SyntaxError that names what is wrong, and where.
 * @param {string} text
 */
export function fromEscaped(text) {
  /** @type {Uint8Array[]} */
  const parts = []
  let last = 0
  for (const match of text.matchAll(escapes)) {
    parts.push(plain(text, last, match.index))
    parts.push(escaped(match))
    last = match.index + match[0].length
  }
  parts.push(plain(text, last, text.length))
  return concatenate(parts)
}

/** @param {string} text @param {number} start @param {number} end */
function plain(text, start, end) {
  return fromText(text.slice(start, end).replace(/\r?\n/g, ''))
}

/** @param {RegExpExecArray} match */
function escaped({ 0: whole, 1: letter, 2: byte, 3: long, 4: short, index, input }) {
  if (letter !== undefined) return fromText(letters[letter])
  if (byte !== undefined) return Uint8Array.of(Number.parseInt(byte, 16))
  const code = Number.parseInt(long ?? short ?? '', 16)
  if (code <= 0x10ffff && (code < 0xd800 || code > 0xdfff)) return fromText(String.fromCodePoint(code))
  const found = whole === '\\' ? input.slice(index, index + 2) : whole
  throw new SyntaxError(
    `${found} at character ${index + 1} is not allowed; expected \\\\, \\r, \\n, \\t, \\0, \\e, \\xHH or \\u{HHHH}`,
  )
}

/** @param {Uint8Array} bytes */
export function toHex(bytes, separator = '') {
  return Array.from(bytes, byte => hex(byte, 2)).join(separator)
}

/**
 * For editing: 16 bytes a line.
 * @param {Uint8Array} bytes
 */
export function hexLines(bytes) {
  const lines = []
  for (let at = 0; at < bytes.length; at += 16) lines.push(toHex(bytes.subarray(at, at + 16), ' '))
  return lines.join('\n')
}

/**
 * The bytes of digits in hex, between which there may be spaces, line breaks, colons and commas. Throws a SyntaxError.
 * @param {string} text
 */
export function fromHex(text) {
  const wrong = /[^0-9a-fA-F\s:,]/.exec(text)
  if (wrong) throw new SyntaxError(`${visibleLine(wrong[0])} at character ${wrong.index + 1} is not a digit in hex`)
  const bytes = []
  for (const word of text.split(/[\s:,]+/).filter(Boolean)) {
    if (word.length % 2 !== 0) throw new SyntaxError(`${word.slice(0, 20)} has an odd number of digits`)
    for (let i = 0; i < word.length; i += 2) bytes.push(Number.parseInt(word.slice(i, i + 2), 16))
  }
  return Uint8Array.from(bytes)
}

/**
 * Whether they are better edited as text: they are UTF-8, and hardly anything in them is invisible.
 * @param {Uint8Array} bytes
 */
export function isText(bytes) {
  const text = utf8Text(bytes)
  if (text === undefined) return false
  const hidden = text.match(invisible)?.filter(each => !'\r\n\t\x1b'.includes(each) && !joiners.has(each)) ?? []
  return hidden.length <= text.length / 10
}

/** @param {readonly Uint8Array[]} parts */
export function concatenate(parts) {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

/** Without the part of a character that was cut at the end. @param {Uint8Array} bytes */
export function wholeCharacters(bytes) {
  for (let back = 1; back <= 3 && back <= bytes.length; back++) {
    const byte = bytes[bytes.length - back]
    if (byte >= 0xc0) return sequenceLength(bytes, bytes.length - back) ? bytes : bytes.subarray(0, bytes.length - back)
    if (byte < 0x80) break
  }
  return bytes
}
