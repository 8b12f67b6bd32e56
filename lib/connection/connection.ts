/** A connection: its legs, transfers, timeouts, failures, and final summary. */
import type { Readable, Writable } from 'node:stream'
import type { Leg } from '../endpoints/endpoint.js'
import { capBytes } from '../endpoints/max-bytes.js'
import type { ConnectionInfo, Logger } from '../stages/context.js'
import { partsOf } from '../stages/parts.js'
import { type Plan, plan } from '../stages/plan.js'
import type { Transforms } from '../stages/transforms.js'
import type { Observer } from '../stats/observer.js'
import type { ConnectionStats, Direction } from '../stats/snapshot.js'
import type { FaultNote, Summary } from '../stats/summary.js'
import { errorCode, TcpPipeError } from '../text/errors.js'
import { formatRemote } from '../text/remote.js'
import { endedFirst } from './closed-by.js'
import { leave } from './linger.js'
import {
  type ConnectionState,
  connectionStats,
  type GivenTransfer,
  newId,
  openState,
  summarize,
  waitsForSink,
} from './state.js'
import { deadlines, type Timeouts, watchIdle } from './timeouts.js'
import { openTransfer, type Transfer } from './transfer.js'

/** A connection, as the API exposes it. */
export interface Connection extends Omit<ConnectionInfo, 'direction'> {
  /** Resolves with the summary when the connection ends, also after a failure. Never rejects. */
  readonly closed: Promise<Summary>
  /** Returns the current figures. */
  stats(): ConnectionStats
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
  /** The maximum number of bytes that the peer may send. Default: no limit. */
  maxBytes?: number | undefined
  /** Receives the event `closed`. */
  observer?: Pick<Observer, 'closed'> | undefined
}

export interface OpenConnection extends Connection {
  readonly log: Logger | undefined
  info(direction: Direction): ConnectionInfo
  /** Creates the streams of stages. The connection destroys them when it fails. */
  prepare(transforms: Transforms, direction: Direction): Plan
  /** Drops stages that are finished while the connection continues. */
  forget(plan: Plan): void
  /** Starts source → segments → sink. If it fails, the connection fails. */
  transfer(options: GivenTransfer): Transfer
  /** Adds the target leg of a proxy, whose address is `to`. Throws if the connection has failed already. */
  join(target: Leg, to: string): void
  /** Fails the connection: destroys all streams and resets the peer. */
  fail(error: unknown): void
  /** Rejects when the connection fails, even if transfers still run. */
  readonly failed: Promise<never>
  /** Ends the local side and waits for the peer's end. Stops transfers that still run, without a failure. */
  finish(): Promise<Summary>
  /** Does the same without waiting for the peer. */
  drop(): void
}

export function openConnection(leg: Leg, options: ConnectionOptions): OpenConnection {
  const { number = 1, observer, maxBytes, maxRecord } = options
  const identity = { id: newId(), number, remote: leg.remote, port: leg.port }
  const log = options.log?.child({ connection: identity.id, remote: formatRemote(identity) })
  const state = openState(leg, identity, { observer, maxBytes, maxRecord })
  const failWith = (error: unknown) => fail(state, error)
  const stopWatch = watchIdle(state.legs, options, () => waitsForSink(state), failWith)
  watchLeg(state, leg)
  const stopDeadlines = deadlines(leg, options, failWith)
  void state.closed.then(() => {
    stopWatch()
    stopDeadlines()
  })
  const info = (direction: Direction) => ({ ...identity, direction })
  return {
    id: identity.id,
    number,
    remote: leg.remote,
    port: leg.port,
    log,
    closed: state.closed,
    failed: state.failed,
    info,
    prepare: (transforms, direction) => prepare(state, log, transforms, info(direction)),
    forget: plan => forget(state, plan),
    transfer: given => transfer(state, given),
    join: (target, to) => join(state, target, to),
    fail: failWith,
    finish: () => finish(state),
    drop: () => drop(state),
    stats: () => connectionStats(state),
    close: reason => close(state, reason),
    reset: (reason = 'the connection was reset by its owner') => failWith(new TcpPipeError('ERR_CLOSED', reason)),
  }
}

function watchLeg(state: ConnectionState, added: Leg): void {
  const { legs, maxBytes } = state
  const { stream } = added
  if (maxBytes) capBytes(added, maxBytes, error => failBy(state, added, error))
  stream.on('end', () => {
    state.endedFirst ??= endedFirst(legs, added)
  })
  stream.on('error', error => failBy(state, added, error))
}

function failBy(state: ConnectionState, by: Leg, error: Error): void {
  if (isBetter(state, error)) state.failedLeg = by
  fail(state, error)
}

