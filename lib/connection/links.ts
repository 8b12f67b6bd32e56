/** Which parts of a transfer are piped into each other, and the ends that go along. */
import type { Readable, Writable } from 'node:stream'
import { notePipe } from '../formats/delivery.js'
import { lend, unlend } from './lending.js'
import { type Count, type Item, isGoing, isNew, isSlot, type Pipes } from './pipes.js'

/** Pipes each item into the next one, wherever that takes something just now. The source may lend along these pipes. */
export function relink(pipes: Pipes): void {
  const items: Item[] = [pipes.first, ...pipes.slots.filter(({ head }) => head), pipes.last]
  items.slice(0, -1).forEach((item, i) => {
    const next = items[i + 1] as Item
    link(pipes, item, takes(next, item, items.slice(i + 2)) ? next : undefined)
  })
  lend(pipes)
}

/** A leaving slot accepts nothing more. New slots before it wait until it is gone, since it may hand bytes to them. */
function takes(next: Item, from: Item, behind: readonly Item[]): boolean {
  if (!isSlot(next)) return true
  if (next.state === 'live') return next.linked || !isGoing(behind.find(item => !isNew(item)))
  return next.state === 'closing' && isGoing(from)
}

function link(pipes: Pipes, item: Item, next: Item | undefined): void {
  if (item.to === next) return
  unlink(pipes, item)
  item.to = next
  if (isSlot(next)) next.linked = true
  if (next && item.ended) end(next)
  else if (next) pipe(pipes, item, next)
}

function pipe(pipes: Pipes, item: Item, next: Item): void {
  const tail = item.tail as Readable
  const count = counterOf(pipes, item === pipes.first, next === pipes.last)
  if (count) tail.prependListener('data', count) // unlike `on`, it starts no flow
  notePipe(tail, next.head as Writable)
  tail.pipe(next.head as Writable, { end: false })
}

/** One listener at most: events copy a list of several each time. */
function counterOf(pipes: Pipes, isFirst: boolean, isLast: boolean): Count | undefined {
  const { countIn, countOut } = pipes
  if (!isFirst || !countIn) return isLast ? countOut : undefined
  if (!isLast || !countOut) return countIn
  pipes.countBoth ??= chunk => {
    countIn(chunk) // what goes has come before
    countOut(chunk)
  }
  return pipes.countBoth
}

export function unlink(pipes: Pipes, item: Item): void {
  if (!item.to) return
  if (item === pipes.first) unlend(pipes)
  uncount(pipes, item)
  item.tail?.unpipe(item.to.head)
  item.to = undefined
}

/** Comes before each `unpipe`, also that of Node at an end: it resumes what waits for a drain and has a listener. */
export function uncount({ countIn, countOut, countBoth }: Pipes, { tail }: Item): void {
  for (const count of [countIn, countOut, countBoth]) if (count) tail?.off('data', count)
}

/** Ends the input of the item. */
export function end({ head }: Item): void {
  if (!head?.writableEnded) head?.end()
}

/** Stops reading, as if the source had ended. */
export function endSource(pipes: Pipes): void {
  unlink(pipes, pipes.first)
  pipes.options.source.pause()
  pipes.first.ended = true
}
