/** Cuts a text into concatenated JSON values (RFC 8259), as jq reads them: one after the other, white space between. */
import { TcpPipeError } from './errors.js'
import { tooLong } from './records.js'

export interface JsonScanner {
  /** The values that are complete with this text. */
  write(text: string): Iterable<unknown>
  /** The last value, if it was a scalar that only the end completes. */
  end(text: string): Iterable<unknown>
}

const NEWLINE = 0x0a
const QUOTE = 0x22
const BACKSLASH = 0x5c

/** A value of more than `maxLine` characters fails with `ERR_RECORD_TOO_LONG`, a wrong one with `ERR_JSON` and its line. */
export function jsonScanner(maxLine: number): JsonScanner {
  let text = ''
  let line = 1 // of text[0]
  let nesting = openNesting()

  function parse(start: number, end: number): unknown {
    if (end - start > maxLine) throw tooLong('JSON value', maxLine)
    try {
      return JSON.parse(text.slice(start, end))
    } catch (error) {
      throw wrong((error as Error).message, start)
    }
  }

  function wrong(message: string, position: number): TcpPipeError {
    return new TcpPipeError('ERR_JSON', `line ${line + countLines(text.slice(0, position))}: ${message}`)
  }

  function* values(final: boolean): Generator<unknown> {
    let start = skipSpace(text, 0)
    try {
      while (start < text.length) {
        const whole = nesting.at === 0 ? wholeLine(text, start, maxLine) : undefined
        const end = whole ? whole.end : valueEnd(text, start, final, nesting)
        if (end === -1) break
        nesting = openNesting()
        yield whole ? whole.value : parse(start, end)
        start = skipSpace(text, end)
      }
    } finally {
      if (nesting.at > 0) nesting.at -= start
      line += countLines(text.slice(0, start))
      text = text.slice(start)
    }
    if (text.length > maxLine) throw tooLong('JSON value', maxLine)
  }

  return {
    *write(more) {
      text += more
      yield* values(false)
    },
    *end(more) {
      text += more
      yield* values(true)
      if (text !== '') throw wrong('Unexpected end of JSON input', text.length)
    },
  }
}

/** Where the scan of an unfinished object or array stands, so that no character is looked at twice. */
interface Nesting {
  at: number
  depth: number
  quoted: boolean
}

function openNesting(): Nesting {
  return { at: 0, depth: 0, quoted: false }
}

/** The common case, one value on a line of its own, at the speed of JSON.parse. */
function wholeLine(text: string, start: number, maxLine: number): { value: unknown; end: number } | undefined {
  const end = text.indexOf('\n', start)
  if (end === -1 || end - start > maxLine) return undefined
  try {
    return { value: JSON.parse(text.slice(start, end)), end }
  } catch {
    return undefined // several values, a part of one, or a wrong one: the scan will tell
  }
}

/** The index behind the value that begins at `start`, or -1 if more text is needed. */
function valueEnd(text: string, start: number, final: boolean, nesting: Nesting): number {
  const first = text[start] as string
  if (first === '{' || first === '[' || first === '"') return nestedEnd(text, start, nesting)
  const scalar = /[\s{["\]},:]/g
  scalar.lastIndex = start + 1
  const delimiter = scalar.exec(text)
  return delimiter ? delimiter.index : final ? text.length : -1
}

function nestedEnd(text: string, start: number, nesting: Nesting): number {
  let { depth, quoted } = nesting
  let i = Math.max(start, nesting.at)
  for (; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (quoted) {
      if (code === BACKSLASH) {
        if (i + 1 === text.length) break // the escaped character has not come yet
        i++
      } else if (code === QUOTE) quoted = false
    } else if (code === QUOTE) quoted = true
    else if (code === 0x7b || code === 0x5b) depth++
    else if (code === 0x7d || code === 0x5d) depth--
    if (depth === 0 && !quoted) return i + 1
  }
  nesting.at = i
  nesting.depth = depth
  nesting.quoted = quoted
  return -1
}

function skipSpace(text: string, from: number): number {
  let i = from
  while (i < text.length && text.charCodeAt(i) <= 0x20) i++
  return i
}

function countLines(text: string): number {
  let lines = 0
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) === NEWLINE) lines++
  return lines
}
