/** The log of a command: pino on stderr, JSON lines or, on a terminal, lines for people. */
import { writeSync } from 'node:fs'
import { type Logger, pino } from 'pino'
import { escapeLine } from '../lib/escape.js'

export type { Logger }

export interface LogOptions {
  logLevel?: string | undefined
  logFormat?: 'text' | 'json' | undefined
  quiet?: boolean | undefined
  verbose?: boolean | undefined
}

export interface Log {
  log: Logger
  /** Nothing is written from now on. */
  mute(): void
}

const levels: Record<number, string> = { 10: 'trace', 20: 'debug', 30: 'info', 40: 'warn', 50: 'error', 60: 'fatal' }

/** `before` is called before each line. */
export function openLog({ logLevel, logFormat, quiet, verbose }: LogOptions, before = () => {}): Log {
  const level = logLevel ?? (quiet ? 'error' : verbose ? 'debug' : 'info')
  const format = logFormat ?? (process.stderr.isTTY ? 'text' : 'json')
  let muted = false
  const write = (line: string) => {
    if (muted) return
    before()
    writeLine(format === 'json' ? safeJson(line) : formatRecord(JSON.parse(line)))
  }
  const log = pino({ base: null, level }, { write })
  return {
    log,
    mute() {
      muted = true
    },
  }
}

/** `12:03:04 info  connection closed  bytesIn=12 closedBy=peer`. */
export function formatRecord({ level, time, msg, ...fields }: Record<string, unknown>): string {
  const clock = new Date(Number(time)).toLocaleTimeString('en-GB')
  const rest = Object.entries(fields).map(
    ([key, field]) => `${key}=${typeof field === 'string' && /^[^\s="]+$/.test(field) ? field : JSON.stringify(field)}`,
  )
  const name = (levels[Number(level)] ?? String(level)).padEnd(5)
  return `${escapeLine([clock, name, msg, ...rest].join(' '))}\n`
}

/** JSON escapes C0 itself; C1 and bidirectional controls are written as escapes too. */
function safeJson(line: string): string {
  return line.replace(/[\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, character => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}

/** Synchronous, so that no line is lost at an exit; a stderr that is full or gone is no reason to fail. */
function writeLine(line: string): void {
  try {
    writeSync(2, line)
  } catch {
    // there is nowhere left to tell it
  }
}
