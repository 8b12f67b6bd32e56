/**
 * Lends the memory of a source: it reads into the same blocks again and again, where it is known when they are free. That is
 * so along stages that pass each chunk on and keep none, up to a stage or a sink that holds nothing of what it has written.
 */
import type { Writable } from 'node:stream'
import { Run } from '../stages/run.js'
import { isSlot, type Pipes } from './pipes.js'

/** Call it when a pipe has changed. */
export function lend(pipes: Pipes): void {
  const way = pipes.isHeard || pipes.over ? [] : wayOf(pipes)
  if (way.length === pipes.lent.length && way.every((stream, i) => stream === pipes.lent[i])) return
  unlend(pipes)
  if (way.length === 0) return
  pipes.lent = way
  giverOf(pipes).lend?.(way.at(-1), way.slice(0, -1) as Run[])
}

/** The source lends no more. */
export function unlend(pipes: Pipes): void {
  if (pipes.lent.length === 0) return
  pipes.lent = []
  giverOf(pipes).lend?.(undefined)
}

function giverOf({ options: { source, sourceLeg } }: Pipes) {
  return sourceLeg ?? source
}

/** The streams from the source to what releases its memory; none if one of them may keep a chunk. */
function wayOf({ first, last, options: { sink, sinkLeg } }: Pipes): readonly Writable[] {
  const way: Writable[] = []
  let item = first.to
  while (isSlot(item)) {
    const { head, plan } = item
    if (!(head instanceof Run)) return []
    way.push(head)
    if (head.memory === 'releases') return way
    if (head.memory !== 'passes' || plan.streams.length > 1) return []
    item = item.to
  }
  const taker = sinkLeg?.stream === sink ? sinkLeg : sink
  return item === last && taker.releases ? [...way, sink] : []
}
