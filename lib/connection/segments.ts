/** The segments of a transfer: how they start, change while it runs, and end. */
import { type Duplex, finished, pipeline } from 'node:stream'
import type { Plan } from '../stages/plan.js'
import { Run } from '../stages/run.js'
import { type SegmentFigures, segmentFigures } from '../stats/segment-figures.js'
import { prematureClose } from '../text/errors.js'
import { end, endSource, relink, uncount, unlink } from './links.js'
import { type Item, isGoing, isNew, type Pipes, type SegmentRequest, type Slot } from './pipes.js'

/** Starts the initial segments. */
export function startSegments(pipes: Pipes): void {
  const { requests } = pipes
  if (pipes.over || !requests) return
  pipes.requests = undefined
  try {
    pipes.slots = requests.map(({ name, plan, make }) => openSlot(pipes, name, plan ?? (make as () => Plan)()))
  } catch (error) {
    pipes.fail(error)
    return
  }
  begin(pipes)
}

/** Resolves when the replaced segments are gone, or when the transfer is over. */
export async function changeSegments(pipes: Pipes, next: readonly SegmentRequest[]): Promise<void> {
  const { source, sink } = pipes.options
  const kept = new Set(next.filter(({ plan }) => !plan).map(({ name }) => name))
  if (pipes.over || sink.writableEnded || source.readableEnded) changeAtEnd(pipes, next, kept)
  else if (pipes.requests) changeRequests(pipes, pipes.requests, next)
  else {
    const retired = pipes.slots.filter(({ name, state }) => state === 'live' && !kept.has(name))
    pipes.slots = arrange(pipes, next, retired)
    await retire(pipes, retired)
  }
}

/** Changes a transfer that has not started. Removed segments have no data to deliver. */
function changeRequests(pipes: Pipes, present: readonly SegmentRequest[], next: readonly SegmentRequest[]): void {
  pipes.requests = next.map(request => (request.plan ? request : (present.find(isSame(request)) as SegmentRequest)))
  for (const request of present) if (!pipes.requests.includes(request)) drop(pipes, request.plan)
}

function isSame({ name }: SegmentRequest): (other: SegmentRequest) => boolean {
  return other => other.name === name
}

/** The new segments receive no data, but those that they replace must still release the data that they hold. */
function changeAtEnd(pipes: Pipes, next: readonly SegmentRequest[], kept: ReadonlySet<string>): void {
  for (const { plan } of next) drop(pipes, plan)
  for (const { name, plan } of pipes.slots) if (!kept.has(name)) plan.replace(false)
}

/** Discards stages that receive no data. */
function drop({ forget }: Pipes, plan: Plan | undefined): void {
  if (!plan) return
  for (const stream of plan.streams) stream.destroy()
  forget(plan)
}

/** New slots precede the slots that they replace, or else the next slot that stays. */
function arrange(pipes: Pipes, next: readonly SegmentRequest[], retired: readonly Slot[]): Slot[] {
  const arranged: Slot[] = []
  const rest = [...pipes.slots]
  const takeUntil = (isHere: (slot: Slot) => boolean) => {
    const at = rest.findIndex(isHere)
    arranged.push(...rest.splice(0, at === -1 ? rest.length : at))
  }
  next.forEach(({ name, plan }, i) => {
    const following = plan ? next.slice(i + 1).find(each => !each.plan)?.name : name
    const isNext = (slot: Slot) => slot.state === 'live' && slot.name === following && !retired.includes(slot)
    takeUntil(slot => isNext(slot) || (plan !== undefined && retired.includes(slot)))
    arranged.push(...(plan ? [openSlot(pipes, name, plan)] : rest.splice(0, 1)))
  })
  return [...arranged, ...rest]
}

function openSlot(pipes: Pipes, name: string, plan: Plan): Slot {
  const { streams, meters } = plan
  const slot: Slot = { name, plan, head: streams[0], tail: streams.at(-1), linked: false, state: 'live' }
  let figures = figuresOf(pipes, name)
  if (!figures) {
    figures = segmentFigures(name)
    pipes.figures = [...pipes.figures, figures]
  }
  figures.add(meters)
  const onError = (error?: Error | null) => error && pipes.slots.includes(slot) && pipes.fail(error)
  if (streams.length > 1) pipeline(streams as [Duplex, Duplex], onError)
  else if (slot.tail instanceof Run) watchRun(slot.tail, onError)
  else if (slot.tail) finished(slot.tail, onError)
  slot.tail?.once('end', () => tailEnded(pipes, slot))
  return slot
}

/** `finished` costs 0.7 KiB, which every idle connection keeps. */
function watchRun(run: Run, failed: (error: Error) => void): void {
  run.on('error', failed)
  run.on('close', () => {
    if (!run.readableEnded || !run.writableFinished) failed(run.errored ?? prematureClose())
  })
}

function figuresOf({ figures }: Pipes, name: string): SegmentFigures | undefined {
  return figures.find(each => each.name === name)
}

