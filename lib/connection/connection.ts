/** A connection: its legs, transfers, timeouts, failures, and final summary. */
import type { Leg } from '../endpoints/endpoint.js'
import { capBytes } from '../endpoints/max-bytes.js'
import type { ConnectionInfo, Logger } from '../stages/context.js'
import type { Plan } from '../stages/plan.js'
import type { Transforms } from '../stages/transforms.js'
import type { ConnectionStats, Direction } from '../stats/snapshot.js'
import type { Summary } from '../stats/summary.js'
import { TcpPipeError } from '../text/errors.js'
import { formatRemote } from '../text/remote.js'
import { endedFirst } from './closed-by.js'
import { closedError, fail, failBy, sinksClosed } from './failure.js'
import { newId, type Share } from './identity.js'
import { isTransfer, leave, lingerTime } from './linger.js'
import { acceptsBareEnd } from './parting.js'
import {
  type ConnectionObserver,
  type ConnectionState,
  connectionStats,
  legsOf,
  openState,
  summarize,
  waitsForSink,
} from './state.js'
import { adopt, forget, prepare } from './streams.js'
import { Talk } from './talk.js'
import { deadlines, type Timeouts, watchIdle } from './timeouts.js'
import { openTransfer, type Transfer, type TransferOptions } from './transfer.js'
import { watchBytes } from './watch-bytes.js'

/** A connection, as the API exposes it. */
export interface Connection extends Omit<ConnectionInfo, 'direction'> {
  /** Resolves with the summary when the connection ends, also after a failure. Never rejects. */
  readonly closed: Promise<Summary>
  /** Returns the current figures. */
  stats(): ConnectionStats
  /** Also measures the source and the sink of each direction from now on, as the option `measure` does from the start. */
  measure(): void
  /**
   * Ends the connection successfully: stops reading, delivers the data that it has read, and ends both sides. The
   * summary reports `reason`. Resolves with the summary.
   */
  close(reason?: string): Promise<Summary>
  /** Fails the connection and resets the peer. `reason` becomes the message of the error in the summary. */
  reset(reason?: string): void
}

export interface ConnectionOptions extends Timeouts {
  log: Logger | undefined
  maxRecord: number | undefined
  /** The sequence number of the connection on its server. Default: 1. */
  number?: number
  /** Whose ids are its own. Default: one process, which has all. */
  worker?: Share | undefined
  /** The maximum number of bytes that the peer may send. Default: no limit. */
  maxBytes?: number | undefined
  /** Also meters the source and the sink of each direction. Default: false. */
  measure?: boolean | undefined
  /** Receives the events of the connection. */
  observer?: ConnectionObserver | undefined
}

export interface OpenConnection extends Connection {
  readonly log: Logger | undefined
  info(direction: Direction): ConnectionInfo
  /** Creates the streams of stages. The connection destroys them when it fails. */
  prepare(transforms: Transforms, direction: Direction): Plan
  /** Drops stages that are finished while the connection continues. */
  forget(plan: Plan): void
  /** Starts source → segments → sink. If it fails, the connection fails. Calls `over` when it is over. */
  transfer(options: TransferOptions, over?: () => void): Transfer
  /** Adds the target leg of a proxy, whose address is `to`. Throws if the connection has failed already. */
  join(target: Leg, to: string): void
  /** Fails the connection: destroys all streams and resets the peer. */
  fail(error: unknown): void
  /** Rejects when the connection fails, even if transfers still run. */
  readonly failed: Promise<never>
  /** Calls back when the connection has failed, also if it has already. Replaces the callback. */
  onFailed(callback: () => void): void
  /** Ends the local side and waits for the peer's end. Stops transfers that still run, without a failure. */
  finish(): Promise<Summary>
  /** Does the same without waiting for the peer. */
  drop(): void
}

export function openConnection(leg: Leg, options: ConnectionOptions): OpenConnection {
  const { number = 1, worker, observer, maxBytes, maxRecord, measure = false } = options
  const identity = { id: newId(worker), number, remote: leg.remote, port: leg.port }
  const log = options.log?.child({ connection: identity.id, remote: formatRemote(identity) })
  const state = openState(leg, identity, { observer, maxBytes, maxRecord, measure })
  const failWith = (error: unknown) => fail(state, error)
  const stopWatch = watchIdle(state.legs, options, () => waitsForSink(state), failWith)
  watchLeg(state, leg)
  const stopDeadlines = deadlines(leg, options, failWith)
  state.onClosed = () => {
    stopWatch()
    stopDeadlines()
  }
  return new LiveConnection(state, log)
}

/** A class, since thousands of idle connections share its methods. */
class LiveConnection implements OpenConnection {
  readonly log
  readonly #state: ConnectionState

  constructor(state: ConnectionState, log: Logger | undefined) {
    this.log = log
    this.#state = state
  }

  get id(): string {
    return this.#state.identity.id
  }

  get number(): number {
    return this.#state.identity.number
  }

  get remote(): string {
    return this.#state.identity.remote
  }

  get port(): number | undefined {
    return this.#state.identity.port
  }

  get closed(): Promise<Summary> {
    return this.#state.closed.promise
  }

  get failed(): Promise<never> {
    const { promise } = this.#state.failed
    promise.catch(() => {}) // its reader handles the rejection
    return promise
  }

