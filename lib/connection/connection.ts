/** One connection: its pipelines, its timeouts, how it fails and the summary of its end. */

import { once } from 'node:events'
import type { Socket } from 'node:net'
import type { Duplex, Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Sink, Source } from '../endpoints/endpoint.js'
import { capBytes } from '../endpoints/max-bytes.js'
import { hiddenReset, resetOnError } from '../endpoints/reset.js'
import type { ConnectionInfo, Logger } from '../stages/context.js'
import type { Part } from '../stages/parts.js'
import { type Plan, plan } from '../stages/plan.js'
import type { RunMeter } from '../stats/meter.js'
import {
  closedByFailure,
  type FaultNote,
  logSummary,
  type Side,
  type Summary,
  type TlsFacts,
  tlsFacts,
} from '../stats/summary.js'
import { errorCode, type TimeoutName } from '../text/errors.js'
import { formatRemote } from '../text/remote.js'
import { deadlines, idleWatch, type Timeouts } from './timeouts.js'

/** A connection as library users see it. */
export interface Connection extends Omit<ConnectionInfo, 'direction'> {
  /** Resolves at the connection's end, whatever it was. */
  readonly closed: Promise<Summary>
}

export interface ConnectionOptions extends Timeouts {
  log: Logger | undefined
  maxRecord: number | undefined
  /** Its place among the connections of its server. Default: 1. */
  number?: number
  /** How many bytes a peer may send over it. Default: without limit. */
  maxBytes?: number | undefined
}

export interface OpenConnection extends Connection {
  readonly log: Logger | undefined
  info(direction: ConnectionInfo['direction']): ConnectionInfo
  /** The streams of stages: the connection destroys them when it fails, and its summary has their meters. */
  prepare(parts: readonly Part[], direction: ConnectionInfo['direction']): Plan
  /** Stages that are over while the connection goes on are no more a part of it. */
  forget(plan: Plan): void
  /** Source → stages → sink. The socket may be either end; from it, the stages are made when its first byte comes. */
  transfer(
    source: Source,
    parts: () => readonly Part[],
    sink: Sink,
    direction: ConnectionInfo['direction'],
  ): Promise<void>
  /** Makes the other socket of a proxy a part of the connection; `to` is its address. Throws if that has failed already. */
  join(target: Socket, to: string): void
  /** Ends the connection as failed: everything is destroyed, the peer sees a reset. */
  fail(error: unknown): void
  /** Rejects when the connection has failed, whatever still runs. */
  readonly failed: Promise<never>
  /** Ends our side and waits for the peer's; `closed` resolves. A transfer that still runs is over and no failure. */
  finish(): Promise<Summary>
  /** The same without waiting. */
  close(): void
}

/** Milliseconds that a peer has to end after us, before we close: a close at once could destroy what it has not read yet. */
export const lingerTime = 1000

/** No more faults than these are told of one connection. */
const mostFaults = 100

