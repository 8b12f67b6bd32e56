/** What the workers write to stderr: whole lines, so that those of several workers never mix. */
import type { Readable } from 'node:stream'
import type { LogRecord } from '../log-words.js'
import { freshLine } from '../terminal.js'

/** Takes a record of the log, to which the number of its worker is added. */
export type Relay = (record: LogRecord) => void

/** A line that has not ended yet is kept, up to so many characters. */
const longestLine = 1024 * 1024

/** Hands on the lines of one worker: those of the log to `relay`, any other, such as a report, as they are. */
export function relayLines(output: Readable, worker: number, relay: Relay, write = writeStderr): void {
  let rest = ''
  const hand = (line: string) => {
    const record = recordOf(line)
    if (record) relay(withWorker(record, worker))
    else write(line)
  }
  output.setEncoding('utf8')
  output.on('data', (text: string) => {
    const lines = `${rest}${text}`.split('\n')
    rest = lines.pop() as string
    for (const line of lines) hand(`${line}\n`)
    if (rest.length > longestLine) {
      write(rest)
      rest = ''
    }
  })
  output.on('end', () => rest && hand(`${rest}\n`))
}

function recordOf(line: string): LogRecord | undefined {
  if (!line.startsWith('{"level":')) return undefined
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}

/** In front of what belongs to the event. */
function withWorker({ level, time, ...fields }: LogRecord, worker: number): LogRecord {
  return { level, time, worker, ...fields }
}

function writeStderr(text: string): void {
  process.stderr.write(freshLine() + text)
}
