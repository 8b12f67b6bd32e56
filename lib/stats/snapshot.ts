/** Snapshots: figures as plain JSON, as they are at the time. Times are milliseconds; what is under way counts. */
import type { RunMeter, StageMeter } from './meter.js'

/** From the client or our source towards the sink or the target; or back. */
export type Direction = 'forward' | 'reply'

/** On success who ended first; otherwise the kind of failure. */
export type ClosedBy = 'peer' | 'local' | 'reset' | 'timeout' | 'limit' | 'signal' | 'error'

/** One stage. */
export interface StageStats {
  readonly name: string
  /** Records that it has received and given: chunks, lines or JSON values, by its unit. 0 for a Duplex. */
  readonly recordsIn: number
  readonly recordsOut: number
  /** Time that it has worked or awaited something. */
  readonly busy: number
  /** Time that it has waited for its input, and for its output to be taken: by the stages of its run, too. */
  readonly waitingForInput: number
  readonly waitingForOutput: number
}

/** A run: neighbouring functions that are fused into one stream, or a Duplex alone. Its three times sum to its age. */
export interface RunStats {
  readonly bytesIn: number
  readonly bytesOut: number
  readonly waitingForInput: number
  readonly busy: number
  readonly waitingForOutput: number
  /** True if it has ended by itself, before its input had. */
  readonly stopped: boolean
  /** True if other stages have taken its place, or its output has ended. */
  readonly over: boolean
  readonly stages: readonly StageStats[]
}

/** A segment: a group of stages that can be changed by itself. */
export interface SegmentStats {
  readonly name: string
  /** What has gone in and come out, through all stages that it has had. */
  readonly bytesIn: number
  readonly bytesOut: number
  /** In their order. The figures of stages that were replaced by the same stages again are added up. */
  readonly runs: readonly RunStats[]
}

/** One direction of a connection. */
export interface DirectionStats {
  readonly direction: Direction
  /** Bytes that were taken from the source, and bytes that the sink has been given. */
  readonly bytesIn: number
  readonly bytesOut: number
  /** From the source to the sink, then those that were removed. */
  readonly segments: readonly SegmentStats[]
}

export interface ConnectionStats {
  readonly id: string
  readonly number: number
  readonly remote: string
  /** Undefined where the carrier has no ports. */
  readonly port?: number
  /** Milliseconds since it was opened. */
  readonly age: number
  /** Bytes received from the peer, and bytes sent to it. */
  readonly bytesIn: number
  readonly bytesOut: number
  /** Of a proxy: the bytes received from the target, and sent to it. */
  readonly target?: { readonly to: string; readonly bytesIn: number; readonly bytesOut: number }
  /** Empty for a handler, which has the stream to itself. */
  readonly directions: readonly DirectionStats[]
}

/** Why a connection was turned away: the access lists or a limit. */
export type Reason = 'access' | 'maxConnections' | 'maxPerIp'

export interface ServerStats {
  /** Milliseconds since it began to listen. */
  readonly age: number
  /** Connections that were served; with TLS, those whose handshake has succeeded. */
  readonly accepted: number
  /** How many of these have ended, by the cause. */
  readonly closed: Readonly<Record<ClosedBy, number>>
  /** How many of these have failed. */
  readonly failed: number
  /** Connections that were turned away, by the reason. */
  readonly refused: Readonly<Record<Reason, number>>
  /** Clients whose TLS handshake has failed. */
  readonly handshakeFailures: number
  /** Bytes received from clients and sent to clients, by all connections, those that are open included. */
  readonly bytesIn: number
  readonly bytesOut: number
  /** The connections that are open. */
  readonly connections: readonly ConnectionStats[]
}

/** The figures of a run at this time. */
export function runStats(meter: RunMeter, now = performance.now()): RunStats {
  const { bytesIn, bytesOut, stopped, state } = meter
  const timeIn = (of: RunMeter['state']) => meter[of] + (of === state ? now - meter.since : 0)
  const times = { waitingForInput: timeIn('input'), busy: timeIn('busy'), waitingForOutput: timeIn('output') }
  return { bytesIn, bytesOut, ...times, stopped, over: state === 'over', stages: stageStats(meter, times, now) }
}

type Times = Pick<RunStats, 'waitingForInput' | 'busy' | 'waitingForOutput'>

/** A Duplex is its run. A function waits while those before it in the run work, and while those after it do. */
function stageStats({ stages }: RunMeter, times: Times, now: number): StageStats[] {
  const [only] = stages
  if (stages.length === 1 && only && only.recordsIn === 0) {
    const { name, recordsIn, recordsOut } = only
    return [{ name, recordsIn, recordsOut, ...times }]
  }
  const age = times.waitingForInput + times.busy + times.waitingForOutput
  let after = stages.reduce((sum, stage) => sum + busyTime(stage, now), 0)
  return stages.map(stage => {
    const { name, recordsIn, recordsOut } = stage
    const busy = busyTime(stage, now)
    after -= busy
    const waitingForOutput = times.waitingForOutput + after
    return {
      name,
      recordsIn,
      recordsOut,
      busy,
      waitingForInput: Math.max(0, age - busy - waitingForOutput),
      waitingForOutput,
    }
  })
}

function busyTime({ busy, busySince }: StageMeter, now: number): number {
  return busy + (busySince < 0 ? 0 : now - busySince)
}

/** The figures of two runs of the same stages, one after the other. */
export function addRuns(one: RunStats, other: RunStats): RunStats {
  return {
    ...sums(one, other, ['bytesIn', 'bytesOut', 'waitingForInput', 'busy', 'waitingForOutput']),
    stopped: one.stopped || other.stopped,
    over: one.over && other.over,
    stages: one.stages.map((stage, i) => ({
      name: stage.name,
      ...sums(stage, other.stages[i] as StageStats, [
        'recordsIn',
        'recordsOut',
        'busy',
        'waitingForInput',
        'waitingForOutput',
      ]),
    })),
  }
}

function sums<K extends string>(
  one: Record<K, number>,
  other: Record<K, number>,
  keys: readonly K[],
): Record<K, number> {
  return Object.fromEntries(keys.map(key => [key, one[key] + other[key]])) as Record<K, number>
}
