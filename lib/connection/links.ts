/** Which parts of a transfer are piped into each other. Only these connections use `pipe`. */
import type { Readable, Writable } from 'node:stream'
import { notePipe } from '../formats/delivery.js'
import { lend, unlend } from './lending.js'
import { type Item, isGoing, isNew, isSlot, type Pipes } from './pipes.js'

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
  const { first, last, countIn, countOut } = pipes
  const tail = item.tail as Readable
  if (next === last && countOut) tail.prependListener('data', countOut) // unlike `on`, it starts no flow
  if (item === first && countIn) tail.prependListener('data', countIn) // what goes has come before
  notePipe(tail, next.head as Writable)
  tail.pipe(next.head as Writable, { end: false })
}

export function unlink(pipes: Pipes, item: Item): void {
  if (!item.to) return
  if (item === pipes.first) unlend(pipes)
  uncount(pipes, item)
  item.tail?.unpipe(item.to.head)
  item.to = undefined
}

/** Comes before each `unpipe`, also that of Node at an end: it resumes what waits for a drain and has a listener. */
export function uncount({ countIn, countOut }: Pipes, { tail }: Item): void {
  if (countIn) tail?.off('data', countIn)
  if (countOut) tail?.off('data', countOut)
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