  onFailed(callback: () => void): void {
    if (this.#state.failure) callback()
    this.#state.onFailed = callback
  }

  info(direction: Direction): ConnectionInfo {
    const { identity, leg } = this.#state
    const name = leg.facts.session?.name
    return { ...identity, ...(leg.local && { local: leg.local }), ...(name !== undefined && { name }), direction }
  }

  prepare(transforms: Transforms, direction: Direction): Plan {
    return prepare(this.#state, this.log, transforms, this.info(direction))
  }

  forget(plan: Plan): void {
    forget(this.#state, plan)
  }

  transfer(given: TransferOptions, over?: () => void): Transfer {
    if ('warnings' in given.source) given.source.on('warning', (fields, message) => this.log?.warn(fields, message))
    return transfer(this.#state, given, over)
  }

  join(target: Leg, to: string): void {
    join(this.#state, target, to)
  }

  fail(error: unknown): void {
    fail(this.#state, error)
  }

  finish(): Promise<Summary> {
    return finish(this.#state)
  }

  drop(): void {
    drop(this.#state)
  }

  get hasTls(): boolean {
    return this.#state.legs.some(({ facts }) => facts.tls !== undefined)
  }

  stats(): ConnectionStats {
    return connectionStats(this.#state)
  }

  measure(): void {
    this.#state.measure = true
    for (const { transfer } of this.#state.transfers) transfer.measure()
  }

  close(reason?: string): Promise<Summary> {
    return isTransfer(this.#state.leg) ? closeTransfer(this.#state, reason) : close(this.#state, reason)
  }

  reset(reason = 'the connection was reset by its owner'): void {
    this.fail(new TcpPipeError('ERR_CLOSED', reason))
  }
}

function watchLeg(state: ConnectionState, added: Leg): void {
  const { legs, maxBytes } = state
  const { stream } = added
  if (added.endNotice) added.endNotice.acceptMissing = () => acceptsBareEnd(state, added)
  if (maxBytes) capBytes(added, maxBytes, error => failBy(state, added, error))
  stream.on('end', () => {
    state.endedFirst ??= endedFirst(legs, added)
  })
  stream.on('error', error => failBy(state, added, error))
}

function join(state: ConnectionState, leg: Leg, to: string): void {
  state.target = { leg, to, talk: new Talk() }
  state.legs.push(leg)
  watchLeg(state, leg)
  if (!state.failure && !state.finishing && !state.closing) return
  const error = state.failure ?? closedError()
  leg.reset(error)
  throw error
}

function transfer(state: ConnectionState, options: TransferOptions, over?: () => void): Transfer {
  const { source, sink, sourceLeg, sinkLeg } = options
  state.legs.push(...legsOf(sink))
  for (const stream of [sourceLeg ? [] : source, sinkLeg ? [] : sink].flat()) {
    adopt(state, stream)
    if (state.failure || state.finishing) stream.destroy(state.failure) // it ended before its sink opened
  }
  const watch = { ...watchBytes(state, options), measure: state.measure }
  const transfer = openTransfer(options, plan => forget(state, plan), watch)
  state.transfers = [...state.transfers, { transfer, options }]
  if (state.closing) transfer.stop()
  const done = transfer.done.then(
    () => {
      over?.()
      state.warnings.push(...(source.warnings ?? []), ...(sink.warnings ?? []))
    },
    error => {
      over?.()
      fail(state, error)
      if (state.failure) throw state.failure
    },
  )
  return Object.assign(transfer, { done })
}

function finish(state: ConnectionState): Promise<Summary> {
  state.finished ??= end(state).catch(error => {
    state.closed.reject(error)
    throw error
  })
  return state.finished
}

/** The sink itself ends its leg. */
async function end(state: ConnectionState): Promise<Summary> {
  state.finishing = true
  const own = state.target ? [state.leg, state.target.leg] : [state.leg]
  await Promise.all(own.map(each => leave(each, () => state.failure !== undefined, state.closing !== undefined)))
  await sinksClosed(state, lingerTime)
  const summary = summarize(state)
  state.isOver = true
  state.observer?.closed?.(summary)
  state.onClosed?.()
  state.closed.resolve(summary)
  return summary
}

/** A reliable transfer that is closed has not brought everything: it fails. */
function closeTransfer(state: ConnectionState, reason = 'the transfer was closed before its end'): Promise<Summary> {
  fail(state, new TcpPipeError('ERR_CLOSED', reason))
  return state.closed.promise
}

/** The transfers end as if their sources had. Nothing else is waited for: no handler, and nothing that is still opened. */
function close(state: ConnectionState, reason: string | undefined): Promise<Summary> {
  state.closing ??= reason === undefined ? {} : { reason }
  for (const { transfer } of state.transfers) transfer.stop()
  void Promise.allSettled(state.transfers.map(({ transfer }) => transfer.done)).then(() => finish(state))
  return state.closed.promise
}

/** Aborts when the connection fails or ends: what is opened for it is not needed any more. */
export function whileOpen({ failed, closed }: OpenConnection): AbortSignal {
  const abort = new AbortController()
  const end = () => abort.abort()
  failed.catch(end)
  void closed.then(end)
  return abort.signal
}

function drop(state: ConnectionState): void {
  state.finishing = true
  for (const { stream } of state.legs) stream.destroy()
}
