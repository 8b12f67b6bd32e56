/** The pipeline of a direction: its parts, with their shares and rates, added up over connections, and the verdict. */
import {
  type Amounts,
  addAmounts,
  addTimes,
  type EarlierParts,
  earlierParts,
  emptySum,
  haveSameNames,
  identityOf,
  type Part,
  type PlacedPart,
  placedParts,
  restart,
  type Sum,
  sharesOf,
} from './parts.js'
import type { ConnectionStats, Direction, DirectionStats } from './snapshot.js'
import { judge } from './verdict.js'

/** The parts of one direction of one or of many connections. */
export interface Pipeline {
  /**
   * In words, such as `slowest: gzip (busy 94 %); the network waited`, or `idle: the client sends nothing`. Undefined if the
   * ends are not measured.
   */
  readonly verdict: string | undefined
  /** The indexes of the slow parts. */
  readonly slowest: readonly number[]
  /** Whether other work of this process held the thread. */
  readonly isThread: boolean
  /** Bytes per second from the source. */
  readonly bytesIn: number
  /** Bytes per second to the sink. */
  readonly bytesOut: number
  /** The source, the stages and the sink; only the stages if the ends are not measured. */
  readonly parts: readonly PipelinePart[]
}

/** A part of a pipeline. Its bytes and records are per second. */
export interface PipelinePart extends Part {
  /** The bytes and records since the start of the connections. */
  readonly total: Amounts
}

/**
 * Returns the parts that the connections have in this direction, with the figures since the snapshot `before`: `time`
 * milliseconds before `now`. A connection or a part that is not in it counts since its start.
 *
 * Parts are added up over the connections that have the same ones. If there are several kinds, as during a change, the
 * one with the most bytes is taken. The shares are those of connections in which something has happened, if any.
 *
 * Undefined if nothing passes in this direction.
 */
export function pipelineOf(
  direction: Direction,
  now: readonly Conversation[],
  before: readonly Conversation[] | undefined,
  time: number,
): Pipeline | undefined {
  const past = new Map<number, Conversation>()
  for (const each of before ?? []) past.set(each.number, each)
  const shapes: Shapes = { known: new Map() }
  for (const connection of now) {
    const figures = directionOf(connection, direction)
    if (figures) addDirection(shapes, figures, directionOf(past.get(connection.number), direction))
  }
  const [main] = [...shapes.known.values()].sort((one, other) => other.moved - one.moved || other.bytes - one.bytes)
  return main && (main.bytes > 0 || main.sum.parts.length > 2) ? pipelineIn(main, time) : undefined
}

/** What is needed of a connection. */
type Conversation = Pick<ConnectionStats, 'number' | 'directions'>

function directionOf(connection: Conversation | undefined, direction: Direction): DirectionStats | undefined {
  return connection?.directions.find(each => each.direction === direction)
}

/** The connections that have the same parts. */
interface Shape {
  /** Those of the first one. */
  readonly parts: readonly PlacedPart[]
  readonly sum: Sum
  /** Bytes since the snapshot before, and since the start. */
  moved: number
  bytes: number
  /** The connections whose times are in the sum: those of the highest rank. */
  rank: number
}

interface Shapes {
  /** By the names of the stages. */
  readonly known: Map<string, Shape>
  last?: Shape
}

/** How much the times of a connection tell. */
const ranks = { unmeasured: 0, idle: 1, active: 2 }

function addDirection(shapes: Shapes, now: DirectionStats, before: DirectionStats | undefined): void {
  const { parts, earlier } = presentParts(now, before)
  const shape = shapeOf(shapes, parts)
  const { bytesIn, bytesOut } = now
  const moved = bytesIn + bytesOut - (before ? before.bytesIn + before.bytesOut : 0)
  shape.bytes += bytesIn + bytesOut
  shape.moved += moved
  addAmounts(shape.sum, parts, earlier)
  const rank = rankOf(parts, earlier, moved)
  if (rank > shape.rank) {
    shape.rank = rank
    restart(shape.sum, parts) // only those that are measured have the names of the ends
  }
  if (rank === shape.rank) addTimes(shape.sum, parts, earlier)
}

/** The parts without those that have been removed. */
function presentParts(
  now: DirectionStats,
  before: DirectionStats | undefined,
): { parts: readonly PlacedPart[]; earlier: EarlierParts | undefined } {
  const parts = placedParts(now)
  const earlier = before && earlierParts(parts, placedParts(before))
  if (!parts.some(({ isRemoved }) => isRemoved)) return { parts, earlier }
  const isPresent = (_: unknown, i: number) => !parts[i]?.isRemoved
  return { parts: parts.filter(isPresent), earlier: earlier?.filter(isPresent) }
}

/** Most connections have the parts of the one before. */
function shapeOf(shapes: Shapes, parts: readonly PlacedPart[]): Shape {
  if (shapes.last && haveSameNames(shapes.last.parts, parts)) return shapes.last
  const key = JSON.stringify(parts.slice(1, -1).map(({ segment, name }) => [segment, name]))
  const shape = shapes.known.get(key) ?? { parts, sum: emptySum(parts), moved: 0, bytes: 0, rank: 0 }
  shapes.known.set(key, shape)
  shapes.last = shape
  return shape
}

/** Thousands of clients that say nothing would hide what the others wait for. */
function rankOf(parts: readonly PlacedPart[], earlier: EarlierParts | undefined, moved: number): number {
  if (!parts[0]?.times || !parts.at(-1)?.times) return ranks.unmeasured
  const busyOf = (part: PlacedPart | undefined) => part?.times?.busy ?? 0
  const hasWorked = (part: PlacedPart, i: number) => part.kind !== 'source' && busyOf(part) > busyOf(earlier?.[i])
  return moved > 0 || parts.some(hasWorked) ? ranks.active : ranks.idle
}

function pipelineIn({ sum, rank, bytes }: Shape, time: number): Pipeline {
  const perSecond = (amount: number | null) => amount && (time > 0 ? (amount * 1000) / time : 0)
  const isMeasured = rank > ranks.unmeasured
  const all = sum.parts.map(each => ({
    ...identityOf(each.part),
    ...sharesOf(each, sum.life),
    bytesIn: perSecond(each.moved.bytesIn),
    bytesOut: perSecond(each.moved.bytesOut),
    recordsIn: perSecond(each.moved.recordsIn),
    recordsOut: perSecond(each.moved.recordsOut),
    total: each.total,
  }))
  const [source, sink] = [all[0], all.at(-1)] as [PipelinePart, PipelinePart]
  const isSilent = rank === ranks.idle && bytes > 0 && source.isNetwork
  if (isSilent) all[0] = { ...source, busy: 0, waitingForInput: source.waitingForInput + source.busy }
  const parts = all.filter(({ kind }) => isMeasured || kind === 'stage')
  const judged = isMeasured && bytes > 0 && !isSilent ? judge(parts) : undefined
  return {
    verdict: isSilent ? `idle: the ${source.name} sends nothing` : judged?.text,
    slowest: judged?.slowest.map(part => parts.indexOf(part)) ?? [],
    isThread: judged?.isThread ?? false,
    bytesIn: source.bytesOut as number,
    bytesOut: sink.bytesIn as number,
    parts,
  }
}
