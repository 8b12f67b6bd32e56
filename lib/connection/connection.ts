/** One connection: its legs, its transfers, its timeouts, how it fails and the summary of its end. */
import type { Readable, Writable } from 'node:stream'
import type { Leg } from '../endpoints/endpoint.js'
import { capBytes } from '../endpoints/max-bytes.js'
import type { ConnectionInfo, Logger } from '../stages/context.js'
import { partsOf } from '../stages/parts.js'
import { type Plan, plan } from '../stages/plan.js'
import type { Transforms } from '../stages/transforms.js'
import type { Observer } from '../stats/observer.js'
import type { ConnectionStats, Direction } from '../stats/snapshot.js'
import type { FaultNote, Side, Summary } from '../stats/summary.js'
import { errorCode, TcpPipeError, type TimeoutName } from '../text/errors.js'
import { formatRemote } from '../text/remote.js'
import { closedBy, endedFirst } from './closed-by.js'
import { leave } from './linger.js'
import { deadlines, type Timeouts, watchIdle } from './timeouts.js'
import { openTransfer, type Transfer, type TransferOptions } from './transfer.js'

/** A connection as library users see it. */
export interface Connection extends Omit<ConnectionInfo, 'direction'> {
  /** Resolves at the end of the connection, whatever caused it. */
  readonly closed: Promise<Summary>
  /** The figures at this time. */
  stats(): ConnectionStats
  /**
   * Ends the connection as a success: nothing more is read, what has been read is delivered, and both sides are ended.
   * The reason is reported in the summary. Resolves with that.
   */
  close(reason?: string): Promise<Summary>
  /** Fails the connection: the peer sees a reset. The reason is the message of the error in the summary. */
  reset(reason?: string): void
}

export interface ConnectionOptions extends Timeouts {
  log: Logger | undefined
  maxRecord: number | undefined
  /** Its place among the connections of its server. Default: 1. */
  number?: number
  /** The bytes that a peer may send over it. Default: without limit. */
  maxBytes?: number | undefined
  /** Hears of its end. */
  observer?: Pick<Observer, 'closed'> | undefined
}

export interface OpenConnection extends Connection {
  readonly log: Logger | undefined
  info(direction: Direction): ConnectionInfo
  /** The streams of stages: the connection destroys them when it fails. */
  prepare(transforms: Transforms, direction: Direction): Plan
  /** Stages that are over while the connection goes on are no more a part of it. */
  forget(plan: Plan): void
  /** Source → segments → sink. Its failure is that of the connection. */
  transfer(options: Omit<TransferOptions, 'forget'>): Transfer
  /** Makes the other leg of a proxy a part of the connection; `to` is its address. Throws if that has failed already. */
  join(target: Leg, to: string): void
  /** Ends the connection as failed: everything is destroyed, the peer sees a reset. */
  fail(error: unknown): void
  /** Rejects when the connection has failed, whatever still runs. */
  readonly failed: Promise<never>
  /** Ends our side and waits for the peer's; `closed` resolves. A transfer that still runs is over and no failure. */
  finish(): Promise<Summary>
  /** The same without waiting. */
  drop(): void
}

/** Faults after the first hundred are not listed. */
const mostFaults = 100

