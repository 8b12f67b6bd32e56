/** Snapshots: the current figures as plain JSON. Times are milliseconds and include work in progress. */
import { busy, input, output, type RunMeter, type StageMeter, since, thread } from './meter.js'
import type { TlsFacts } from './tls-facts.js'

/** `forward`: from the client, or the source of `send`, to the sink or the target. `reply`: the opposite direction. */
export type Direction = 'forward' | 'reply'

/** How a connection ended: the side that ended first on success, otherwise the kind of failure. */
export type ClosedBy = 'peer' | 'local' | 'reset' | 'timeout' | 'limit' | 'signal' | 'error'

/** The figures of one stage. Times are milliseconds. */
export interface StageStats {
  readonly name: string
  /** Records that the stage received: chunks, lines or JSON values, according to its unit. 0 for a Duplex. */
  readonly recordsIn: number
  /** Records that the stage returned. 0 for a Duplex. */
  readonly recordsOut: number
  /** Time spent working or awaiting a promise. */
  readonly busy: number
  /** Time spent waiting for input, including from earlier stages of the run. */
  readonly waitingForInput: number
  /** Time spent waiting for the consumer of the output, including later stages of the run. */
  readonly waitingForOutput: number
  /** Time that something else held the thread while the stage had something to do. */
  readonly waitingForThread: number
}

/** The states of a stage, and the figures with the time spent in them. They sum to the age of the stage. */
export const stageTimes = {
  input: 'waitingForInput',
  busy: 'busy',
  output: 'waitingForOutput',
  thread: 'waitingForThread',
} as const satisfies Record<string, keyof StageStats>

/** A run: adjacent functions fused into one stream, or a single Duplex. Its four times sum to its age. */
export interface RunStats {
  /** Bytes that entered the run. */
  readonly bytesIn: number
  /** Bytes that left the run. */
  readonly bytesOut: number
  readonly waitingForInput: number
  readonly busy: number
  readonly waitingForOutput: number
  readonly waitingForThread: number
  /** True if the run ended before its input. */
  readonly stopped: boolean
  /** True if other stages replaced the run, or its output ended. */
  readonly over: boolean
  /** True if it has left the direction: other stages have replaced it, or its segment was removed. */
  readonly removed?: true
  readonly stages: readonly StageStats[]
}

/** A segment: a named group of stages that can be changed separately. */
export interface SegmentStats {
  readonly name: string
  /** Bytes that entered the segment, including through replaced stages. */
  readonly bytesIn: number
  /** Bytes that left the segment, including from replaced stages. */
  readonly bytesOut: number
  /** In order. The figures of stages that were replaced by stages of the same names are summed. */
  readonly runs: readonly RunStats[]
}

/** The figures of a source or a sink: the times of a run. A source never waits for input, a sink never for output. */
export interface EndStats extends Times {
  /** What it is, such as `client`. */
  readonly name: string
  /** Whether it is a socket. */
  readonly isNetwork: boolean
}

/** The figures of one direction of a connection. */
export interface DirectionStats {
  readonly direction: Direction
  /** Bytes read from the source. */
  readonly bytesIn: number
  /** Bytes written to the sink. */
  readonly bytesOut: number
  /** The source, if the option `measure` is set and data has come. */
  readonly source?: EndStats
  /** The sink, in the same case. */
  readonly sink?: EndStats
  /** From the source to the sink, then those that were removed. */
  readonly segments: readonly SegmentStats[]
}

/** The figures of one connection. Times are milliseconds. */
export interface ConnectionStats {
  readonly id: string
  /** The sequence number of the connection on its server, from 1. */
  readonly number: number
  /** The address of the peer. */
  readonly remote: string
  /** The port of the peer; undefined if the carrier has no ports. */
  readonly port?: number
  /** The address of the balancer that has named the peer by the PROXY protocol; undefined without one. */
  readonly via?: string
  /** Milliseconds since the connection opened. */
  readonly age: number
  /** Bytes received from the peer. */
  readonly bytesIn: number
  /** Bytes sent to the peer. */
  readonly bytesOut: number
  /** The result of the TLS handshake with the peer; undefined without TLS. */
  readonly tls?: TlsFacts
  /** For a proxy: the address of the target, the bytes received from it (`bytesIn`) and sent to it (`bytesOut`). */
  readonly target?: {
    readonly to: string
    readonly bytesIn: number
    readonly bytesOut: number
    readonly tls?: TlsFacts
  }
  /** Empty for a handler, which uses the stream directly. */
  readonly directions: readonly DirectionStats[]
}

/** The reason for a refusal: the access lists, a limit, or no valid header of the PROXY protocol. */
export type Reason = 'access' | 'maxConnections' | 'maxPerIp' | 'proxyProtocol'

