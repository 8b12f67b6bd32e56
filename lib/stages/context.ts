/** The context of a stage: a log, its connection, a signal for its end. */

import { setMaxListeners } from 'node:events'
import { createRequire } from 'node:module'
import type { Logger } from 'pino'
import type { Direction } from '../stats/snapshot.js'
import type { FaultNote } from '../stats/summary.js'
import { escapeJson } from '../text/escape.js'
import { lineWriter } from '../text/line-writer.js'
import { logMethod } from '../text/log-safety.js'

export type { Logger }

/** The identity of a connection, for stages and log lines. */
export interface ConnectionInfo {
  /** A short identifier: unique across restarts, sortable by time. */
  readonly id: string
  /** The sequence number of the connection on its server, from 1. */
  readonly number: number
  /** The address of the peer; `unix` or `memory` if the carrier has no addresses. */
  readonly remote: string
  /** The port of the peer; undefined if the carrier has no ports. */
  readonly port: number | undefined
  /** The address and the port of this side; undefined if the carrier has no ports. */
  readonly local?: { readonly address: string; readonly port: number } | undefined
  /** The name that the sender of a reliable transfer gives to its data, if it gives one. */
  readonly name?: string | undefined
  /** The direction of the pipeline that contains the stage. */
  readonly direction: Direction
}

/** The second argument of `create`: the surroundings of a stage. */
export interface Context {
  /** The logger of the connection; silent if it has none. Outside a connection, one that writes JSON lines to stderr. */
  readonly log: Logger
  /** The connection; undefined outside a connection. */
  readonly connection: ConnectionInfo | undefined
  /** Aborted when the stage is over, for any reason. Created on first use. */
  readonly signal: AbortSignal
  /** Aborted when other stages replace this one: release held data immediately. Created on first use. */
  readonly replaced: AbortSignal
  /** Adds a line to the warnings in the connection's summary. Outside a connection, logs it. */
  warn(message: string): void
  /** Adds a deliberate fault to the connection's summary. */
  noteFault(fault: FaultNote): void
}

/** The source of the log and the connection of a context. */
export interface Surroundings {
  readonly log?: Logger | undefined
  readonly connection?: ConnectionInfo | undefined
  readonly warn?: ((message: string) => void) | undefined
  readonly noteFault?: ((fault: FaultNote) => void) | undefined
}

/** A context, and functions that abort its signals. */
export interface OpenContext {
  readonly context: Context
  close(): void
  replace(): void
}

export function openContext(surroundings: Surroundings = {}): OpenContext {
  const context = new StageContext(surroundings)
  return { context, close: () => context.over.abort(), replace: () => context.exchange.abort() }
}

/** A class, since the contexts of thousands of connections share its methods. */
class StageContext implements Context {
  readonly over = new LateSignal()
  readonly exchange = new LateSignal()

  constructor(readonly surroundings: Surroundings) {}

  get log(): Logger {
    const { log, connection } = this.surroundings
    return log ?? (connection ? silentLogger() : stderrLogger())
  }

  get connection(): ConnectionInfo | undefined {
    return this.surroundings.connection
  }

  get signal(): AbortSignal {
    return this.over.signal
  }

  get replaced(): AbortSignal {
    return this.exchange.signal
  }

  /** The functions are taken out of the context by some stages. */
  get warn(): (message: string) => void {
    return this.surroundings.warn ?? (message => this.log.warn(message))
  }

  get noteFault(): (fault: FaultNote) => void {
    return this.surroundings.noteFault ?? (fault => this.log.debug(fault, 'fault'))
  }
}

/** Any number of stages may listen to the signal. */
function shared(controller: AbortController): AbortController {
  setMaxListeners(0, controller.signal)
  return controller
}

/** A signal that is created on first use, so that idle connections have none. */
class LateSignal {
  #controller: AbortController | undefined
  #aborted = false

  get signal(): AbortSignal {
    this.#controller ??= shared(new AbortController())
    if (this.#aborted) this.#controller.abort()
    return this.#controller.signal
  }

  abort(): void {
    this.#aborted = true
    this.#controller?.abort()
  }
}

const loggers: { stderr?: Logger; silent?: Logger } = {}

function stderrLogger(): Logger {
  if (loggers.stderr) return loggers.stderr
  const pino = loadPino()
  const settings = { name: 'tcp-pipe', timestamp: pino.stdTimeFunctions.isoTime, hooks: { logMethod } }
  loggers.stderr = pino(settings, lineWriter(escapeJson))
  return loggers.stderr
}

/** The library logs nothing of a connection unless it is given a log. */
function silentLogger(): Logger {
  loggers.silent ??= loadPino()({ level: 'silent' })
  return loggers.silent
}

/** Loads pino with the first log line, because the import takes 30 ms. */
function loadPino(): typeof import('pino').pino {
  return (createRequire(import.meta.url)('pino') as typeof import('pino')).pino
}
