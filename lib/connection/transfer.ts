/** One direction of a connection: source → segments → sink. Segments can be changed while it runs. */
import { type Duplex, finished, pipeline, type Readable, type Writable } from 'node:stream'
import type { Leg, Sink, Source } from '../endpoints/endpoint.js'
import type { Plan } from '../stages/plan.js'
import { type SegmentFigures, segmentFigures } from '../stats/segment-figures.js'
import type { Direction, DirectionStats } from '../stats/snapshot.js'

/** A segment that is asked for: without `make`, the one of this name that runs already. */
export interface SegmentRequest {
  readonly name: string
  /** Makes its stages, or gives those that are made. */
  readonly make?: (() => Plan) | undefined
}

export interface Transfer {
  /** Resolves when the sink has taken everything and its end; rejects when something fails. */
  readonly done: Promise<void>
  /** The names of the stages of these segments that have begun and cannot be ended in the middle of a stream. */
  open(segments: readonly string[]): readonly string[]
  /**
   * Makes these the segments, in this order. Those that are gone end, the sink takes what they still hold, and what
   * follows goes through those that are new. The others keep their state.
   *
   * Resolves when that is so, or when nothing more is piped.
   */
  change(segments: readonly SegmentRequest[]): Promise<void>
  /** Ends as if the source had ended: what has been read is delivered, and what follows is not read. */
  stop(): void
  stats(): DirectionStats
}

export interface TransferOptions {
  readonly direction: Direction
  readonly source: Source
  readonly sink: Sink
  /** The leg whose stream the source is: it is not destroyed when a stage stops before it. */
  readonly sourceLeg?: Leg | undefined
  readonly sinkLeg?: Leg | undefined
  readonly segments: readonly SegmentRequest[]
  /** Makes the stages when the first byte comes, or the end. Default: at once. */
  readonly lazy?: boolean
  /** Called with stages that are over while the connection goes on. */
  forget(plan: Plan): void
}

/** Something that is piped: it takes bytes at its head, gives bytes at its tail, and pipes into another one. */
interface Item {
  readonly head: Writable | undefined
  readonly tail: Readable | undefined
  to?: Item | undefined
  ended?: boolean
}

interface Slot extends Item {
  readonly name: string
  readonly plan: Plan
  /** Whether something has been piped into it. */
  linked: boolean
  /** `closing`: it takes what a slot before it still holds; `leaving`: it takes nothing more. */
  state: 'live' | 'closing' | 'leaving'
}

/**
 * Starts a transfer. Its streams are destroyed by their owner when the connection fails; a stage that stops ends the sink
 * well, and the source is released.
 */
