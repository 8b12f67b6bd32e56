/** The log of a command: pino on stderr, as JSON lines or, on a terminal, as readable text. */
import { type Logger, pino } from 'pino'
import { escapeJson, escapeLine } from '../lib/text/escape.js'
import { lineWriter } from '../lib/text/line-writer.js'
import { logMethod } from '../lib/text/log-safety.js'

export type { Logger }

export interface LogOptions {
  logLevel?: string | undefined
  logFormat?: 'text' | 'json' | undefined
  quiet?: boolean | undefined
  verbose?: boolean | undefined
}

export interface Log {
  log: Logger
  /** Stops all further output. */
  mute(): void
}

const levels: Record<number, string> = { 10: 'trace', 20: 'debug', 30: 'info', 40: 'warn', 50: 'error', 60: 'fatal' }

/** Opens the log. Calls `before` before each line. */
export function openLog({ logLevel, logFormat, quiet, verbose }: LogOptions, before = () => {}): Log {
  const level = logLevel ?? (quiet ? 'error' : verbose ? 'debug' : 'info')
  const format = logFormat ?? (process.stderr.isTTY ? 'text' : 'json')
  let muted = false
  const lines = lineWriter(format === 'json' ? escapeJson : line => formatRecord(JSON.parse(line)))
  process.once('exit', lines.end)
  const write = (line: string) => {
    if (muted) return
    before()
    lines.write(line)
  }
  const log = pino({ base: null, level, hooks: { logMethod } }, { write })
  return {
    log,
    mute() {
      muted = true
    },
  }
}

/** `12:03:04 info  connection closed  bytesIn=12 closedBy=peer`. The lines of a stack follow, indented. */
export function formatRecord({ level, time, msg, stack, ...given }: Record<string, unknown>): string {
  const lines = Array.isArray(stack) ? stack.map(line => `\n    ${escapeLine(String(line))}`).join('') : ''
  const fields = Array.isArray(stack) ? given : { ...given, ...(stack !== undefined && { stack }) }
  const clock = new Date(Number(time)).toLocaleTimeString('en-GB')
  const rest = Object.entries(fields).map(([key, field]) => `${word(key)}=${word(field)}`)
  const name = (levels[Number(level)] ?? String(level)).padEnd(5)
  return `${escapeLine([clock, name, message(msg), ...rest].join(' '))}${lines}\n`
}

/** Quotes a message with `"` or `=`, which only a stage can log: it could be read as fields. */
function message(msg: unknown): unknown {
  return typeof msg === 'string' && /[="]/.test(msg) ? JSON.stringify(msg) : msg
}

/** Quotes a text that could be read as more than one field. */
function word(value: unknown): string {
  return typeof value === 'string' && /^[^\s="]+$/.test(value) ? value : JSON.stringify(value)
}
