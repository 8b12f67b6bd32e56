/** The place of a worker: what its primary tells it, and what it tells its primary. */
import cluster, { type Worker } from 'node:cluster'
import type { Enter, ListenOptions, SecureContexts, Server } from '../../lib/index.js'
import type { TransformEntry } from '../../lib/stages/define.js'
import { errorCode, errorMessage } from '../../lib/text/errors.js'
import type { Desk, OwnDesk } from '../../lib/ui/desk.js'
import { keepOf, type ShownServer } from '../../lib/ui.js'
import type { PageOptions } from '../page-options.js'
import { exitAfter, onSignals } from '../process.js'
import { openProcessFigures, type ProcessFigures } from '../process-figures.js'
import { answerOf } from './desk.js'
import type { Common, FromWorker, ToWorker } from './protocol.js'

export interface Seat {
  readonly number: number
  /** What takes the place of options of the library. */
  readonly given: SecureContexts & Pick<ListenOptions, 'listen' | 'worker' | 'enter' | 'maxConnections' | 'maxPerIp'>
  readonly openedLevel: Common['openedLevel']
  /**
   * Starts the server, and does what the primary tells. `faults` are those that the page offers. Resolves when it
   * listens.
   */
  serve(
    start: () => Promise<Server>,
    faults?: readonly TransformEntry[],
  ): Promise<{ server: Server; closed: Promise<void> }>
}

type Told<T extends ToWorker['tell']> = Extract<ToWorker, { tell: T }>

/** What to do with each message. */
type Handlers = { [T in ToWorker['tell']]?: (message: Told<T>) => void }

/** What stands beside the server in the primary. */
interface Besides extends PageOptions {
  metrics?: unknown
}

/** Resolves when the primary lets it start. */
export async function takeSeat(options: Besides): Promise<Seat> {
  const figures = options.metrics ? openProcessFigures() : undefined
  const handlers: Handlers = {}
  const start = new Promise<Told<'start'>>(resolve => {
    handlers.start = resolve
  })
  process.on('message', (message: ToWorker) => {
    const handle = handlers[message.tell] as ((message: ToWorker) => void) | undefined
    handle?.(message)
  })
  let server: Server | undefined
  const reset = () => server?.close({ drain: 0 })
  const stop = onSignals({ isLed: true, reset })
  const worker = cluster.worker as Worker
  worker.on('disconnect', () => {
    if (worker.exitedAfterDisconnect) return
    worker.exitedAfterDisconnect = true // otherwise, Node ends this process now, and its connections as if they were complete
    exitAfter(0) // the primary is dead
    void reset()
  })
  tell({ tell: 'ready' })
  const { share, listen, contexts, isLimited, openedLevel } = await start
  return {
    number: share.number,
    given: {
      ...{ listen, worker: share, maxConnections: undefined, maxPerIp: undefined, ...contexts },
      ...(isLimited && { enter: asking(handlers) }),
    },
    openedLevel,
    async serve(open, faults = []) {
      const openDesk = options.ui ? await deskOpener(options, share.of, faults) : undefined
      server = await open()
      const desk = openDesk?.(server)
      if (desk) answer(desk, handlers)
      obey(server, handlers, figures)
      const stopReports = report(server)
      const { address, pin } = server
      tell({ tell: 'listening', address, pin, stats: server.stats() })
      const over = () => {
        stop()
        stopReports()
        void desk?.close()
        figures?.close()
        process.channel?.unref()
      }
      return { server, closed: server.closed.finally(over) }
    },
  }
}

/** The primary counts who is in. */
function asking(handlers: Handlers): Enter {
  const waiting = new Map<number, (reason: Told<'entered'>['reason']) => void>()
  let last = 0
  handlers.entered = ({ ask, reason }) => {
    waiting.get(ask)?.(reason)
    waiting.delete(ask)
  }
  return remote =>
    new Promise(resolve => {
      const ask = ++last
      waiting.set(ask, reason => resolve(reason ?? (() => tell({ tell: 'left', ask }))))
      tell({ tell: 'enter', ask, remote })
    })
}

/** The memory for the page is shared out among the workers. */
async function deskOpener(
  options: PageOptions,
  workers: number,
  faults: readonly TransformEntry[],
): Promise<(server: ShownServer) => OwnDesk> {
  const [{ openDesk }, { shownOf }] = await Promise.all([
    import('../../lib/ui/desk.js'),
    import('../../lib/ui/shown.js'),
  ])
  const { total, ...memory } = keepOf(options)
  const keep = { ...memory, total: Math.floor(total / workers) }
  return server => openDesk(shownOf(server), { faults, keep, onHit: breakpoint => tell({ tell: 'hit', breakpoint }) })
}

function answer(desk: Desk, handlers: Handlers): void {
  handlers.ask = async ({ ask, question }) => tell({ tell: 'answered', ask, answer: await answerOf(desk, question) })
}

function obey(server: Server, handlers: Handlers, figures: ProcessFigures | undefined): void {
  const ends: Promise<number>[] = []
  handlers.look = ({ ask, isForMetrics }) => {
    const families = (isForMetrics && figures?.families()) || []
    tell({ tell: 'looked', ask, stats: server.stats(), families })
  }
  handlers.measure = ({ on }) => server.measure(on)
  handlers.end = ({ number, how, reason }) => {
    const connection = [...server.connections].find(each => each.number === number)
    void connection?.[how](reason)
  }
  handlers.secure = async ({ ask, contexts }) => {
    try {
      await server.setSecureContext(contexts)
      tell({ tell: 'secured', ask, pin: server.pin })
    } catch (error) {
      tell({ tell: 'secured', ask, error: { message: errorMessage(error), code: errorCode(error) } })
    }
  }
  handlers.close = ({ drain }) => {
    ends.push(server.close({ drain }))
    tell({ tell: 'stopped', stats: server.stats() })
    if (ends.length === 1) void server.closed.then(closed, closed)
  }
  const closed = async () => {
    const cuts = await Promise.all(ends)
    tell({ tell: 'closed', stats: server.stats(), cut: cuts.reduce((sum, cut) => sum + cut, 0) })
  }
}

/** Milliseconds between two reports of the figures, and the part of the time that they may take. */
const often = 50
const most = 0.05

/** Tells the figures when they have changed, so that little is lost with this process. */
function report(server: Server): () => void {
  let timer: NodeJS.Timeout | undefined
  let due = 0
  const send = () => {
    timer = undefined
    const begun = performance.now()
    const { connections, ...stats } = server.stats()
    tell({ tell: 'figures', stats: { ...stats, connections: [] }, open: connections.length })
    const now = performance.now()
    due = now + Math.max(often, (now - begun) / most)
  }
  const changed = () => {
    timer ??= setTimeout(send, Math.max(0, due - performance.now()))
  }
  const stop = server.observe({ opened: changed, closed: changed, refused: changed, handshakeFailed: changed })
  return () => {
    stop()
    clearTimeout(timer)
  }
}

function tell(message: FromWorker): void {
  if (process.connected) process.send?.(message, undefined, undefined, ignore) // the primary may just have died
}

function ignore(): void {}
