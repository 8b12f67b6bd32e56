/** The pipes of a transfer: source, slots of the segments, sink. */
import type { Readable, Writable } from 'node:stream'
import type { Leg, Sink, Source } from '../endpoints/endpoint.js'
import type { Plan } from '../stages/plan.js'
import { bytesOf, type RunMeter } from '../stats/meter.js'
import type { SegmentFigures } from '../stats/segment-figures.js'
import type { Direction } from '../stats/snapshot.js'

/** A requested segment: its stages or a function that creates them. Without either, the running one of this name. */
export interface SegmentRequest {
  readonly name: string
  readonly plan?: Plan | undefined
  readonly make?: (() => Plan) | undefined
}

export interface TransferOptions {
  readonly direction: Direction
  readonly source: Source
  readonly sink: Sink
  /** The leg that owns the source. It is not destroyed when a stage stops early. */
  readonly sourceLeg?: Leg | undefined
  readonly sinkLeg?: Leg | undefined
  readonly segments: readonly SegmentRequest[]
  /** Creates the stages when the first byte or the end arrives. Default: immediately. */
  readonly lazy?: boolean
  /** What the figures call the source and the sink. Default: `source` and `sink`. */
  readonly names?: EndNames
}

export interface EndNames {
  readonly source: string
  readonly sink: string
}

/** An item accepts bytes at its head, emits bytes at its tail, and is piped into another item. */
export interface Item {
  readonly head: Writable | undefined
  readonly tail: Readable | undefined
  to?: Item | undefined
  /** Whether its tail has ended. */
  ended?: boolean
}

/** The running stages of a segment. */
export interface Slot extends Item {
  readonly name: string
  readonly plan: Plan
  /** Whether data has been piped into it. */
  linked: boolean
  /** `closing`: accepts data that earlier slots still hold. `leaving`: accepts nothing more. */
  state: 'live' | 'closing' | 'leaving'
}

/** A pending change. It completes when these slots are gone. */
export interface Change {
  readonly slots: Set<Slot>
  resolve(): void
}

export type Count = (chunk: Buffer) => void

/** Who watches a transfer. */
export interface Watch {
  /** Called for each chunk that comes from the source leg. */
  readonly heard?: Count | undefined
  /** Called for each chunk that goes to the sink leg. */
  readonly told?: Count | undefined
  /** Whether one of these gets the chunk itself, and may keep it. */
  readonly isHeard?: boolean | undefined
  /** Also meters the source and the sink. */
  readonly measure?: boolean | undefined
}

/** The state of a transfer. */
export interface Pipes {
  readonly options: TransferOptions
  readonly first: Item
  readonly last: Item
  slots: Slot[]
  /** The initial segments; undefined after the start. */
  requests: readonly SegmentRequest[] | undefined
  over: boolean
  changes: readonly Change[]
  figures: readonly SegmentFigures[]
  measure: boolean
  /** The meters of the source and the sink, if they are measured. They begin with the segments. */
  ends: { readonly source: RunMeter; readonly sink: RunMeter } | undefined
  /** Bytes read from the source and written to the sink. Legs have their own counters. */
  readonly bytes: { in: number; out: number }
  readonly isHeard: boolean
  /** The streams along which the source lends: stages, and last what releases its memory. */
  lent: readonly Writable[]
  readonly countIn: Count | undefined
  readonly countOut: Count | undefined
  /** Both, where the source is piped straight into the sink. */
  countBoth: Count | undefined
  /** Called with stages that are finished while the connection continues. */
  readonly forget: (plan: Plan) => void
  /** Begins no more when the first byte comes. */
  unwatch: () => void
  settle: () => void
  fail: (error: unknown) => void
}

/** The caller adds the functions that end it. */
export function openPipes(
  options: TransferOptions,
  forget: Pipes['forget'],
  { heard, told, isHeard = false, measure = false }: Watch,
): Omit<Pipes, 'unwatch' | 'settle' | 'fail'> {
  const bytes = { in: 0, out: 0 }
  return {
    options,
    first: { head: undefined, tail: options.source },
    last: { head: options.sink, tail: undefined },
    slots: [],
    requests: options.segments,
    over: false,
    changes: [],
    figures: [],
    measure,
    ends: undefined,
    bytes,
    isHeard,
    lent: [],
    countIn: options.sourceLeg ? heard : counter(bytes, 'in'),
    countOut: options.sinkLeg ? told : counter(bytes, 'out'),
    countBoth: undefined,
    forget,
  }
}

function counter(bytes: Pipes['bytes'], way: 'in' | 'out'): Count {
  return chunk => {
    bytes[way] += bytesOf(chunk)
  }
}

export function isSlot(item: Item | undefined): item is Slot {
  return item !== undefined && 'plan' in item
}

/** Whether the item is a slot that has received no data yet. */
export function isNew(item: Item | undefined): item is Slot {
  return isSlot(item) && item.state === 'live' && !item.linked
}

/** Whether the item is a slot that ends because other slots replace it. */
export function isGoing(item: Item | undefined): item is Slot {
  return isSlot(item) && item.state !== 'live'
}