export function openConnection(socket: Socket, options: ConnectionOptions): OpenConnection {
  const started = performance.now()
  const { number = 1, maxRecord, maxBytes } = options
  const identity = { id: newId(), number, remote: remoteName(socket), port: socket.remotePort }
  const log = options.log?.child({ connection: identity.id, remote: formatRemote(identity) })
  const sockets: Socket[] = []
  const streams = new Set<Readable | Writable>()
  const sinks: Sink[] = []
  const runs = new Set<RunMeter>()
  const warnings: string[] = []
  const faults: FaultNote[] = []
  const tls = tlsFacts(socket)
  let target: { socket: Socket; to: string; tls: TlsFacts | undefined } | undefined
  let failure: Error | undefined
  let finishing = false
  let failedSocket: Socket | undefined
  let endedFirst: Socket | undefined
  let settle: (summary: Summary) => void
  let reject: (error: Error) => void
  const failed = new Promise<never>((_, rejectIt) => {
    reject = rejectIt
  })
  failed.catch(ignore)
  const closed = new Promise<Summary>(resolve => {
    settle = resolve
  })
  let drainedAt = Number.NEGATIVE_INFINITY
  const watch = idleWatch(options, waitedForSink, fail)
  addSocket(socket)
  deadlines(socket, options, fail)

  function addSocket(added: Socket): void {
    sockets.push(added)
    resetOnError(added)
    if (maxBytes) capBytes(added, maxBytes, error => failBy(added, error))
    added.on('end', () => {
      if (!sockets.some(each => each.writableEnded)) endedFirst ??= added
      const reset = hiddenReset(added)
      if (reset) added.destroy(reset)
    })
    added.on('error', error => failBy(added, error))
    watch(added)
  }

  function waitedForSink(time: number): boolean {
    return performance.now() - drainedAt < time || sinks.some(sink => !isSocket(sink) && isBusy(sink))
  }

  function failBy(by: Socket, error: Error): void {
    if (isBetter(error)) failedSocket = by
    fail(error)
  }

  function join(added: Socket, to: string): void {
    target = { socket: added, to, tls: tlsFacts(added) }
    addSocket(added)
    if (!failure) return
    added.destroy(failure)
    throw failure
  }

  function fail(error: unknown): void {
    if (finishing && isPremature(error)) return
    if (isBetter(error)) failure = toError(error)
    for (const stream of [...sockets, ...streams]) stream.destroy(failure)
    reject(failure as Error)
  }

  /** The first error is the one to tell, but for the one that says no more than that something has ended too early. */
  function isBetter(error: unknown): boolean {
    return !failure || (isPremature(failure) && !isPremature(error))
  }

  function forget(plan: Plan): void {
    for (const meter of plan.meters) runs.delete(meter)
    for (const stream of plan.streams) streams.delete(stream)
  }

  function prepare(parts: readonly Part[], direction: ConnectionInfo['direction']): Plan {
    const warn = (message: string) => void warnings.push(message)
    const noteFault = (fault: FaultNote) => void (faults.length < mostFaults && faults.push(fault))
    const planned = plan(parts, { log, connection: { ...identity, direction }, warn, noteFault, maxRecord })
    for (const meter of planned.meters) runs.add(meter)
    for (const stream of planned.streams) adopt(stream)
    return planned
  }

  async function transfer(
    source: Source,
    parts: () => readonly Part[],
    sink: Sink,
    direction: ConnectionInfo['direction'],
  ): Promise<void> {
    sinks.push(sink)
    if (sink.socket) watch(sink.socket)
    else if (!isSocket(sink))
      sink.on('drain', () => {
        drainedAt = performance.now()
      })
    for (const stream of [source, sink]) adopt(stream)
    try {
      if (source === (socket as Readable)) await firstByte(socket)
      const planned = prepare(parts(), direction)
      if ('lines' in sink) sink.lines = planned.makesLines
      await run(source, planned.streams, sink, source === (socket as Readable))
      warnings.push(...(source.warnings ?? []))
    } catch (error) {
      fail(error)
      if (failure) throw failure
    }
  }

  /** Destroyed when the connection fails. Its pipeline tells of its errors, and may have ended by then. */
  function adopt(stream: Readable | Writable): void {
    if (isSocket(stream)) return
    streams.add(stream.on('error', ignore))
  }

  function isSocket(stream: unknown): boolean {
    return sockets.includes(stream as Socket)
  }

  async function finish(): Promise<Summary> {
    finishing = true
    await Promise.all(sockets.map(leave))
    const reports = sinks.flatMap(sink => (sink.report ? [sink.report()] : []))
    const { timeout } = (failure ?? {}) as { timeout?: TimeoutName }
    const side = target && sideOf(failure ? failedSocket : endedFirst)
    const summary: Summary = {
      ...identity,
      bytesIn: socket.bytesRead,
      bytesOut: socket.bytesWritten,
      duration: Math.round(performance.now() - started),
      closedBy: failure ? closedByFailure(failure, failedSocket !== undefined) : endedFirst ? 'peer' : 'local',
      ...(timeout && { timeout }),
      ...(side && { side }),
      ...(failure && { error: failure }),
      warnings,
      ...(faults.length > 0 && { faults }),
      runs: [...runs],
      ...(reports.length > 0 && { sink: Object.assign({}, ...reports) }),
      ...(tls && { tls }),
      ...(target && { target: targetSummary(target) }),
    }
    if (log) logSummary(log, summary)
    settle(summary)
    return summary
  }

  function targetSummary({ socket: { bytesRead, bytesWritten }, to, tls: facts }: NonNullable<typeof target>) {
    return { to, bytesIn: bytesRead, bytesOut: bytesWritten, ...(facts && { tls: facts }) }
  }

  /** Ends our side of it and waits until it is closed. */
  async function leave(each: Socket): Promise<void> {
    if (!failure) each.end()
    if (!failure && !each.readableEnded && !isRead(each)) await linger(each)
    if (!each.closed) await new Promise(resolve => each.once('close', resolve))
  }

  function sideOf(each: Socket | undefined): Side | undefined {
    return each && (each === socket ? 'client' : 'target')
  }

  function close(): void {
    finishing = true
    for (const each of sockets) each.destroy()
  }

  return {
    ...identity,
    log,
    closed,
    info: direction => ({ ...identity, direction }),
    prepare,
    forget,
    transfer,
    join,
    fail,
    failed,
    finish,
    close,
  }
}

