/** What a program has logged on stderr. */
import type { LogLine } from '../e2e/support.js'
import { Finding } from './part.js'

/** The lines, of which each is JSON; every connection has one line at its end, no less and no more. */
export function checkLog(stderr: string): LogLine[] {
  const lines = stderr.split('\n').filter(Boolean).map(parseLine)
  const ended = new Set<unknown>()
  for (const line of lines) {
    if (line.msg !== 'connection closed' && line.msg !== 'connection failed') continue
    if (ended.has(line.connection)) throw new Finding(`two lines at the end of one connection: ${JSON.stringify(line)}`)
    ended.add(line.connection)
  }
  return lines
}

function parseLine(line: string): LogLine {
  try {
    return JSON.parse(line)
  } catch {
    throw new Finding(`a line on stderr is not JSON: ${line}`)
  }
}
