/** How many columns of a terminal text takes. */

/**
 * The columns of a character without control characters: one for letters before those of East Asia, punctuation and
 * arrows, otherwise two. Few others are that wide, but no line becomes longer than it may be.
 */
function columnsOf(character: string): number {
  const code = character.codePointAt(0) as number
  return code < 0x1100 || (code >= 0x2010 && code < 0x2300) ? 1 : 2
}

/** Returns the longest start of a text that fits. Text that is cut ends in `…`. */
export function clip(text: string, columns: number): string {
  const [first = ''] = cut(text, columns)
  return first === text ? text : `${cut(text, columns - 1)[0]}…`
}

/** Cuts a text into parts that fit. A character that does not fit has a part of its own. */
export function wrap(text: string, columns: number): string[] {
  const parts: string[] = []
  let rest = text
  do {
    const [part, after] = cut(rest, columns)
    parts.push(part)
    rest = after
  } while (rest !== '')
  return parts
}

/** The start that fits, at least one character, and the rest. */
function cut(text: string, columns: number): [string, string] {
  let used = 0
  let at = 0
  for (const character of text) {
    used += columnsOf(character)
    if (used > columns && at > 0) return [text.slice(0, at), text.slice(at)]
    at += character.length
  }
  return [text, '']
}
