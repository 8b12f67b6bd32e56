/** What the commands that listen have in common: their options, and how they end. */
import type { Option } from 'commander'
import type { Connection, Summary } from '../lib/connection.js'
import type { ListenOptions, Server } from '../lib/server.js'
import type { Logger } from './log.js'
import { count, duration } from './options.js'
import { dieOf, onSignals } from './process.js'

export interface ServerOptions {
  once?: boolean
  maxConnections?: number
  idleTimeout?: number
  halfClosedTimeout?: number
  drainTimeout?: number
  maxLine?: number
}

export function serverOptions(): Option[] {
  return [
    count('--max-connections <n>', 'reset further ones (default: from the limit of open files)', 1),
    duration('--idle-timeout <time>', 'without a byte; 0 is never (default: 10m)'),
    duration('--half-closed-timeout <time>', 'without a byte once one side has ended; 0 is never (default: 60s)'),
    duration('--drain-timeout <time>', 'for connections to end after a first SIGINT or SIGTERM (default: 10s)'),
  ]
}

/** `start` is given what the server is to be told; resolves with it when it listens, and `closed` when it has ended. */
export async function runServer(
  options: ServerOptions,
  log: Logger,
  start: (options: ListenOptions) => Promise<Server>,
): Promise<{ server: Server; closed: Promise<void> }> {
  const { once, maxConnections, maxLine, idleTimeout, halfClosedTimeout } = options
  let first: Summary | undefined
  let server: Server | undefined
  const onConnection = ({ closed }: Connection) => {
    closed.then(summary => {
      first ??= summary
    })
  }
  // Before it listens: whoever reads the line `listening` may signal at once.
  const stop = onSignals(
    signal => (server ? void drain(server, signal, options, log) : dieOf(signal)),
    () => void server?.close({ drain: 0 }),
  )
  server = await start({ log, once, maxConnections, maxLine, idleTimeout, halfClosedTimeout, onConnection })
  const closed = server.closed.then(() => {
    stop()
    if (once && (first?.error || first?.warnings.length)) process.exitCode ??= 1
  })
  return { server, closed }
}

async function drain(
  server: Server,
  signal: string,
  { drainTimeout = 10_000 }: ServerOptions,
  log: Logger,
): Promise<void> {
  const closing = server.close({ drain: drainTimeout }) // before it is told: who reads that finds the port closed
  log.info({ signal, connections: server.connections.size, drainTimeout }, 'draining')
  const cut = await closing
  if (cut === 0) return
  log.error({ cut }, 'connections were cut when the drain timeout had passed')
  process.exitCode = 1
  if (process.stdout.writableLength > 0) process.exit() // a stalled stdout would keep the process alive
}
