/** The state of a connection, and its reports: the figures and the final summary. */
import type { Readable, Writable } from 'node:stream'
import type { Leg, Sink } from '../endpoints/endpoint.js'
import type { Observers } from '../stats/observer.js'
import type { ConnectionStats } from '../stats/snapshot.js'
import type { FaultNote, Side, Summary } from '../stats/summary.js'
import { originOf } from '../text/blame.js'
import { errorMessage, isReset, type TimeoutName } from '../text/errors.js'
import { closedBy } from './closed-by.js'
import { Later } from './later.js'
import type { Talk } from './talk.js'
import type { Transfer, TransferOptions } from './transfer.js'

/** Who hears of a connection. */
export type ConnectionObserver = Pick<Observers, 'passed' | 'faulted' | 'closed' | 'takesBytes'>

export interface ConnectionState {
  readonly leg: Leg
  readonly identity: Pick<Summary, 'id' | 'number' | 'remote' | 'port'>
  readonly observer: ConnectionObserver | undefined
  readonly maxBytes: number | undefined
  readonly maxRecord: number | undefined
  measure: boolean
  /** Timestamp of `performance.now()`. */
  readonly started: number
  /** All watched legs: those of the connection and those of sinks. */
  readonly legs: Leg[]
  /** Streams to destroy when the connection fails. */
  streams: readonly (Readable | Writable)[]
  transfers: readonly { readonly transfer: Transfer; readonly options: TransferOptions }[]
  readonly warnings: string[]
  readonly faults: FaultNote[]
  readonly closed: Later<Summary>
  readonly failed: Later<never>
  /** Called when the connection has failed. */
  onFailed?: () => void
  /** Called when the connection has ended. */
  onClosed?: () => void
  /** The other leg of a proxy. */
  target?: { readonly leg: Leg; readonly to: string; readonly talk: Talk }
  failure?: Error
  /** The leg that caused the failure. */
  failedLeg?: Leg
  /** Whether that leg has left after the conversation: this is no failure. */
  wasOver: boolean
  /** The leg whose peer ended before the local side. */
  endedFirst?: Leg | undefined
  /** Set after its owner closes the connection. */
  closing?: { readonly reason?: string }
  finishing: boolean
  finished?: Promise<Summary>
  isOver: boolean
}

/** Returns the state of a new connection. */
export function openState(
  leg: Leg,
  identity: ConnectionState['identity'],
  given: Pick<ConnectionState, 'observer' | 'maxBytes' | 'maxRecord' | 'measure'>,
): ConnectionState {
  return {
    leg,
    identity,
    ...given,
    closed: new Later(),
    failed: new Later(),
    started: performance.now(),
    legs: [leg],
    streams: [],
    transfers: [],
    warnings: [],
    faults: [],
    wasOver: false,
    finishing: false,
    isOver: false,
  }
}

export function connectionStats({ identity, leg, target, transfers, started }: ConnectionState): ConnectionStats {
  const { port, ...rest } = identity
  const { tls, via } = leg.facts
  return {
    ...rest,
    ...(port !== undefined && { port }), // plain JSON has no undefined
    age: performance.now() - started,
    bytesIn: leg.bytes.in,
    bytesOut: leg.bytes.out,
    ...(via !== undefined && { via }),
    ...(tls && { tls }),
    ...(target && { target: targetStats(target) }),
    directions: transfers.map(({ transfer }) => transfer.stats()),
  }
}

export function summarize(state: ConnectionState): Summary {
  const { target, failure, failedLeg, wasOver, closing, faults, transfers, leg } = state
  const { age, ...figures } = connectionStats(state)
  const { timeout } = (failure ?? {}) as { timeout?: TimeoutName }
  const reports = transfers.flatMap(({ options: { sink } }) => reportOf(state, sink))
  const origin = originOf(failure)
  const isBareEnd = wasOver && !isReset(failure)
  const side = target && sideOf(state, failure && !isBareEnd ? failedLeg : (state.endedFirst ?? failedLeg))
  return {
    ...figures,
    port: state.identity.port,
    duration: Math.round(age),
    closedBy: isBareEnd
      ? 'peer'
      : closedBy(failure, failedLeg !== undefined, state.endedFirst !== undefined && !closing),
    ...closing,
    ...(timeout && { timeout }),
    ...(side && { side }),
    ...(failure && !wasOver && { error: failure }),
    ...(origin && { origin }),
    warnings: state.warnings,
    ...(faults.length > 0 && { faults }),
    ...(reports.length > 0 && { sink: Object.assign({}, ...reports) }),
    ...leg.facts,
    ...(target && { target: { ...targetStats(target), ...target.leg.facts } }),
  }
}

/** A sink of the user may throw. */
function reportOf({ warnings }: ConnectionState, sink: Sink): object[] {
  try {
    return sink.report ? [sink.report()] : []
  } catch (error) {
    warnings.push(`the report of the sink failed: ${errorMessage(error)}`)
    return []
  }
}

function targetStats({ leg: { bytes, facts }, to }: NonNullable<ConnectionState['target']>) {
  return { to, bytesIn: bytes.in, bytesOut: bytes.out, ...(facts.tls && { tls: facts.tls }) }
}

function sideOf({ leg }: ConnectionState, each: Leg | undefined): Side | undefined {
  return each && (each === leg ? 'client' : 'target')
}

/** That a sink of ours is busy is not idle time of the peer. A sink that sends to a leg is: that one is watched, too. */
export function waitsForSink({ transfers }: ConnectionState): boolean {
  return transfers.some(({ options: { sink, sinkLeg } }) => !sinkLeg && legsOf(sink).length === 0 && isBusy(sink))
}

/** The legs that a sink sends to. */
export function legsOf({ leg, legs = [] }: Sink): readonly Leg[] {
  return leg ? [leg, ...legs] : legs
}

/** A write or the end of a sink is under way. */
function isBusy(sink: Writable): boolean {
  return !sink.destroyed && (sink.writableLength > 0 || (sink.writableEnded && !sink.writableFinished))
}
