/** Makes what cannot be seen visible, so that bytes from the network cannot drive a terminal, forge a line or hide in one. */

// Control characters (C0, DEL, C1), the separators that some viewers take for a new line, halves of surrogate pairs, and
// all that Unicode has no glyph for: what turns the direction of text (UAX #9), zero-width characters, tags, fillers.
const dangerous = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\p{Default_Ignorable_Code_Point}\ufff9-\ufffb]/gu

const short: Record<string, string> = { '\n': '\\n', '\r': '\\r', '\t': '\\t', '\x1b': '\\e' }

// LF, TAB, and what a text cannot be read without: the joiners of Persian, Indic scripts and emoji, and the choice between
// the two forms of these. They change the look of their neighbours, and hide or move nothing.
const readable = new Set('\n\t\u200c\u200d\ufe0e\ufe0f')

/** For one line of text, as in a log: everything is shown. */
export function escapeLine(text: string): string {
  return text.replace(dangerous, escapeCharacter)
}

/** For text on a terminal: LF and TAB stay, and so does what writing and emoji need. */
export function escapeText(text: string): string {
  return text.replace(dangerous, character => (readable.has(character) ? character : escapeCharacter(character)))
}

/** For JSON text, which stands for the same value then. Its own writer has escaped C0 in strings; elsewhere it is white space. */
export function escapeJson(json: string): string {
  return json.replace(dangerous, character => {
    if (character < ' ') return character
    return Array.from({ length: character.length }, (_, i) => `\\u${hex(character.charCodeAt(i), 4)}`).join('')
  })
}

function escapeCharacter(character: string): string {
  const code = character.codePointAt(0) as number
  if (code > 0xffff) return `\\u{${hex(code, 5)}}`
  return short[character] ?? (code < 0x100 ? `\\x${hex(code, 2)}` : `\\u${hex(code, 4)}`)
}

function hex(code: number, digits: number): string {
  return code.toString(16).padStart(digits, '0')
}