/** Terminates an unfinished line of a shared sink with LF if the output is lines. */
function begin(pipes: Pipes): void {
  const { sink } = pipes.options
  const last = pipes.slots.findLast(({ tail, state }) => tail && state === 'live')
  if ('lines' in sink) sink.lines = last?.plan.makesLines ?? false
  relink(pipes)
}

/** Slots without input leave immediately. The others end one after another, the first one first. */
function retire(pipes: Pipes, retired: readonly Slot[]): Promise<void> {
  const busy: Slot[] = []
  for (const slot of retired) {
    const before = slotBefore(pipes, slot)
    const awaits = slot.linked && before && (isGoing(before) || busy.includes(before))
    if (hasBegun(slot) || awaits) busy.push(slot)
  }
  for (const slot of retired) if (!busy.includes(slot)) discard(pipes, slot)
  const gone = busy.length === 0 ? Promise.resolve() : allGone(pipes, busy)
  busy.forEach((slot, i) => {
    slot.state = 'closing'
    slot.plan.replace(i === 0)
  })
  begin(pipes)
  for (const slot of busy) if (slot.state === 'closing' && !isGoing(slotBefore(pipes, slot))) close(pipes, slot)
  return gone
}

/** Whether the slot has received data. */
export function hasBegun({ head, plan }: Slot): boolean {
  return plan.meters.some(({ bytesIn }) => bytesIn > 0) || (head?.writableLength ?? 0) > 0
}

function allGone(pipes: Pipes, slots: readonly Slot[]): Promise<void> {
  return new Promise(resolve => {
    pipes.changes = [...pipes.changes, { slots: new Set(slots), resolve }]
  })
}

/** The neighbours that something is piped into: a segment without stages is none. */
function slotBefore({ slots }: Pipes, slot: Slot): Slot | undefined {
  return slots.slice(0, slots.indexOf(slot)).findLast(({ head }) => head)
}

function slotAfter({ slots }: Pipes, slot: Slot): Slot | undefined {
  return slots.slice(slots.indexOf(slot) + 1).find(({ head }) => head)
}

export function tailEnded(pipes: Pipes, item: Item): void {
  if (pipes.over) return
  item.ended = true
  uncount(pipes, item)
  if (isGoing(item)) leave(pipes, item)
  else if (item.to) end(item.to)
}

function close(pipes: Pipes, slot: Slot): void {
  slot.state = 'leaving'
  if (slot.ended) leave(pipes, slot)
  else end(slot)
}

/** Removes a slot whose data has been delivered. If one of its stages has stopped, reading stops. */
function leave(pipes: Pipes, slot: Slot): void {
  const stopped = slot.plan.meters.some(meter => meter.stopped)
  if (stopped) endBefore(pipes, slot)
  const next = slotAfter(pipes, slot)
  const heir = firstNewBefore(pipes, slot) ?? slot.to ?? pipes.last
  pipes.slots = pipes.slots.filter(each => each !== slot)
  if (!stopped) handRest(pipes, slot, heir)
  forget(pipes, slot)
  if (next?.state === 'closing') close(pipes, next)
  relink(pipes)
}

/** Returns the first of the slots that replace this one. */
function firstNewBefore({ slots }: Pipes, slot: Slot): Slot | undefined {
  const before = slots.slice(0, slots.indexOf(slot)).filter(({ head }) => head)
  return before[before.findLastIndex(each => !isNew(each)) + 1]
}

function endBefore(pipes: Pipes, slot: Slot): void {
  for (const each of pipes.slots.slice(0, pipes.slots.indexOf(slot))) discard(pipes, each)
  endSource(pipes)
}

/** The first bytes of a character of which a stage that has left had no more: they are for those in its place. */
function handRest(pipes: Pipes, { plan: { rest } }: Slot, to: Item): void {
  const { bytes } = rest
  rest.bytes = bytes.subarray(bytes.length)
  if (bytes.length === 0) return
  if (to === pipes.last) pipes.countOut?.(bytes)
  if (isGoing(to))
    to.plan.rest.bytes = bytes // it hands them on when it leaves
  else to.head?.write(bytes)
}

function discard(pipes: Pipes, slot: Slot): void {
  pipes.slots = pipes.slots.filter(each => each !== slot)
  unlink(pipes, slot)
  for (const stream of slot.plan.streams) stream.destroy()
  forget(pipes, slot)
}

/** Forgets the slot and completes the changes that waited for it. */
function forget(pipes: Pipes, slot: Slot): void {
  figuresOf(pipes, slot.name)?.end(slot.plan.meters)
  pipes.forget(slot.plan)
  for (const { slots } of pipes.changes) slots.delete(slot)
  const complete = pipes.changes.filter(({ slots }) => slots.size === 0)
  pipes.changes = pipes.changes.filter(change => !complete.includes(change))
  for (const { resolve } of complete) resolve()
}

/** Resolves all pending changes, because the transfer is over. */
export function resolveChanges(pipes: Pipes): void {
  for (const { resolve } of pipes.changes) resolve()
  pipes.changes = []
}
