/** What is drawn: totals, rates since the snapshot before, and the share of each state in that time. */
import {
  type ConnectionStats,
  type DirectionStats,
  type Pipeline,
  type PipelinePart,
  pipelineOf,
} from '../../lib/index.js'
import { formatRemote } from '../../lib/text/remote.js'
import type { Snapshot } from './client.js'
import { states } from './states.js'

export interface ServerFigures {
  /** Its command line. */
  readonly command: string
  readonly address: string
  readonly pid: number
  readonly age: number
  readonly open: number
  readonly accepted: number
  readonly failed: number
  readonly refused: number
  /** Bytes per second. */
  readonly rateIn: number
  readonly rateOut: number
  /** The fastest first. */
  readonly connections: readonly ConnectionFigures[]
}

export interface ConnectionFigures {
  readonly number: number
  readonly remote: string
  readonly age: number
  readonly bytesIn: number
  readonly bytesOut: number
  readonly rateIn: number
  readonly rateOut: number
  readonly stats: ConnectionStats
  /** Computed when asked for: only those of the selected connection are drawn. */
  directions(): readonly DirectionFigures[]
}

export interface DirectionFigures {
  readonly name: string
  /** The source, the stages, and the sink. */
  readonly rows: readonly Row[]
  /** Which of them was slow since the snapshot before. */
  readonly verdict: string | undefined
}

export interface Row {
  readonly name: string
  readonly unit: 'bytes' | 'records'
  readonly amount: number
  /** Per second. */
  readonly rate: number
  /** The parts of the time, in the order of the states. Undefined if nothing is known. */
  readonly shares?: readonly number[] | undefined
}

/** The figures of a server. Without a snapshot before, rates and shares are those since the start. */
export function figuresOf(now: Snapshot, before?: Snapshot): ServerFigures {
  const { command, address, pid, age, accepted, failed, refused } = now
  const time = age - (before?.age ?? 0)
  const rate = (of: (stats: Snapshot) => number) => perSecond(of(now) - (before ? of(before) : 0), time)
  const past = new Map(before?.connections.map(each => [each.number, each]))
  const connections = now.connections.map(each => connectionFigures(each, past.get(each.number)))
  const speed = ({ rateIn, rateOut }: ConnectionFigures) => rateIn + rateOut
  return {
    ...{ command, address, pid, age, accepted, failed },
    open: now.connections.length,
    refused: Object.values(refused).reduce((sum, each) => sum + each, 0),
    rateIn: rate(({ bytesIn }) => bytesIn),
    rateOut: rate(({ bytesOut }) => bytesOut),
    connections: connections.sort((one, other) => speed(other) - speed(one) || one.number - other.number),
  }
}

function connectionFigures(now: ConnectionStats, before: ConnectionStats | undefined): ConnectionFigures {
  const { number, remote, port, age, bytesIn, bytesOut } = now
  const time = age - (before?.age ?? 0)
  return {
    ...{ number, age, bytesIn, bytesOut, stats: now },
    remote: formatRemote({ remote, port }),
    rateIn: perSecond(bytesIn - (before?.bytesIn ?? 0), time),
    rateOut: perSecond(bytesOut - (before?.bytesOut ?? 0), time),
    directions: () => now.directions.map(each => directionFigures(now, each, before, time)),
  }
}

function directionFigures(
  now: ConnectionStats,
  { direction, bytesIn, bytesOut }: DirectionStats,
  before: ConnectionStats | undefined,
  time: number,
): DirectionFigures {
  const pipeline = pipelineOf(direction, [now], before && [before], time)
  const client = formatRemote({ remote: now.remote, port: now.port })
  const [from, to] = direction === 'forward' ? [client, now.target?.to] : [now.target?.to, client]
  const stages = pipeline?.parts.filter(({ kind }) => kind === 'stage') ?? []
  return {
    name: direction,
    rows: [
      { ...endRow('source', from, pipeline), amount: bytesIn, rate: pipeline?.bytesIn ?? 0 },
      ...stages.map(stageRow),
      { ...endRow('sink', to, pipeline), amount: bytesOut, rate: pipeline?.bytesOut ?? 0 },
    ],
    verdict: pipeline?.verdict,
  }
}

function endRow(kind: 'source' | 'sink', name: string | undefined, pipeline: Pipeline | undefined) {
  const part = pipeline?.parts.find(each => each.kind === kind)
  return { name: name ?? part?.name ?? kind, unit: 'bytes', shares: part && sharesOf(part) } as const
}

/** Bytes, of a stage that counts no records. */
function stageRow(part: PipelinePart): Row {
  const unit = part.recordsIn === null ? 'bytes' : 'records'
  const key = unit === 'records' ? 'recordsIn' : 'bytesIn'
  return { name: part.name, unit, amount: part.total[key] ?? 0, rate: part[key] ?? 0, shares: sharesOf(part) }
}

function sharesOf(part: PipelinePart): number[] | undefined {
  const shares = states.map(({ key }) => part[key])
  return shares.some(share => share > 0) ? shares : undefined
}

function perSecond(amount: number, time: number): number {
  return time > 0 ? Math.max(0, amount * 1000) / time : 0
}
