/** Makes invisible characters visible, so that network data cannot control a terminal or forge or hide text. */

// Control characters (C0, DEL, C1), separators that some viewers treat as line breaks, lone surrogates, and characters
// without a glyph: direction overrides (UAX #9), zero-width characters, tags, fillers.
const dangerous = String.raw`[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\p{Default_Ignorable_Code_Point}\ufff9-\ufffb]`

const short: Record<string, string> = { '\n': '\\n', '\r': '\\r', '\t': '\\t', '\x1b': '\\e' }

// LF, TAB, and characters that text needs: the joiners of Persian, Indic scripts and emoji, and the emoji variation
// selectors. They only change the look of adjacent characters; they hide or move nothing.
const readable = String.raw`[\n\t\u200c\u200d\ufe0e\ufe0f]`

const all = new RegExp(dangerous, 'gu')
// Each line has an LF: a replacer that keeps it takes twice as long.
const unreadable = new RegExp(`${dangerous}(?<!${readable})`, 'gu')

/** For one line of text, such as a log line: escapes everything. */
export function escapeLine(text: string): string {
  return text.replace(all, escapeCharacter)
}

/** For text on a terminal: keeps LF, TAB, and what scripts and emoji need. */
export function escapeText(text: string): string {
  return text.replace(unreadable, escapeCharacter)
}

/** For JSON text; keeps its value. C0 is already escaped in strings, and is white space elsewhere. */
export function escapeJson(json: string): string {
  return json.replace(all, character => {
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
