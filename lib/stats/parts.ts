/** The parts of a direction: its source, its stages and its sink, and what they have spent and moved since a snapshot. */
import type { DirectionStats, EndStats, RunStats, Times } from './snapshot.js'

/** What a part has moved. Null where it is not counted. */
export interface Amounts {
  /** Bytes that entered it; of fused stages, only the first one counts them. */
  readonly bytesIn: number | null
  /** Bytes that left it; of fused stages, only the last one counts them. */
  readonly bytesOut: number | null
  readonly recordsIn: number | null
  readonly recordsOut: number | null
}

/** A part of a direction, with the shares of its time, from 0 to 1: together with `ended` they are 1. */
export interface Part extends Times, Amounts {
  readonly name: string
  readonly kind: 'source' | 'stage' | 'sink'
  /** Whether it is a socket. */
  readonly isNetwork: boolean
  /** The segment of a stage. */
  readonly segment: string | null
  /** The share of the time after its end, in which what follows goes on, or before a change has brought it. */
  readonly ended: number
}

/** A part as it stands in one snapshot. */
export interface PlacedPart extends Pick<Part, 'name' | 'kind' | 'isNetwork' | 'segment'>, Amounts {
  /** Undefined for a source or a sink that is not measured. */
  readonly times: Times | undefined
  /** Whether it has left the direction. */
  readonly isRemoved: boolean
}

/** The source, the stages, also those that have been removed, and the sink. */
export function placedParts({ source, sink, segments, bytesIn, bytesOut }: DirectionStats): PlacedPart[] {
  const parts = [endPart('source', source, null, bytesIn)]
  for (const segment of segments)
    for (const run of segment.runs)
      for (let i = 0; i < run.stages.length; i++) parts.push(stagePart(segment.name, run, i))
  parts.push(endPart('sink', sink, bytesOut, null))
  return parts
}

function endPart(
  kind: 'source' | 'sink',
  figures: EndStats | undefined,
  bytesIn: number | null,
  bytesOut: number | null,
): PlacedPart {
  return {
    name: figures?.name ?? kind,
    kind,
    isNetwork: figures?.isNetwork ?? false,
    segment: null,
    bytesIn,
    bytesOut,
    recordsIn: null,
    recordsOut: null,
    times: figures,
    isRemoved: false,
  }
}

function stagePart(segment: string, { stages, bytesIn, bytesOut, removed }: RunStats, i: number): PlacedPart {
  const stage = stages[i] as RunStats['stages'][number]
  const { name, recordsIn, recordsOut } = stage
  const hasRecords = recordsIn + recordsOut > 0
  return {
    name,
    kind: 'stage',
    isNetwork: false,
    segment,
    bytesIn: i === 0 ? bytesIn : null,
    bytesOut: i === stages.length - 1 ? bytesOut : null,
    recordsIn: hasRecords ? recordsIn : null,
    recordsOut: hasRecords ? recordsOut : null,
    times: stage,
    isRemoved: removed === true,
  }
}

/** What each part was in an earlier snapshot. */
export type EarlierParts = readonly (PlacedPart | undefined)[]

/** What each part was in an earlier snapshot, if it was there: a stage has a name and a number among those of its segment. */
export function earlierParts(parts: readonly PlacedPart[], before: readonly PlacedPart[]): EarlierParts {
  if (haveSameNames(parts, before)) return before
  const known = new Map<string, PlacedPart[]>()
  for (const part of before) {
    const key = keyOf(part)
    const others = known.get(key)
    if (others) others.push(part)
    else known.set(key, [part])
  }
  return parts.map(part => known.get(keyOf(part))?.shift())
}

/** Whether the same parts stand in the same places. */
export function haveSameNames(parts: readonly PlacedPart[], others: readonly PlacedPart[]): boolean {
  if (parts.length !== others.length) return false
  return parts.every(({ name, segment }, i) => name === others[i]?.name && segment === others[i]?.segment)
}

/** An end is one of its kind, whatever it is called before it is measured. */
function keyOf({ kind, segment, name }: PlacedPart): string {
  return kind === 'stage' ? JSON.stringify([segment, name]) : kind
}

type Writable<T> = { -readonly [K in keyof T]: T[K] }

/** What a part has spent and moved, added up over connections that have the same parts. */
interface PartSum {
  part: PlacedPart
  spent: Writable<Times>
  /** Since the snapshot before. */
  readonly moved: Writable<Amounts>
  /** Since the start. */
  readonly total: Writable<Amounts>
}

export interface Sum {
  /** The time that the directions have lived: a part that has ended counts no further. */
  life: number
  readonly parts: readonly PartSum[]
}

