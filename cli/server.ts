/** Runs a command that listens: what stands beside its server, signals and exit. */
import { setTimeout } from 'node:timers/promises'
import type { Connection, ListenOptions, Server } from '../lib/index.js'
import type { TransformEntry } from '../lib/stages/define.js'
import { errorCode, errorMessage } from '../lib/text/errors.js'
import type { ShownProcesses, ShownServer } from '../lib/ui.js'
import type { Log, Logger } from './log.js'
import { dieOf, exitAfter, onSignals } from './process.js'
import { type Aims, type CommonOptions, defaultDrain, type ServerOptions } from './server-options.js'
import type { Standing } from './standing.js'
import { readServerTls, type ServerSideTls, warnIfInsecure } from './tls.js'

export interface Run {
  readonly options: ServerOptions
  readonly aims: Aims
  readonly common: CommonOptions
  readonly log: Log
  /** What the page offers as faults. */
  readonly faults?: readonly TransformEntry[]
  /** Starts the server, with what a run adds. */
  start(more: Pick<ListenOptions, 'log' | 'onConnection'>): Promise<Standing>
}

/** Resolves when the server listens; `closed` resolves when it has ended. */
export async function runServer(run: Run): Promise<{ server: Standing; closed: Promise<void> }> {
  const { options, aims, common, start } = run
  const { log } = run.log
  if (options.seat) return options.seat.serve(() => start({ log }) as Promise<Server>, run.faults)
  warnIfInsecure(log, options)
  let hasFailed = false
  let server: Standing | undefined
  const ending: Ending = { isDraining: false, isInterrupted: false }
  const onConnection = ({ closed }: Connection) => {
    closed.then(({ error, warnings }) => {
      hasFailed ||= error !== undefined || warnings.length > 0
    })
  }
  const read = () => readServerTls(options, aims.listen, aims.target)
  const hasFiles = common.tls || common.targetTls
  // Before listening: a reader of the `listening` line may send a signal at once.
  const stop = onSignals({
    drain: options.chat
      ? undefined
      : signal => (server ? void drain(server, signal, options, log, ending) : dieOf(signal)),
    reload: hasFiles ? () => server && void reload(server, log, read) : undefined,
    reset: signal => server && interrupt(server, signal, ending, log),
  })
  const { listening, close } = await besides(run, () => start({ log, onConnection }))
  server = listening
  if (options.tls === 'auto' && !log.isLevelEnabled('info')) process.stderr.write(`tcp-pipe: pin ${server.pin}\n`)
  const over = () => {
    stop()
    close()
  }
  const closed = server.closed.finally(over).then(() => {
    if (options.once && hasFailed) process.exitCode ??= 1
  })
  return { server, closed }
}

/** Something that stands beside a server and shows it. */
type Opened = { close(): unknown }

/** Opens what shows the server, and then the server: a reader of the `listening` line may use it at once. */
async function besides(
  { options, aims: { target }, log: logging, faults }: Run,
  start: () => Promise<Standing>,
): Promise<{ listening: Standing; close(): void }> {
  const { metrics, control, ui } = options
  const { log } = logging
  const opened: Opened[] = []
  const close = () => opened.map(each => each.close())
  let begin = () => {}
  let server: Standing | undefined
  const listening = new Promise<void>(resolve => {
    begin = resolve
  }).then(start)
  listening.catch(() => {}) // awaited below
  try {
    if (metrics) opened.push(await (await import('./metrics.js')).openMetrics(metrics, log, () => server))
    if (control) {
      const controller = await (await import('./control.js')).openControl(control, listening, log)
      opened.push({ close: () => controller.close({ drain: 0 }) })
    }
    if (ui) {
      const shown = listening as Promise<Standing & (ShownServer | ShownProcesses)>
      opened.push(await (await import('./page.js')).openPage(options, shown, logging, { faults, target }))
    }
    begin()
    server = await listening
    return { listening: server, close }
  } catch (error) {
    close()
    throw error
  }
}

/** What the signals have begun. */
interface Ending {
  isDraining: boolean
  isInterrupted: boolean
}

/** Resets all. Each connection logs its line before the exit. */
async function interrupt(server: Standing, signal: string, ending: Ending, log: Logger): Promise<void> {
  ending.isInterrupted = true
  const cut = await server.close({ drain: 0 })
  if (ending.isDraining && cut > 0) log.info({ signal, cut }, 'connections reset at a second signal')
}

/** Milliseconds until the line about the drain is written, although a worker that hangs has not stopped listening. */
const patience = 1000

async function drain(
  server: Standing,
  signal: string,
  { drainTimeout = defaultDrain }: ServerOptions,
  log: Logger,
  ending: Ending,
): Promise<void> {
  ending.isDraining = true
  const deadline = performance.now() + drainTimeout
  const closing = server.close({ drain: drainTimeout }) // before the log line, so that its reader finds the port closed
  await Promise.race([server.stopped?.(), setTimeout(patience, undefined, { ref: false })])
  const limit = Number.isFinite(drainTimeout) ? { drainTimeout } : {}
  log.info({ signal, connections: server.connections.size, ...limit }, 'draining')
  const cut = await closing
  if (cut > 0 && !ending.isInterrupted) {
    log.error({ cut }, 'connections reset after the drain timeout')
    process.exitCode = 1
  }
  if (Number.isFinite(deadline)) exitAfter(deadline - performance.now())
}

/** Reads the files again. If they cannot be used, logs the error and keeps the old certificates. */
async function reload(server: Standing, log: Logger, read: () => Promise<ServerSideTls>): Promise<void> {
  try {
    await server.setSecureContext(await read())
    log.info(server.pin ? { pin: server.pin } : {}, 'certificates reloaded')
  } catch (error) {
    log.error({ code: errorCode(error), error: errorMessage(error) }, 'certificates not reloaded; keeping the old ones')
  }
}
