/** What a stage may use of its surroundings: a log, the connection that it stands in, a signal for its end. */
import { createRequire } from 'node:module'
import type { Logger } from 'pino'
import type { ConnectionInfo } from './connection.js'

export type { Logger }

export interface Context {
  /** Bound to the connection; outside a server a logger that writes JSON lines to stderr. */
  readonly log: Logger
  /** Undefined outside a connection. */
  readonly connection: ConnectionInfo | undefined
  /** Aborted when the stage is over, whatever the way. Made on first use. */
  readonly signal: AbortSignal
}

/** Where a context's log and connection come from. */
export interface Surroundings {
  readonly log?: Logger | undefined
  readonly connection?: ConnectionInfo | undefined
}

/** A context and the function that ends it. */
export function openContext({ log, connection }: Surroundings = {}): { context: Context; close(): void } {
  let controller: AbortController | undefined
  let closed = false
  const context: Context = {
    get log() {
      return log ?? stderrLogger()
    },
    connection,
    get signal() {
      controller ??= new AbortController()
      if (closed) controller.abort()
      return controller.signal
    },
  }
  const close = () => {
    closed = true
    controller?.abort()
  }
  return { context, close }
}

let logger: Logger | undefined

/** pino costs 30 ms to import, so it is loaded when the first line is logged. */
function stderrLogger(): Logger {
  if (!logger) {
    const { pino } = createRequire(import.meta.url)('pino') as typeof import('pino')
    logger = pino({ name: 'tcp-pipe' }, pino.destination({ fd: 2, sync: true }))
  }
  return logger
}