/** The figures of all stages of one name in one direction, of open and of ended connections. */
export interface StageTotals extends StageStats {
  readonly direction: Direction
  /** Bytes that entered the stage; of fused stages, only the first one counts them. */
  readonly bytesIn: number
  /** Bytes that left the stage; of fused stages, only the last one counts them. */
  readonly bytesOut: number
}

/** How long the ended connections lasted. Times are milliseconds. */
export interface Durations {
  /** The number of connections that lasted at most so long. Each bucket includes those before it. */
  readonly buckets: readonly { readonly upTo: number; readonly count: number }[]
  readonly count: number
  readonly sum: number
}

/** What a further sink has not taken in time, in bytes. */
export interface AlsoStats {
  readonly to: string
  /** Dropped. */
  readonly dropped: number
  /** Stored on the disk; they are delivered later. */
  readonly spooled: number
}

/** The figures of a server since its start. */
export interface ServerStats {
  /** Milliseconds since the server started. */
  readonly age: number
  /** The number of accepted connections; with TLS, after a successful handshake. */
  readonly accepted: number
  /** The number of ended connections, by cause. */
  readonly closed: Readonly<Record<ClosedBy, number>>
  /** The number of failed connections. */
  readonly failed: number
  /** The number of refused clients, by reason. */
  readonly refused: Readonly<Record<Reason, number>>
  /** The number of failed TLS handshakes. */
  readonly handshakeFailures: number
  /** Bytes received from clients in total, including open connections. */
  readonly bytesIn: number
  /** Bytes sent to clients in total, including open connections. */
  readonly bytesOut: number
  /** The durations of the ended connections. */
  readonly durations: Durations
  /** The stages by direction and name, in total, including those of open connections. */
  readonly stages: readonly StageTotals[]
  /** The further sinks, if there are any. */
  readonly also?: readonly AlsoStats[]
  /** The open connections. */
  readonly connections: readonly ConnectionStats[]
}

/** Returns the current figures of a run. */
export function runStats(meter: RunMeter, now = performance.now()): RunStats {
  const { bytesIn, bytesOut, stopped, state } = meter
  const spent = timesOf(meter, now)
  return { bytesIn, bytesOut, ...spent, stopped, over: state === 'over', stages: stageStats(meter, spent, now) }
}

/** Returns the current figures of a source or a sink. */
export function endStats(name: string, isNetwork: boolean, meter: RunMeter, now = performance.now()): EndStats {
  return { name, isNetwork, ...timesOf(meter, now) }
}

function timesOf({ clock, state }: RunMeter, now: number): Times {
  const open = now - clock[since]
  return {
    waitingForInput: clock[input] + (state === 'input' ? open : 0),
    busy: clock[busy] + (state === 'busy' ? open : 0),
    waitingForOutput: clock[output] + (state === 'output' ? open : 0),
    waitingForThread: clock[thread] as number,
  }
}

/** The names of the times. */
export const times = Object.values(stageTimes)

export type Times = Pick<RunStats, (typeof times)[number]>

/** A Duplex has the times of its run. A function waits while other stages of its run work. */
function stageStats({ stages }: RunMeter, spent: Times, now: number): StageStats[] {
  const [only] = stages
  if (stages.length === 1 && only && only.recordsIn === 0) {
    const { name, recordsIn, recordsOut } = only
    return [{ name, recordsIn, recordsOut, ...spent }]
  }
  const { waitingForThread } = spent
  const age = times.reduce((sum, time) => sum + spent[time], 0)
  let after = stages.reduce((sum, stage) => sum + busyTime(stage, now), 0)
  return stages.map(stage => {
    const { name, recordsIn, recordsOut } = stage
    const busy = busyTime(stage, now)
    after -= busy
    const waitingForOutput = spent.waitingForOutput + after
    return {
      name,
      recordsIn,
      recordsOut,
      busy,
      waitingForInput: Math.max(0, age - busy - waitingForOutput - waitingForThread),
      waitingForOutput,
      waitingForThread,
    }
  })
}

function busyTime({ busy, busySince }: StageMeter, now: number): number {
  return busy + (busySince < 0 ? 0 : now - busySince)
}

/** Adds the figures of two successive runs of the same stages. */
export function addRuns(one: RunStats, other: RunStats): RunStats {
  return {
    ...sums(one, other, ['bytesIn', 'bytesOut', ...times]),
    stopped: one.stopped || other.stopped,
    over: one.over && other.over,
    stages: one.stages.map((stage, i) => ({
      name: stage.name,
      ...sums(stage, other.stages[i] as StageStats, ['recordsIn', 'recordsOut', ...times]),
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