/** A sum for directions with these parts. */
export function emptySum(parts: readonly PlacedPart[]): Sum {
  return { life: 0, parts: parts.map(part => ({ part, spent: noTime(), moved: nothing(), total: nothing() })) }
}

function noTime(): Times {
  return { waitingForInput: 0, busy: 0, waitingForOutput: 0, waitingForThread: 0 }
}

function nothing(): Amounts {
  return { bytesIn: null, bytesOut: null, recordsIn: null, recordsOut: null }
}

/** Adds what the parts have moved. There may be thousands of connections: member by member is four times as fast as a loop. */
export function addAmounts(sum: Sum, parts: readonly PlacedPart[], earlier?: EarlierParts): void {
  for (let i = 0; i < parts.length; i++) {
    const { moved, total } = sum.parts[i] as PartSum
    const part = parts[i] as PlacedPart
    const before = earlier?.[i]
    moved.bytesIn = plus(moved.bytesIn, part.bytesIn, before?.bytesIn)
    moved.bytesOut = plus(moved.bytesOut, part.bytesOut, before?.bytesOut)
    moved.recordsIn = plus(moved.recordsIn, part.recordsIn, before?.recordsIn)
    moved.recordsOut = plus(moved.recordsOut, part.recordsOut, before?.recordsOut)
    total.bytesIn = plus(total.bytesIn, part.bytesIn)
    total.bytesOut = plus(total.bytesOut, part.bytesOut)
    total.recordsIn = plus(total.recordsIn, part.recordsIn)
    total.recordsOut = plus(total.recordsOut, part.recordsOut)
  }
}

function plus(sum: number | null, now: number | null, before?: number | null): number | null {
  return now === null ? sum : (sum ?? 0) + gain(now, before)
}

function gain(now: number, before: number | null | undefined): number {
  return Math.max(0, now - (before ?? 0))
}

/** Adds what the parts have spent. */
export function addTimes(sum: Sum, parts: readonly PlacedPart[], earlier?: EarlierParts): void {
  let life = 0
  for (let i = 0; i < parts.length; i++) {
    const now = parts[i]?.times
    if (!now) continue
    const before = earlier?.[i]?.times
    const { spent } = sum.parts[i] as PartSum
    const waitingForInput = gain(now.waitingForInput, before?.waitingForInput)
    const busy = gain(now.busy, before?.busy)
    const waitingForOutput = gain(now.waitingForOutput, before?.waitingForOutput)
    const waitingForThread = gain(now.waitingForThread, before?.waitingForThread)
    spent.waitingForInput += waitingForInput
    spent.busy += busy
    spent.waitingForOutput += waitingForOutput
    spent.waitingForThread += waitingForThread
    life = Math.max(life, waitingForInput + busy + waitingForOutput + waitingForThread)
  }
  sum.life += life
}

/** Takes these parts for those of the sum, and forgets what has been spent so far. */
export function restart(sum: Sum, parts: readonly PlacedPart[]): void {
  sum.life = 0
  sum.parts.forEach((each, i) => {
    each.part = parts[i] as PlacedPart
    each.spent = noTime()
  })
}

/** The shares of a part. */
export function sharesOf({ spent }: PartSum, life: number): Times & Pick<Part, 'ended'> {
  const share = (time: number) => (life > 0 ? time / life : 0)
  const shares = {
    waitingForInput: share(spent.waitingForInput),
    busy: share(spent.busy),
    waitingForOutput: share(spent.waitingForOutput),
    waitingForThread: share(spent.waitingForThread),
  }
  const all = shares.waitingForInput + shares.busy + shares.waitingForOutput + shares.waitingForThread
  return { ...shares, ended: life > 0 ? Math.max(0, 1 - all) : 0 }
}

/**
 * Returns the source, the stages and the sink, with their shares of the time since `before`, or since the first byte, and
 * what they have moved in it. Empty without the option `measure`, or before data has come.
 */
export function partsOf(direction: DirectionStats, before?: DirectionStats): Part[] {
  if (!direction.source || !direction.sink) return []
  const parts = placedParts(direction)
  const earlier = before && earlierParts(parts, placedParts(before))
  const sum = emptySum(parts)
  addAmounts(sum, parts, earlier)
  addTimes(sum, parts, earlier)
  return sum.parts.map(each => ({ ...identityOf(each.part), ...sharesOf(each, sum.life), ...each.moved }))
}

/** What tells a part from others. */
export function identityOf({ kind, name, isNetwork, segment }: PlacedPart) {
  return { kind, name, isNetwork, segment }
}
