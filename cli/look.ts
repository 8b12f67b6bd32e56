/** What stderr can show: its width, colours, and characters beyond ASCII. */
import type { WriteStream } from 'node:tty'
import { hasColor } from '../lib/text/color.js'

/** The look of a log line. */
export interface Look {
  readonly color: boolean
  /** Whether symbols beyond ASCII are shown. */
  readonly unicode: boolean
  /** Characters per line; Infinity if there is no terminal. */
  readonly columns: number
}

type Stream = Pick<WriteStream, 'isTTY' | 'columns' | 'hasColors'>

/** Returns the current look: a terminal can change its width at any time. */
export function lookOf(stream: Stream = process.stderr, env: NodeJS.ProcessEnv = process.env): Look {
  return {
    color: hasColor(stream, env),
    unicode: isUtf8(env),
    columns: stream.isTTY ? stream.columns || 80 : Number.POSITIVE_INFINITY,
  }
}

/** The first variable that is set decides, as in locale(7). Windows has none, but shows UTF-8. */
function isUtf8({ LC_ALL, LC_CTYPE, LANG }: NodeJS.ProcessEnv): boolean {
  const locale = LC_ALL || LC_CTYPE || LANG
  return locale ? /utf-?8/i.test(locale) : process.platform === 'win32'
}

/** Symbols, and what stands for them without UTF-8. */
const plain: Record<string, string> = {
  '●': '*',
  '✓': '+',
  '✗': 'x',
  '·': '.',
  '→': '->',
  '…': '...',
  '░': '.',
  '█': '#',
  '▓': '%',
  '▒': '=',
}

/** Replaces our own symbols where the locale is not UTF-8. */
export function withSymbols(text: string, { unicode }: Pick<Look, 'unicode'>): string {
  return unicode ? text : text.replace(/[●✓✗·→…░█▓▒]/g, symbol => plain[symbol] as string)
}

const codes = { green: 32, yellow: 33, red: 31, cyan: 36, dim: 2 } as const

export type Color = keyof typeof codes

export function paint(text: string, color: Color, look: Pick<Look, 'color'>): string {
  return look.color ? `\x1b[${codes[color]}m${text}\x1b[0m` : text
}
