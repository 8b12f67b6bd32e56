/** The place for lines, and text that fits into it. */
import { escapeLine } from '../../lib/text/escape.js'
import { type Look, withSymbols } from '../look.js'
import { shorten } from '../wrap.js'

export interface Place {
  readonly look: Look
  readonly columns: number
}

/** A text of ours or of others in one line. */
export function fit(text: string, { look, columns }: Place): string {
  return shorten(withSymbols(escapeLine(text), look), columns, withSymbols('…', look))
}