function fail(state: ConnectionState, error: unknown): void {
  if (state.isOver || (state.finishing && isPremature(error))) return
  if (isBetter(state, error)) state.failure = toError(error)
  const failure = state.failure as Error
  for (const each of state.legs) each.reset(failure)
  for (const stream of state.streams) stream.destroy(failure)
  state.reject(failure)
}

/** The first error is reported, unless it only states that a stream ended prematurely. */
function isBetter({ failure }: ConnectionState, error: unknown): boolean {
  return !failure || (isPremature(failure) && !isPremature(error))
}

function join(state: ConnectionState, leg: Leg, to: string): void {
  state.target = { leg, to }
  state.legs.push(leg)
  watchLeg(state, leg)
  if (!state.failure && !state.finishing && !state.closing) return
  const error = state.failure ?? closedError()
  leg.reset(error)
  throw error
}

/** Lists at most the first hundred faults. */
const mostFaults = 100

function prepare(
  state: ConnectionState,
  log: Logger | undefined,
  transforms: Transforms,
  connection: ConnectionInfo,
): Plan {
  const { warnings, faults, maxRecord } = state
  const warn = (message: string) => void warnings.push(message)
  const noteFault = (fault: FaultNote) => void (faults.length < mostFaults && faults.push(fault))
  const planned = plan(partsOf(transforms(connection)), { log, connection, warn, noteFault, maxRecord })
  for (const stream of planned.streams) {
    state.streams.add(stream)
    // An error after the end of its output counts, too; but `pipeline` itself destroys a stream that is not done by then.
    stream.on('error', error => errorCode(error) !== 'ERR_STREAM_DESTROYED' && fail(state, error))
  }
  return planned
}

/** Destroys the stream when the connection fails. Its transfer reports its errors and may have ended before. */
function adopt({ streams }: ConnectionState, stream: Readable | Writable): void {
  streams.add(stream.on('error', () => {}))
}

function forget({ streams }: ConnectionState, plan: Plan): void {
  for (const stream of plan.streams) streams.delete(stream)
}

function transfer(state: ConnectionState, options: GivenTransfer): Transfer {
  const { source, sink, sourceLeg, sinkLeg } = options
  if (sink.leg) state.legs.push(sink.leg)
  for (const stream of [sourceLeg ? [] : source, sinkLeg ? [] : sink].flat()) {
    adopt(state, stream)
    if (state.failure || state.finishing) stream.destroy(state.failure) // it ended before its sink opened
  }
  const transfer = openTransfer({ ...options, forget: plan => forget(state, plan) })
  state.transfers = [...state.transfers, { transfer, options }]
  if (state.closing) transfer.stop()
  const done = transfer.done.then(
    () => void state.warnings.push(...(source.warnings ?? [])),
    error => {
      fail(state, error)
      if (state.failure) throw state.failure
    },
  )
  return Object.assign(transfer, { done })
}

function finish(state: ConnectionState): Promise<Summary> {
  state.finished ??= end(state)
  return state.finished
}

/** The sink itself ends its leg. */
async function end(state: ConnectionState): Promise<Summary> {
  state.finishing = true
  const own = state.target ? [state.leg, state.target.leg] : [state.leg]
  await Promise.all(own.map(each => leave(each, () => state.failure !== undefined, state.closing !== undefined)))
  const summary = summarize(state)
  state.isOver = true
  state.observer?.closed?.(summary)
  state.settle(summary)
  return summary
}

/** The transfers end as if their sources had. Nothing else is waited for: no handler, and nothing that is still opened. */
function close(state: ConnectionState, reason: string | undefined): Promise<Summary> {
  state.closing ??= reason === undefined ? {} : { reason }
  for (const { transfer } of state.transfers) transfer.stop()
  void Promise.allSettled(state.transfers.map(({ transfer }) => transfer.done)).then(() => finish(state))
  return state.closed
}

/** Aborts when the connection fails or ends: what is opened for it is not needed any more. */
export function whileOpen({ failed, closed }: OpenConnection): AbortSignal {
  const abort = new AbortController()
  const end = () => abort.abort()
  failed.catch(end)
  void closed.then(end)
  return abort.signal
}

/** It says no more than that the end came early: an end that its owner wants is no failure. */
function closedError(): Error {
  return Object.assign(new Error('the connection was closed'), { code: 'ERR_STREAM_PREMATURE_CLOSE' })
}

function drop(state: ConnectionState): void {
  state.finishing = true
  for (const { stream } of state.legs) stream.destroy()
}

function isPremature(error: unknown): boolean {
  return errorCode(error) === 'ERR_STREAM_PREMATURE_CLOSE'
}

function toError(value: unknown): Error {
  return value instanceof Error ? value : new Error(String(value), { cause: value })
}
