/** The verdict: which part of a direction is slow, from the times of its source, its stages and its sink. */
import { type DirectionStats, type StageStats, type Times, times } from './snapshot.js'

/** A part of a direction, with the shares of its time, from 0 to 1: together with `ended` they are 1. */
export interface Part extends Times {
  readonly name: string
  readonly kind: 'source' | 'stage' | 'sink'
  /** Whether it is a socket. */
  readonly isNetwork: boolean
  /** The share of the time after its end, in which what follows goes on. */
  readonly ended: number
}

export interface Verdict {
  /** The slow part; two if they share the load. Empty if this process is the slow one, or if nothing has been done. */
  readonly slowest: readonly Part[]
  /** Whether other work of this process held the thread. */
  readonly isThread: boolean
  /** In words: `slowest: gzip (busy 94 %); the network waited`. */
  readonly text: string
}

/** The least share of time for a part to be called slow. */
const most = 0.5

/** A second part with this much of the work of the first one shares the load. */
const similar = 0.6

/**
 * Returns the source, the stages and the sink, with their shares of the time since `before`, or since the first byte.
 * Empty without the option `measure`, or before data has come.
 */
export function partsOf(direction: DirectionStats, before?: DirectionStats): Part[] {
  const { source, sink } = direction
  if (!source || !sink) return []
  const earlier = new Map(before && stagesOf(before).map(({ key, stage }) => [key, stage]))
  const spent = [
    { kind: 'source', figures: source, spent: since(source, before?.source) } as const,
    ...stagesOf(direction).map(
      ({ key, stage }) => ({ kind: 'stage', figures: stage, spent: since(stage, earlier.get(key)) }) as const,
    ),
    { kind: 'sink', figures: sink, spent: since(sink, before?.sink) } as const,
  ]
  // A stage that has ended counts no further, so the longest life is that of the direction.
  const life = Math.max(...spent.map(part => sum(part.spent)))
  return spent.map(({ kind, figures, spent }) => ({
    name: figures.name,
    kind,
    isNetwork: 'isNetwork' in figures && figures.isNetwork,
    ...shares(spent, life),
    ended: life > 0 ? 1 - sum(spent) / life : 0,
  }))
}

/** A stage, and what tells it from the others of its direction, in each snapshot. */
interface PlacedStage {
  readonly key: string
  readonly stage: StageStats
}

function stagesOf({ segments }: DirectionStats): PlacedStage[] {
  const seen = new Map<string, number>()
  return segments.flatMap(({ name, runs }) =>
    runs.flatMap(run =>
      run.stages.map(stage => {
        const place = JSON.stringify([name, stage.name])
        const count = seen.get(place) ?? 0
        seen.set(place, count + 1)
        return { key: `${place}${count}`, stage }
      }),
    ),
  )
}

function since(now: Times, before: Times | undefined): number[] {
  return times.map(time => Math.max(0, now[time] - (before?.[time] ?? 0)))
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0)
}

function shares(spent: readonly number[], life: number): Times {
  return Object.fromEntries(times.map((time, i) => [time, life > 0 ? (spent[i] as number) / life : 0])) as never
}

/**
 * Judges a direction, over its life or since an earlier snapshot of it. Undefined without the option `measure`, or before
 * data has come.
 */
export function verdict(direction: DirectionStats, before?: DirectionStats): Verdict | undefined {
  const parts = partsOf(direction, before)
  if (parts.length === 0 || direction.bytesIn + direction.bytesOut === 0) return undefined
  const slowest = slowestOf(parts)
  const isThread = slowest.length === 0 && parts.some(({ waitingForThread }) => waitingForThread >= most)
  return { slowest, isThread, text: textOf(parts, slowest, isThread) }
}

function slowestOf(parts: readonly Part[]): Part[] {
  const [first, second] = [...parts].sort((a, b) => b.busy - a.busy)
  if (!first || !second || first.busy + second.busy < most) return []
  if (second.busy < similar * first.busy) return first.busy < most ? [] : [first]
  return parts.filter(part => part === first || part === second)
}

function textOf(parts: readonly Part[], slowest: readonly Part[], isThread: boolean): string {
  const slow = isThread
    ? 'other work of this process'
    : slowest.map(part => `${slowName(part)} (busy ${Math.round(part.busy * 100)} %)`).join(' and ')
  const isPlain = parts.filter(part => part.isNetwork).length === 1
  const waited = parts.filter(part => !slowest.includes(part) && hasWaited(part))
  const names = waited.map(({ name, isNetwork }) => `the ${isNetwork && isPlain ? 'network' : name}`)
  const others = names.length > 0 ? `; ${names.join(' and ')} waited` : ''
  return `slowest: ${slow || 'nothing'}${others}`
}

function slowName({ name, kind, isNetwork }: Part): string {
  if (kind === 'stage') return name
  return isNetwork ? `the ${name} or its network` : `the ${name}`
}

/** Only the ends are named: every stage waits for the slow one. */
function hasWaited({ kind, waitingForInput, waitingForOutput }: Part): boolean {
  return kind !== 'stage' && waitingForInput + waitingForOutput >= most
}
