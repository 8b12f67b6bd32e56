/** Makes control characters visible, so that bytes from the network cannot drive a terminal or forge a log line. */

// C0 and DEL, C1, the marks, embeddings, overrides and isolates of the bidirectional algorithm (UAX #9), and the two
// separators that some viewers take for a new line.
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what this is about
const dangerous = /[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g

const short: Record<string, string> = { '\n': '\\n', '\r': '\\r', '\t': '\\t', '\x1b': '\\e' }

/** For one line of text, as in a log: LF and TAB are shown too. */
export function escapeLine(text: string): string {
  return text.replace(dangerous, escapeCharacter)
}

/** For text on a terminal: LF and TAB stay. */
export function escapeText(text: string): string {
  return text.replace(dangerous, character =>
    character === '\n' || character === '\t' ? character : escapeCharacter(character),
  )
}

function escapeCharacter(character: string): string {
  const code = character.charCodeAt(0)
  return short[character] ?? (code < 0x100 ? `\\x${hex(code, 2)}` : `\\u${hex(code, 4)}`)
}

function hex(code: number, digits: number): string {
  return code.toString(16).padStart(digits, '0')
}
