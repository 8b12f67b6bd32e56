/** The log of a command: pino on stderr, as JSON lines or as text for people. */
import { type Logger, pino } from 'pino'
import type { Observer, Summary } from '../lib/index.js'
import { escapeJson } from '../lib/text/escape.js'
import { lineWriter } from '../lib/text/line-writer.js'
import { logMethod } from '../lib/text/log-safety.js'
import { formatRemote } from '../lib/text/remote.js'
import { formatRecord, textOf } from './log-text.js'
import type { LogRecord, Speaker } from './log-words.js'
import { lookOf } from './look.js'
import { freshLine } from './terminal.js'

export type { Logger }

export interface LogOptions {
  logLevel?: string | undefined
  logFormat?: 'text' | 'json' | undefined
  quiet?: boolean | undefined
  verbose?: boolean | undefined
  stats?: 'text' | 'json' | 'none' | undefined
  /** The level of the line that a connection has opened. Default: info in a text, debug as JSON. */
  openedLevel?: 'info' | 'debug'
  /** Of a server. */
  chat?: boolean
  /** Of a server. */
  maxConnections?: number
}

export interface Log {
  log: Logger
  /** Logs that a connection has opened: a person sees it at once, the JSON form only with `-v`. */
  observer: Observer
  /** Stops all further output. */
  mute(): void
  readonly openedLevel: 'info' | 'debug'
  /** Adds a line of another process. */
  relay(record: LogRecord): void
  /** Calls back for each further line, with its level and its text. */
  watch(add: (level: string, text: string) => void): void
}

/** Opens the log. With a speaker, for `send` and `pipe`, it is text wherever it goes. */
export function openLog(options: LogOptions, speaker?: Speaker): Log {
  const { logLevel, quiet, verbose } = options
  const level = logLevel ?? (quiet ? 'error' : verbose ? 'debug' : 'info')
  const format = options.logFormat ?? (process.stderr.isTTY || speaker ? 'text' : 'json')
  let muted = false
  const showsFields = ['debug', 'trace'].includes(level)
  const words = { ...speaker, fullness: fullnessOf(options) }
  const toText = (line: string) => formatRecord(JSON.parse(line), { look: lookOf(), verbose: showsFields, ...words })
  const lines = lineWriter(line => {
    const start = freshLine()
    return format === 'json' ? escapeJson(line) : start + toText(line)
  })
  process.once('exit', lines.end)
  const watchers: ((level: string, text: string) => void)[] = []
  const write = (line: string) => {
    if (muted) return
    lines.write(line)
    if (watchers.length === 0) return
    const record = JSON.parse(line)
    for (const add of watchers) add(levels[record.level] ?? 'info', textOf(record, words))
  }
  const timestamp = pino.stdTimeFunctions.isoTime
  const log = pino({ base: null, level, timestamp, hooks: { logMethod } }, { write })
  const openedLevel = options.openedLevel ?? (format === 'text' ? 'info' : 'debug')
  return {
    log,
    observer: {
      opened: ({ id, remote, port }) =>
        log[openedLevel]({ connection: id, remote: formatRemote({ remote, port }) }, 'connection opened'),
    },
    mute() {
      muted = true
    },
    watch: add => void watchers.push(add),
    openedLevel,
    relay: record => write(`${JSON.stringify(record)}\n`),
  }
}

/** The levels of pino by their numbers. */
const { labels: levels } = pino.levels

/** Why a server has no room for a further client. */
function fullnessOf({ chat, maxConnections }: LogOptions): string {
  if (chat) return 'while busy with one client'
  return maxConnections === undefined ? 'beyond the limit of open files' : 'beyond --max-connections'
}

/** Whether the log shows the line about the end of a connection. */
export function isReported(log: Logger, { error, warnings }: Pick<Summary, 'error' | 'warnings'>): boolean {
  return log.isLevelEnabled(error ? 'error' : warnings.length > 0 ? 'warn' : 'info')
}
