/** What a stage may use of its surroundings: a log, the connection that it stands in, a signal for its end. */

import { setMaxListeners } from 'node:events'
import { createRequire } from 'node:module'
import type { Logger } from 'pino'
import type { Direction } from '../stats/snapshot.js'
import type { FaultNote } from '../stats/summary.js'
import { escapeJson } from '../text/escape.js'
import { lineWriter } from '../text/line-writer.js'
import { logMethod } from '../text/log-safety.js'

export type { Logger }

/** What a stage and a log line know of the connection that they belong to. */
export interface ConnectionInfo {
  /** Short, unique over restarts, sorts by time. */
  readonly id: string
  /** Its place among the connections of its server, from 1. */
  readonly number: number
  /** The peer's address, or the path of a unix socket. */
  readonly remote: string
  /** The peer's port; undefined for a unix socket. */
  readonly port: number | undefined
  /** Which of the connection's two pipelines a stage stands in. */
  readonly direction: Direction
}

export interface Context {
  /** Bound to the connection; outside a server a logger that writes JSON lines to stderr. */
  readonly log: Logger
  /** Undefined outside a connection. */
  readonly connection: ConnectionInfo | undefined
  /** Aborted when the stage is over, whatever the way. Made on first use. */
  readonly signal: AbortSignal
  /** Aborted when other stages are to take its place: what it holds back is to go on at once. Made on first use. */
  readonly replaced: AbortSignal
  /** Adds a line to the warnings of the connection's summary; outside a connection it is logged. */
  warn(message: string): void
  /** Adds a fault that a stage has made on purpose to the connection's summary. */
  noteFault(fault: FaultNote): void
}

/** Where a context's log and connection come from. */
export interface Surroundings {
  readonly log?: Logger | undefined
  readonly connection?: ConnectionInfo | undefined
  readonly warn?: ((message: string) => void) | undefined
  readonly noteFault?: ((fault: FaultNote) => void) | undefined
}

/** A context and the functions that abort its signals. */
export interface OpenContext {
  readonly context: Context
  close(): void
  replace(): void
}

export function openContext({ log, connection, warn, noteFault }: Surroundings = {}): OpenContext {
  const over = lateSignal()
  const replaced = lateSignal()
  const context: Context = {
    get log() {
      return log ?? stderrLogger()
    },
    connection,
    get signal() {
      return over.signal()
    },
    get replaced() {
      return replaced.signal()
    },
    warn: warn ?? (message => context.log.warn(message)),
    noteFault: noteFault ?? (fault => context.log.debug(fault, 'fault')),
  }
  return { context, close: over.abort, replace: replaced.abort }
}

/** Any number of stages may listen to it. */
function shared(controller: AbortController): AbortController {
  setMaxListeners(0, controller.signal)
  return controller
}

/** A signal that is made when somebody asks for it: an idle connection has none. */
function lateSignal(): { signal(): AbortSignal; abort(): void } {
  let controller: AbortController | undefined
  let aborted = false
  return {
    signal() {
      controller ??= shared(new AbortController())
      if (aborted) controller.abort()
      return controller.signal
    },
    abort() {
      aborted = true
      controller?.abort()
    },
  }
}

let logger: Logger | undefined

/** pino costs 30 ms to import, so it is loaded when the first line is logged. */
function stderrLogger(): Logger {
  if (!logger) {
    const { pino } = createRequire(import.meta.url)('pino') as typeof import('pino')
    logger = pino({ name: 'tcp-pipe', hooks: { logMethod } }, lineWriter(escapeJson))
  }
  return logger
}
