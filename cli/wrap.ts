/** Fits text into the width of a terminal. */
import stringWidth from 'string-width'

/** A space at which no line is broken, as between a number and its unit. `wrap` makes it a plain one. */
export const tie = '\u00a0'

export const widthOf = (text: string): number => stringWidth(text)

/** Breaks the text between words, or within a word that is wider than a line. */
export function wrap(text: string, columns: number): string {
  const width = Math.max(1, columns)
  const lines: string[] = []
  let line: string | undefined
  for (const word of text.split(' ')) {
    const joined = line === undefined ? word : `${line} ${word}`
    if (stringWidth(joined) <= width) {
      line = joined
      continue
    }
    if (line !== undefined) lines.push(line)
    line = word
    while (stringWidth(line) > width) {
      const [piece, rest] = splitAt(line, width)
      lines.push(piece)
      line = rest
    }
  }
  return [...lines, line].join('\n').replaceAll(tie, ' ')
}

/** At least one character stays, so that each line shows something. */
function splitAt(word: string, width: number): [string, string] {
  let piece = ''
  for (const character of word) {
    if (piece !== '' && stringWidth(piece + character) > width) break
    piece += character
  }
  return [piece, word.slice(piece.length)]
}

/** `/a/long/path/to/file.bin` → `/a/lo…ile.bin`: the middle is left out, so that both ends can be recognized. */
export function shorten(text: string, width: number, mark = '…'): string {
  if (stringWidth(text) <= width) return text
  const characters = [...text]
  const room = Math.max(2, width - stringWidth(mark))
  const head = fitting(characters, Math.floor(room / 3))
  const tail = fitting(characters.reverse(), room - stringWidth(head))
  return `${head}${mark}${[...tail].reverse().join('')}`
}

function fitting(characters: readonly string[], width: number): string {
  let text = ''
  for (const character of characters) {
    if (stringWidth(text + character) > width) break
    text += character
  }
  return text
}