/**
 * One pipeline. It ends when the sink has taken everything, also if a stage stopped before the source did: then the
 * source is released, and what it still sends is nobody's.
 */
export async function run(source: Readable, stages: Duplex[], sink: Writable, keepSource = false): Promise<void> {
  const stopped = new Promise<void>(resolve => {
    sink.on('finish', () => {
      if (!source.readableEnded) resolve()
    })
  })
  const whole = pipeline([source, ...stages, sink] as unknown as [Readable, Duplex, Writable])
  whole.catch(ignore) // after a stop nobody waits for it
  await Promise.race([whole, stopped.then(() => release(source, keepSource))])
}

/** A pipeline is built when there is something to pipe, or the end: until then a connection is a socket, and small. */
function firstByte(socket: Socket): Promise<void> | undefined {
  if (socket.readableLength > 0 || socket.readableEnded || socket.destroyed) return undefined
  return new Promise(resolve => {
    socket.once('readable', resolve)
    socket.once('close', resolve)
  })
}

function ignore(): void {}

/** The peer's address; of a unix socket `unix`, and `unknown` of a peer that has gone already. */
export function remoteName(socket: Socket): string {
  const isUnix = socket.localAddress === undefined // of a client that has gone already only that is known
  return socket.remoteAddress?.replace(/^::ffff:(?=\d+\.)/, '') ?? (isUnix ? 'unix' : 'unknown')
}

function release(source: Readable, keep: boolean): void {
  if (keep) source.unpipe().pause()
  else source.destroy()
}

function isRead(socket: Socket): boolean {
  return socket.listenerCount('data') + socket.listenerCount('readable') > 0
}

/** A peer that still sends gets a reset from the kernel when we close, which would destroy what it has not read yet. */
async function linger(socket: Socket): Promise<void> {
  if (!socket.writableFinished) await Promise.race([once(socket, 'finish'), once(socket, 'close')]).catch(() => {})
  if (socket.bytesWritten > 0 && !socket.destroyed) {
    const timer = setTimeout(() => socket.destroy(), lingerTime)
    socket.once('close', () => clearTimeout(timer))
    socket.once('end', () => socket.destroy())
    socket.resume()
  } else socket.destroy()
}

/** A write or the end of our sink is under way: that time is not idle. */
function isBusy(sink: Sink): boolean {
  return !sink.socket && !sink.destroyed && (sink.writableLength > 0 || (sink.writableEnded && !sink.writableFinished))
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
