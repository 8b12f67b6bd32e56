/**
 * Reads JSON where nobody looks at the values: lines that are written already as `JSON.stringify` writes them are copied,
 * three to five times as fast as to parse the values and write them.
 */
import type { JsonScanner } from './json.js'
import { copyPlainLines, longestBlock } from './plain-lines.js'

/** Reads a chunk: adds the values that it completes, or text that needs no encoder. */
export type JsonReader = (chunk: Buffer, found: unknown[]) => void

/**
 * Copies the plain lines, and leaves all others to `scan`, which decodes them for the scanner. `copied` receives the
 * number of values in each text.
 */
export function plainReader(
  scanner: JsonScanner,
  scan: JsonReader,
  maxRecord: number,
  copied: (values: number) => void,
): JsonReader {
  let isLineStart = false // a byte order mark may precede the first line
  let pause = 0 // bytes for which no line is tried: many lines may be of another form

  function copy(block: Buffer, found: unknown[]): number {
    const { end, lines, blank, text } = copyPlainLines(block, maxRecord)
    scanner.skip(lines)
    if (text.length > 0) found.push(text)
    if (lines > blank) copied(lines - blank)
    if (end > 0) pause = 0
    return end
  }

  return (chunk, found) => {
    for (let at = 0; at < chunk.length; ) {
      if (isLineStart && scanner.isBetween()) at += copy(chunk.subarray(at, at + longestBlock), found)
      const next = chunk.indexOf(LF, at + pause)
      const end = next === -1 ? chunk.length : next + 1
      if (end === at) return
      scan(chunk.subarray(at, end), found)
      isLineStart = chunk[end - 1] === LF
      pause = Math.min(2 * pause + 64, longestBlock)
      at = end
    }
  }
}

const LF = 10