export function openConnection(leg: Leg, options: ConnectionOptions): OpenConnection {
  const started = performance.now()
  const { number = 1, maxRecord, maxBytes } = options
  const identity = { id: newId(), number, remote: leg.remote, port: leg.port }
  const log = options.log?.child({ connection: identity.id, remote: formatRemote(identity) })
  const legs: Leg[] = []
  const streams = new Set<Readable | Writable>()
  const transfers: { transfer: Transfer; options: Omit<TransferOptions, 'forget'> }[] = []
  const warnings: string[] = []
  const faults: FaultNote[] = []
  let target: { leg: Leg; to: string } | undefined
  let failure: Error | undefined
  let finishing = false
  let isOver = false
  let finished: Promise<Summary> | undefined
  let closing: { reason?: string } | undefined // by its owner
  let failedLeg: Leg | undefined
  let first: Leg | undefined // to end
  let settle: (summary: Summary) => void
  let reject: (error: Error) => void
  const failed = new Promise<never>((_, rejectIt) => {
    reject = rejectIt
  })
  failed.catch(ignore)
  const closed = new Promise<Summary>(resolve => {
    settle = resolve
  })
  const stopWatch = watchIdle(legs, options, waitsForSink, fail)
  addLeg(leg)
  const stopDeadlines = deadlines(leg, options, fail)

  function addLeg(added: Leg): void {
    const { stream } = added
    legs.push(added)
    if (maxBytes) capBytes(added, maxBytes, error => failBy(added, error))
    stream.on('end', () => {
      first ??= endedFirst(legs, added)
    })
    stream.on('error', error => failBy(added, error))
  }

  /** That a sink of ours is busy is not idle time of the peer. A sink that sends to a leg is: that one is watched, too. */
  function waitsForSink(): boolean {
    return transfers.some(({ options: { sink, sinkLeg } }) => !sinkLeg && !sink.leg && isBusy(sink))
  }

  function failBy(by: Leg, error: Error): void {
    if (isBetter(error)) failedLeg = by
    fail(error)
  }

  function join(added: Leg, to: string): void {
    target = { leg: added, to }
    addLeg(added)
    if (!failure && !finishing) return
    const error = failure ?? new TcpPipeError('ERR_CLOSED', 'the connection was closed')
    added.reset(error)
    throw error
  }

  function fail(error: unknown): void {
    if (isOver || (finishing && isPremature(error))) return
    if (isBetter(error)) failure = toError(error)
    for (const each of legs) each.reset(failure as Error)
    for (const stream of streams) stream.destroy(failure)
    reject(failure as Error)
  }

  /** The first error is the one to report, unless it says no more than that something has ended too early. */
  function isBetter(error: unknown): boolean {
    return !failure || (isPremature(failure) && !isPremature(error))
  }

  function prepare(transforms: Transforms, direction: Direction): Plan {
    const connection = info(direction)
    const warn = (message: string) => void warnings.push(message)
    const noteFault = (fault: FaultNote) => void (faults.length < mostFaults && faults.push(fault))
    const planned = plan(partsOf(transforms(connection)), { log, connection, warn, noteFault, maxRecord })
    for (const stream of planned.streams) adopt(stream)
    return planned
  }

  function forget(plan: Plan): void {
    for (const stream of plan.streams) streams.delete(stream)
  }

  function transfer(given: Omit<TransferOptions, 'forget'>): Transfer {
    const { source, sink, sourceLeg, sinkLeg } = given
    if (sink.leg) legs.push(sink.leg)
    if (!sourceLeg) adopt(source)
    if (!sinkLeg) adopt(sink)
    const opened = openTransfer({ ...given, forget })
    transfers.push({ transfer: opened, options: given })
    const done = opened.done.then(
      () => void warnings.push(...(source.warnings ?? [])),
      error => {
        fail(error)
        if (failure) throw failure
      },
    )
    return { ...opened, done }
  }

  /** Destroyed when the connection fails. Its pipeline tells of its errors, and may have ended by then. */
  function adopt(stream: Readable | Writable): void {
    streams.add(stream.on('error', ignore))
  }

  function info(direction: Direction): ConnectionInfo {
    return { ...identity, direction }
  }

  function finish(): Promise<Summary> {
    finished ??= end()
    return finished
  }

  async function end(): Promise<Summary> {
    finishing = true
    await Promise.all(ownLegs().map(each => leave(each, () => failure !== undefined)))
    stopWatch()
    stopDeadlines()
    const summary = summarize()
    isOver = true
    options.observer?.closed?.(summary)
    settle(summary)
    return summary
  }

  /** The leg of a sink is ended by that. */
  function ownLegs(): Leg[] {
    return target ? [leg, target.leg] : [leg]
  }

  function summarize(): Summary {
    const { timeout } = (failure ?? {}) as { timeout?: TimeoutName }
    const reports = transfers.flatMap(({ options: { sink } }) => (sink.report ? [sink.report()] : []))
    const side = target && sideOf(failure ? failedLeg : first)
    const { tls } = leg.facts
    return {
      ...identity,
      bytesIn: leg.bytes.in,
      bytesOut: leg.bytes.out,
      duration: Math.round(performance.now() - started),
      closedBy: closedBy(failure, failedLeg !== undefined, first !== undefined && !closing),
      ...closing,
      ...(timeout && { timeout }),
      ...(side && { side }),
      ...(failure && { error: failure }),
      warnings,
      ...(faults.length > 0 && { faults }),
      directions: transfers.map(({ transfer }) => transfer.stats()),
      ...(reports.length > 0 && { sink: Object.assign({}, ...reports) }),
      ...(tls && { tls }),
      ...(target && { target: { ...targetStats(target), ...target.leg.facts } }),
    }
  }

  function targetStats({ leg: { bytes }, to }: NonNullable<typeof target>) {
    return { to, bytesIn: bytes.in, bytesOut: bytes.out }
  }

  function sideOf(each: Leg | undefined): Side | undefined {
    return each && (each === leg ? 'client' : 'target')
  }

  function stats(): ConnectionStats {
    return {
      ...identity,
      age: performance.now() - started,
      bytesIn: leg.bytes.in,
      bytesOut: leg.bytes.out,
      ...(target && { target: targetStats(target) }),
      directions: transfers.map(({ transfer }) => transfer.stats()),
    }
  }

  /** The transfers end as if their sources had; who waits for them goes on to `finish`. A handler is not waited for. */
  function close(reason?: string): Promise<Summary> {
    closing ??= reason === undefined ? {} : { reason }
    for (const { transfer } of transfers) transfer.stop()
    if (transfers.length === 0) void finish()
    return closed
  }

  function reset(reason = 'the connection was reset by its owner'): void {
    fail(new TcpPipeError('ERR_CLOSED', reason))
  }

  function drop(): void {
    finishing = true
    for (const { stream } of legs) stream.destroy()
  }

  return {
    ...identity,
    log,
    closed,
    failed,
    info,
    prepare,
    forget,
    transfer,
    join,
    fail,
    finish,
    drop,
    stats,
    close,
    reset,
  }
}

function ignore(): void {}

/** A write or the end of a sink is under way. */
function isBusy(sink: Writable): boolean {
  return !sink.destroyed && (sink.writableLength > 0 || (sink.writableEnded && !sink.writableFinished))
}

function isPremature(error: unknown): boolean {
  return errorCode(error) === 'ERR_STREAM_PREMATURE_CLOSE'
}

function toError(value: unknown): Error {
  return value instanceof Error ? value : new Error(String(value), { cause: value })
}

let lastId = 0

/** Microseconds since 1970 in base 36: ten characters until 2085. */
function newId(): string {
  lastId = Math.max(Math.floor((performance.timeOrigin + performance.now()) * 1000), lastId + 1)
  return lastId.toString(36).padStart(10, '0')
}
