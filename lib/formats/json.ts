/** Splits text into concatenated JSON values (RFC 8259) with optional white space between them, like jq. */

import { TcpPipeError, tooLong } from '../text/errors.js'
import { countLines } from './count-lines.js'

export interface JsonScanner {
  /** Returns the values that this text completes. */
  write(text: string): unknown[]
  /** Returns the last value, if it is a scalar that only the end completes. */
  end(): unknown[]
}

/** Maximum nesting. JSON.parse accepts more, but recursive code that walks the value may not. */
export const maxDepth = 512

/**
 * A value of more than `maxRecord` bytes fails with `ERR_RECORD_TOO_LONG`; one that is invalid or nested too deeply
 * fails with `ERR_JSON` and its line.
 */
export function jsonScanner(maxRecord: number): JsonScanner {
  let line = 1 // of the next text
  let begun = '' // an incomplete value
  let begunLine = 1
  let scan = openScan('')
  const parse = (value: string, firstLine: () => number) => parseValue(value, maxRecord, firstLine)

  function write(text: string): unknown[] {
    const found: unknown[] = []
    const end = begun === '' ? 0 : valueEnd(text, 0, scan)
    checkDepth(scan, () => begunLine)
    if (end === -1) begun += text
    else {
      if (begun !== '') found.push(parse(begun + text.slice(0, end), () => begunLine))
      begun = ''
      addValues(found, text, end)
    }
    if (begun.length > maxRecord) throw tooLong('JSON value', maxRecord)
    line += countLines(text)
    return found
  }

  /** Adds the values that begin in this text. */
  function addValues(found: unknown[], text: string, from: number): void {
    const lineAt = (position: number) => line + countLines(text.slice(0, position))
    let tried = -1 // end of the last line that is not exactly one value
    for (let at = skipSpace(text, from); at < text.length; at = skipSpace(text, at)) {
      if (at > tried) {
        const { value, end } = wholeLine(text, at, maxRecord)
        if (value !== undefined) {
          found.push(value)
          at = end
          continue
        }
        tried = end
      }
      scan = openScan(text[at] as string)
      const start = at
      at = valueEnd(text, start + 1, scan)
      checkDepth(scan, () => lineAt(start))
      if (at === -1) {
        begun = text.slice(start)
        begunLine = lineAt(start)
        return
      }
      found.push(parse(text.slice(start, at), () => lineAt(start)))
    }
  }

  function end(): unknown[] {
    if (begun === '') return []
    if (!scan.scalar) throw wrong('Unexpected end of JSON input', begunLine, line)
    return [parse(begun, () => begunLine)]
  }

  return { write, end }
}

function checkDepth({ depth }: Scan, firstLine: () => number): void {
  if (depth > maxDepth) throw wrong(`nested deeper than ${maxDepth}`, firstLine(), firstLine())
}

function parseValue(text: string, maxRecord: number, firstLine: () => number): unknown {
  if (!fits(text, maxRecord)) throw tooLong('JSON value', maxRecord)
  try {
    return JSON.parse(text)
  } catch (error) {
    const message = (error as Error).message.replace(/ \(line \d+ column \d+\)$/, '') // within the value
    throw wrong(message, firstLine(), firstLine() + countLines(text))
  }
}

/** State of the scan of a value, so that no character is examined twice. */
interface Scan {
  /** A number or a word, which only the following character ends. */
  scalar: boolean
  depth: number
  quoted: boolean
  escaped: boolean
}

/** State after the first character of a value. */
function openScan(first: string): Scan {
  const nested = first === '{' || first === '['
  const quoted = first === '"'
  return { scalar: !nested && !quoted, depth: nested ? 1 : 0, quoted, escaped: false }
}

/** Fast path: one value on its own short line, parsed at the speed of JSON.parse. It cannot be nested too deeply. */
function wholeLine(text: string, start: number, maxRecord: number): { value?: unknown; end: number } {
  const end = text.indexOf('\n', start)
  if (end === -1) return { end: text.length }
  const line = text.slice(start, end)
  if (line.length > 2 * maxDepth || !isClosed(line) || !fits(line, maxRecord)) return { end }
  try {
    return { value: JSON.parse(line), end }
  } catch {
    return { end } // several values, part of one, or an invalid one: left to the scan
  }
}

/** Detects the first line of a pretty-printed value without an exception, which costs ten times as much as a parse. */
function isClosed(line: string): boolean {
  const first = line[0] as string
  const last = line.trimEnd().at(-1)
  return first === '{' ? last === '}' : first === '[' ? last === ']' : true
}

/** Returns the index after the current value, or -1 if it is incomplete. */
function valueEnd(text: string, from: number, scan: Scan): number {
  return scan.scalar ? scalarEnd(text, from) : nestedEnd(text, from, scan)
}

function scalarEnd(text: string, from: number): number {
  const delimiter = /[\s{["\]},:]/g
  delimiter.lastIndex = from
  return delimiter.exec(text)?.index ?? -1
}

function nestedEnd(text: string, from: number, scan: Scan): number {
  let { depth, quoted, escaped } = scan
  for (let i = from; i < text.length; i++) {
    const character = text[i]
    if (escaped) escaped = false
    else if (quoted) {
      if (character === '\\') escaped = true
      else if (character === '"') quoted = false
    } else if (character === '"') quoted = true
    else if (character === '{' || character === '[') depth++
    else if (character === '}' || character === ']') depth--
    if (depth > maxDepth) break
    if (depth === 0 && !quoted) return i + 1
  }
  Object.assign(scan, { depth, quoted, escaped })
  return -1
}

function skipSpace(text: string, from: number): number {
  let i = from
  while (i < text.length && ' \t\r\n'.includes(text[i] as string)) i++
  return i
}

function fits(text: string, maxRecord: number): boolean {
  return text.length * 3 <= maxRecord || Buffer.byteLength(text) <= maxRecord
}

function wrong(message: string, firstLine: number, lastLine: number): TcpPipeError {
  const where = firstLine === lastLine ? `line ${firstLine}` : `lines ${firstLine} to ${lastLine}`
  return new TcpPipeError('ERR_JSON', `${where}: ${message}`)
}