export function openTransfer(options: TransferOptions): Transfer {
  const { direction, source, sink, sourceLeg, sinkLeg, forget } = options
  const figures = new Map<string, SegmentFigures>()
  const first: Item = { head: undefined, tail: source }
  const last: Item = { head: sink, tail: undefined }
  const waiting = new Set<{ slots: Set<Slot>; resolve(): void }>()
  let requests = options.segments // until it has started
  let slots: Slot[] = []
  let started = false
  let over = false
  let bytesIn = 0
  let bytesOut = 0
  let settle: () => void
  let reject: (error: unknown) => void
  const done = new Promise<void>((resolve, rejectIt) => {
    settle = resolve
    reject = rejectIt
  })
  source.once('end', sourceEnded)
  source.once('error', fail)
  source.once('close', sourceClosed)
  sink.once('finish', finish)
  sink.once('error', fail)
  sink.once('close', sinkClosed)
  if (source.readableEnded) first.ended = true
  if (source.destroyed) sourceClosed()
  if (sink.destroyed) sinkClosed()
  if (options.lazy) whenReadable(source, start)
  else start()

  function start(): void {
    if (over || started) return
    started = true
    try {
      slots = requests.map(({ name, make }) => openSlot(name, (make as () => Plan)()))
    } catch (error) {
      fail(error)
      return
    }
    tellLines()
    relink()
  }

  function openSlot(name: string, plan: Plan): Slot {
    const { streams, meters } = plan
    const slot: Slot = { name, plan, head: streams[0], tail: streams.at(-1), linked: false, state: 'live' }
    const figure = figures.get(name) ?? segmentFigures(name)
    figures.set(name, figure)
    figure.add(meters)
    const onError = (error?: Error | null) => error && fail(error)
    if (streams.length > 1) pipeline(streams as [Duplex, Duplex], onError)
    else if (slot.tail) finished(slot.tail, onError)
    slot.tail?.once('end', () => tailEnded(slot))
    return slot
  }

  /** An unfinished line of a sink that is shared gets its LF, where lines come. */
  function tellLines(): void {
    if ('lines' in sink) sink.lines = slots.findLast(({ tail }) => tail)?.plan.makesLines ?? false
  }

  /** Pipes each item into the next one, wherever that takes something just now. */
  function relink(): void {
    const items: Item[] = [first, ...slots.filter(({ head }) => head), last]
    items.slice(0, -1).forEach((item, i) => {
      const next = items[i + 1] as Item
      link(item, takes(next, item, items[i + 2]) ? next : undefined)
    })
  }

  /** A slot that leaves gets no more; a new one before it waits until it is gone, since it may leave bytes for it. */
  function takes(next: Item, from: Item, behind: Item | undefined): boolean {
    if (!isSlot(next) || next.state === 'live') return !isSlot(next) || next.linked || !isGoing(behind)
    return next.state === 'closing' && isGoing(from)
  }

  function link(item: Item, next: Item | undefined): void {
    if (item.to === next) return
    unlink(item)
    item.to = next
    if (isSlot(next)) next.linked = true
    if (next && item.ended) end(next)
    else if (next) pipe(item, next)
  }

  function pipe(item: Item, next: Item): void {
    const tail = item.tail as Readable
    if (item === first && !sourceLeg) tail.on('data', countIn)
    if (next === last && !sinkLeg) tail.on('data', countOut)
    tail.pipe(next.head as Writable, { end: false })
  }

  function unlink(item: Item): void {
    if (!item.to) return
    item.tail?.unpipe(item.to.head).off('data', countIn).off('data', countOut)
    item.to = undefined
  }

  function end(item: Item): void {
    if (!item.head?.writableEnded) item.head?.end()
  }

  function countIn(chunk: Buffer): void {
    bytesIn += chunk.length
  }

  function countOut(chunk: Buffer): void {
    bytesOut += chunk.length
  }

  /** A source that fails while it is told of its end has not ended. */
  function sourceEnded(): void {
    if (!source.errored) tailEnded(first)
  }

  function tailEnded(item: Item): void {
    if (over) return
    item.ended = true
    if (isGoing(item)) leave(item as Slot)
    else if (item.to) end(item.to)
  }

  /** Everything that was in it has gone on. If one of its stages has stopped, what follows is not read. */
  function leave(slot: Slot): void {
    if (slot.plan.meters.some(meter => meter.stopped)) endBefore(slot)
    const at = slots.indexOf(slot)
    const [before, next] = [slots[at - 1], slots[at + 1]]
    slots.splice(at, 1)
    handRest(slot, before && !before.linked && before.state === 'live' ? before : slot.to)
    gone(slot)
    if (next?.state === 'closing') close(next)
    relink()
  }

  /** Nothing more is read, and what stands before the slot is dropped. */
  function endBefore(slot: Slot): void {
    for (const each of slots.slice(0, slots.indexOf(slot))) discard(each)
    endSource()
  }

  function endSource(): void {
    unlink(first)
    source.pause()
    first.ended = true
  }

  /** The first bytes of a character, of which a stage that has left had no more: they are for those in its place. */
  function handRest({ plan: { rest } }: Slot, next: Item | undefined): void {
    const { bytes } = rest
    rest.bytes = bytes.subarray(bytes.length)
    if (bytes.length > 0 && !first.ended) (next?.head ?? sink).write(bytes)
  }

  function close(slot: Slot): void {
    slot.state = 'leaving'
    if (slot.ended || !slot.head) leave(slot)
    else end(slot)
  }

  function gone(slot: Slot): void {
    figures.get(slot.name)?.end(slot.plan.meters)
    forget(slot.plan)
    for (const change of waiting) {
      change.slots.delete(slot)
      if (change.slots.size > 0) continue
      waiting.delete(change)
      change.resolve()
    }
  }

  function change(next: readonly SegmentRequest[]): Promise<void> {
    if (over || sink.writableEnded || source.readableEnded) return changeAtEnd(next)
    if (!started) {
      requests = next.map(({ name, make }) => ({ name, make: make ?? requests.find(each => each.name === name)?.make }))
      return Promise.resolve()
    }
    const kept = new Set(next.filter(({ make }) => !make).map(({ name }) => name))
    const retired = slots.filter(({ name, state }) => state === 'live' && !kept.has(name))
    slots = arrange(next, retired)
    tellLines()
    return retire(retired)
  }

  /** Nothing comes for the new ones, but what the present ones hold back is to go on. */
  function changeAtEnd(next: readonly SegmentRequest[]): Promise<void> {
    for (const { make } of next) if (make && started) forget(make())
    for (const { plan } of slots) plan.replace(false)
    return Promise.resolve()
  }

  /** New ones stand before those whose place they take, and otherwise before the next one that stays. */
  function arrange(next: readonly SegmentRequest[], retired: readonly Slot[]): Slot[] {
    const arranged: Slot[] = []
    const rest = [...slots]
    const takeUntil = (isHere: (slot: Slot) => boolean) => {
      const end = rest.findIndex(isHere)
      arranged.push(...rest.splice(0, end === -1 ? rest.length : end))
    }
    next.forEach(({ name, make }, i) => {
      if (!make) {
        takeUntil(slot => slot.name === name && slot.state === 'live')
        arranged.push(...rest.splice(0, 1))
        return
      }
      const following = next.slice(i + 1).find(each => !each.make)
      takeUntil(slot => retired.includes(slot) || (slot.state === 'live' && slot.name === following?.name))
      arranged.push(openSlot(name, make()))
    })
    return [...arranged, ...rest]
  }

  /** Those that nothing has been piped into go at once; of the others the first one ends, and then the next one. */
  function retire(retired: readonly Slot[]): Promise<void> {
    const idle = retired.filter(({ linked, head }) => !linked || !head)
    const busy = retired.filter(slot => !idle.includes(slot))
    for (const slot of idle) discard(slot)
    const promise = busy.length === 0 ? Promise.resolve() : allGone(busy)
    busy.forEach((slot, i) => {
      slot.state = 'closing'
      slot.plan.replace(i === 0)
    })
    relink()
    for (const slot of busy) if (slot.state === 'closing' && !slotBefore(slot, isGoing)) close(slot)
    return promise
  }

  function allGone(gone: readonly Slot[]): Promise<void> {
    return new Promise(resolve => waiting.add({ slots: new Set(gone), resolve }))
  }

  function slotBefore(slot: Slot, is: (slot: Item | undefined) => boolean): boolean {
    return is(slots[slots.indexOf(slot) - 1])
  }

  function discard(slot: Slot): void {
    slots.splice(slots.indexOf(slot), 1)
    unlink(slot)
    for (const stream of slot.plan.streams) stream.destroy()
    gone(slot)
  }

  function stop(): void {
    if (over || first.ended) return
    endSource()
    if (started) relink()
    else start()
  }

  function finish(): void {
    if (over) return
    over = true
    if (!source.readableEnded) release()
    for (const { plan } of slots) for (const stream of plan.streams) stream.destroy()
    settle()
    tellAll()
  }

  function release(): void {
    if (sourceLeg) source.unpipe().pause()
    else source.destroy()
  }

  function fail(error: unknown): void {
    over = true
    reject(error)
    tellAll()
  }

  function sourceClosed(): void {
    if (!over && !first.ended) fail(source.errored ?? prematureClose())
  }

  function sinkClosed(): void {
    if (!over) fail(sink.errored ?? prematureClose())
  }

  function tellAll(): void {
    for (const { resolve } of waiting) resolve()
    waiting.clear()
  }

  return {
    done,
    open(names) {
      const begun = slots.filter(({ name, plan, head, state }) => {
        return (
          names.includes(name) && state === 'live' && !head?.writableEnded && plan.meters.some(each => each.bytesIn > 0)
        )
      })
      return begun.flatMap(({ plan }) => plan.indivisible)
    },
    change,
    stop,
    stats: () => ({
      direction,
      bytesIn: sourceLeg ? sourceLeg.bytes.in - source.readableLength : bytesIn,
      bytesOut: sinkLeg ? sinkLeg.bytes.out : bytesOut,
      segments: [...figures.values()].map(each => each.stats()),
    }),
  }
}

function isSlot(item: Item | undefined): item is Slot {
  return item !== undefined && 'plan' in item
}

function isGoing(item: Item | undefined): boolean {
  return isSlot(item) && item.state !== 'live'
}

/** Streams are made when there is something to pipe, or the end: until then a connection is a leg, and small. */
function whenReadable(source: Readable, start: () => void): void {
  if (source.readableLength > 0 || source.readableEnded || source.destroyed) {
    start()
    return
  }
  let begun = false
  const begin = () => {
    if (!begun) start()
    begun = true
  }
  source.once('readable', begin)
  source.once('close', begin)
}

function prematureClose(): Error {
  return Object.assign(new Error('Premature close'), { code: 'ERR_STREAM_PREMATURE_CLOSE' })
}
