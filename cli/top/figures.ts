/** What is drawn: totals, rates since the snapshot before, and the share of each state in that time. */
import { type ConnectionStats, type DirectionStats, type RunStats, type StageStats, verdict } from '../../lib/index.js'
import { formatRemote } from '../../lib/text/remote.js'
import type { Snapshot } from './client.js'
import { states, type Times } from './states.js'

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
  /** The parts of the time, in the order of the states; they sum to 1. Undefined if nothing is known. */
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
    directions: () => now.directions.map((each, i) => directionFigures(now, each, before?.directions[i], time)),
  }
}

function directionFigures(
  { remote, port, target }: ConnectionStats,
  now: DirectionStats,
  before: DirectionStats | undefined,
  time: number,
): DirectionFigures {
  const client = formatRemote({ remote, port })
  const isForward = now.direction === 'forward'
  const end = (which: 'source' | 'sink', key: 'bytesIn' | 'bytesOut', name = now[which]?.name ?? which): Row => {
    const shares = now[which] && sharesOf(now[which], before?.[which])
    return { name, unit: 'bytes', amount: now[key], rate: perSecond(now[key] - (before?.[key] ?? 0), time), shares }
  }
  const past = new Map(before ? stagesOf(before).map(each => [each.key, each]) : [])
  return {
    name: now.direction,
    rows: [
      end('source', 'bytesIn', isForward ? client : target?.to),
      ...stagesOf(now).map(each => stageRow(each, past.get(each.key), time)),
      end('sink', 'bytesOut', isForward ? target?.to : client),
    ],
    verdict: verdict(now, before)?.text,
  }
}

interface PlacedStage {
  /** The same in each snapshot. */
  readonly key: string
  readonly run: RunStats
  readonly stage: StageStats
}

function stagesOf({ segments }: DirectionStats): PlacedStage[] {
  return segments.flatMap(({ name, runs }) =>
    runs.flatMap((run, i) =>
      run.stages.map((stage, j) => ({ key: JSON.stringify([name, i, j, stage.name]), run, stage })),
    ),
  )
}

/** A stage that counts no records, a Duplex, has the bytes of its run. */
function stageRow({ run, stage }: PlacedStage, past: PlacedStage | undefined, time: number): Row {
  const unit = stage.recordsIn > 0 ? 'records' : 'bytes'
  const amountOf = (each: PlacedStage) => (unit === 'records' ? each.stage.recordsIn : each.run.bytesIn)
  const amount = amountOf({ key: '', run, stage })
  const rate = perSecond(amount - (past ? amountOf(past) : 0), time)
  return { name: stage.name, unit, amount, rate, shares: sharesOf(stage, past?.stage) }
}

function sharesOf(now: Times, before: Times | undefined): number[] | undefined {
  const times = states.map(({ key }) => Math.max(0, now[key] - (before?.[key] ?? 0)))
  const sum = times.reduce((total, each) => total + each, 0)
  return sum > 0 ? times.map(each => each / sum) : undefined
}

function perSecond(amount: number, time: number): number {
  return time > 0 ? Math.max(0, amount * 1000) / time : 0
}
