/** The verdict: which part of a direction is slow, from the times of its source, its stages and its sink. */
import { type Part, partsOf } from './parts.js'
import type { DirectionStats } from './snapshot.js'

/** What is slow, among parts of the kind `P`. */
export interface Verdict<P extends Part = Part> {
  /** The slow part; two if they share the load. Empty if this process is the slow one, or if nothing has been done. */
  readonly slowest: readonly P[]
  /** Whether other work of this process held the thread. */
  readonly isThread: boolean
  /** In words: `slowest: gzip (busy 94 %); the network waited`. */
  readonly text: string
  /** The parts that were compared: those of `partsOf`. */
  readonly parts: readonly P[]
}

/** The least share of time for a part to be called slow. */
const most = 0.5

/** A second part with this much of the work of the first one shares the load. */
const similar = 0.6

/**
 * Judges a direction, over its life or since an earlier snapshot of it. Undefined without the option `measure`, or before
 * data has come.
 */
export function verdict(direction: DirectionStats, before?: DirectionStats): Verdict | undefined {
  const parts = partsOf(direction, before)
  if (parts.length === 0 || direction.bytesIn + direction.bytesOut === 0) return undefined
  return judge(parts)
}

/** Judges parts, from the source to the sink. */
export function judge<P extends Part>(parts: readonly P[]): Verdict<P> {
  const slowest = slowestOf(parts)
  const isThread = slowest.length === 0 && parts.some(({ waitingForThread }) => waitingForThread >= most)
  return { slowest, isThread, text: textOf(parts, slowest, isThread), parts }
}

function slowestOf<P extends Part>(parts: readonly P[]): P[] {
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
