/** Lets a trigger decide where a transform starts; bytes before that place pass unchanged. */
import { many } from 'stream-chain/defs.js'
import type { Context } from '../stages/context.js'
import { type Fault, faultStage } from './fault.js'
import type { TriggerValues } from './trigger.js'

export interface StartingPoint {
  /** Splits a chunk at the place; either part may be empty. Call it once per chunk. */
  split(chunk: Buffer): [before: Buffer, after: Buffer]
  /** Call it when the stage is done; repeated calls are harmless. Warns of a place that never occurred. */
  over(): void
}

/** Each of these is a trigger; the other options only refine it. */
const triggers = ['after', 'at', 'on', 'connection', 'probability'] as const

/**
 * Makes a stage that starts at the first place, which always has a byte. Without a trigger it starts at once. In
 * connections other than the selected one it passes everything.
 */
export function triggeredStage<Stage>(
  name: string,
  values: TriggerValues,
  context: Context,
  make: (start?: StartingPoint) => Stage,
): Stage | ((chunk: Buffer) => Buffer) {
  if (triggers.every(key => values[key] === undefined)) return make()
  return faultStage({ name, values, context, needsByte: true }, fault => make(openStartingPoint(fault)))
}

/** Applies `write` only to bytes after the start. */
export function fromStart<Result>({ split }: StartingPoint, write: (chunk: Buffer) => Result) {
  return (chunk: Buffer) => {
    const [before, after] = split(chunk)
    if (after.length === 0) return before
    const result = write(after)
    return before.length === 0 ? result : many([before, result])
  }
}

function openStartingPoint({ places, position, fire, over }: Fault): StartingPoint {
  let begun = false

  /** The number of bytes before the place. */
  function lengthBefore(chunk: Buffer): number {
    if (begun) return 0
    const start = position()
    const [place] = places(chunk)
    if (!place) return chunk.length
    begun = true
    fire(place.offset)
    return place.offset - start
  }

  function split(chunk: Buffer): [Buffer, Buffer] {
    const length = lengthBefore(chunk)
    return [chunk.subarray(0, length), chunk.subarray(length)]
  }

  return { split, over }
}
