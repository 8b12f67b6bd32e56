/** Splits text into concatenated JSON values (RFC 8259) with optional white space between them, like jq. */

import { TcpPipeError, tooLong } from '../text/errors.js'
import { countLines } from './count-lines.js'
import { parseJson } from './json-value.js'

export interface JsonScanner {
  /** Adds the values that this text completes, also if it throws, and returns them. */
  write(text: string, found?: unknown[]): unknown[]
  /** Adds the last value, if it is a scalar that only the end completes. */
  end(found?: unknown[]): unknown[]
  /** Whether no value has begun. */
  isBetween(): boolean
  /** Counts lines that were read elsewhere. */
  skip(lines: number): void
}

/** Maximum nesting. JSON.parse accepts more, but recursive code that walks the value may not. */
export const maxDepth = 512

/**
 * A value of more than `maxRecord` bytes fails with `ERR_RECORD_TOO_LONG`; one that is invalid or nested too deeply
 * fails with `ERR_JSON` and its line.
 */
export function jsonScanner(maxRecord: number): JsonScanner {
  const begun = heldText(2 * maxRecord) // an incomplete value
  let line = 1 // of the next text
  let begunLine = 1
  let scan = openScan('')
  let pause = 0 // lines for which the fast path is not tried
  const parse = (value: string, firstLine: () => number) => parseValue(value, maxRecord, firstLine)

  function write(text: string, found: unknown[] = []): unknown[] {
    const end = begun.length() === 0 ? 0 : valueEnd(text, 0, scan)
    checkDepth(scan, begun.length(), maxRecord, () => begunLine)
    if (end === -1) hold(text)
    else {
      if (begun.length() > 0) found.push(parse(begun.take() + text.slice(0, end), () => begunLine))
      addValues(found, text, end)
    }
    line += countLines(text)
    return found
  }

  function hold(text: string): void {
    if (begun.length() + text.length > maxRecord) throw tooLong('JSON value', maxRecord)
    begun.add(text)
  }

  /** Adds the values that begin in this text. */
  function addValues(found: unknown[], text: string, from: number): void {
    const lineAt = (position: number) => line + countLines(text.slice(0, position))
    let tried = -1 // end of the last line that is not exactly one value
    for (let at = skipSpace(text, from); at < text.length; at = skipSpace(text, at)) {
      if (at > tried && pause === 0) {
        const { value, end, isInvalid } = wholeLine(text, at, maxRecord)
        if (value !== undefined) {
          found.push(value)
          at = end
          continue
        }
        tried = end
        if (isInvalid) pause = failedLines
      }
      pause = Math.max(0, pause - 1)
      scan = openScan(text[at] as string)
      const start = at
      at = valueEnd(text, start + 1, scan)
      checkDepth(scan, -start, maxRecord, () => lineAt(start))
      if (at === -1) {
        begunLine = lineAt(start)
        hold(text.slice(start))
        return
      }
      found.push(parse(text.slice(start, at), () => lineAt(start)))
    }
  }

  function end(found: unknown[] = []): unknown[] {
    if (begun.length() === 0) return found
    if (!scan.scalar) throw wrong('Unexpected end of JSON input', begunLine, line)
    found.push(parse(begun.take(), () => begunLine))
    return found
  }

  function skip(lines: number): void {
    line += lines
  }

  return { write, end, isBetween: () => begun.length() === 0, skip }
}

/** The values for which the fast path rests after it failed: a failure takes as long as a hundred bytes. */
const failedLines = 16

/** An incomplete value of any number of parts, in one piece of memory: two bytes per UTF-16 code unit, at most `most`. */
function heldText(most: number) {
  let held = Buffer.alloc(0)
  let length = 0

  function add(text: string): void {
    const whole = length + 2 * text.length
    if (whole > held.length) {
      const grown = Buffer.allocUnsafe(Math.max(whole, Math.min(2 * whole, most)))
      held.copy(grown, 0, 0, length)
      held = grown
    }
    held.write(text, length, 'utf16le')
    length = whole
  }

  function take(): string {
    const text = held.toString('utf16le', 0, length)
    held = Buffer.alloc(0)
    length = 0
    return text
  }

  return { length: () => length / 2, add, take }
}

/** Whatever limit an earlier character exceeds is reported, so that the error does not depend on the parts. */
function checkDepth({ depth, end }: Scan, before: number, maxRecord: number, firstLine: () => number): void {
  if (depth <= maxDepth) return
  if (before + end > maxRecord) throw tooLong('JSON value', maxRecord)
  throw wrong(`nested deeper than ${maxDepth}`, firstLine(), firstLine())
}

function parseValue(text: string, maxRecord: number, firstLine: () => number): unknown {
  if (!fits(text, maxRecord)) throw tooLong('JSON value', maxRecord)
  try {
    return parseJson(text)
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
  /** The index at which the scan ended because of the depth. */
  end: number
}

/** State after the first character of a value. */
function openScan(first: string): Scan {
  const nested = first === '{' || first === '['
  const quoted = first === '"'
  return { scalar: !nested && !quoted, depth: nested ? 1 : 0, quoted, escaped: false, end: 0 }
}

interface LineResult {
  value?: unknown
  end: number
  isInvalid?: true
}

/** Fast path: one value on its own short line, parsed at the speed of JSON.parse. It cannot be nested too deeply. */
function wholeLine(text: string, start: number, maxRecord: number): LineResult {
  const end = text.indexOf('\n', start)
  if (end === -1) return { end: text.length }
  const line = text.slice(start, end)
  if (line.length > 2 * maxDepth || !isClosed(line) || !fits(line, maxRecord)) return { end }
  try {
    return { value: parseJson(line), end }
  } catch {
    return { end, isInvalid: true } // several values, part of one, or an invalid one: left to the scan
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
    if (depth > maxDepth) {
      scan.end = i
      break
    }
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
