/** Where a transform begins to do its work, if a trigger says so: what is before passes as it is. */
import { many } from 'stream-chain/defs.js'
import type { Context } from '../stages/context.js'
import { type Fault, faultStage } from './fault.js'
import type { TriggerValues } from './trigger.js'

export interface StartingPoint {
  /** What of a chunk is before the place, and what is behind it; either may be empty. To be called once for each chunk. */
  split(chunk: Buffer): [before: Buffer, behind: Buffer]
  /** To be called when the stage is over, as often as one likes: warns of a place that has never come. */
  over(): void
}

/** Each of them is a trigger by itself; the other options of one say more about it. */
const triggers = ['after', 'at', 'on', 'connection', 'probability'] as const

/**
 * The stage that begins at the first place, which is where a byte comes. Without a trigger there is no start: it begins
 * at once. In another connection than the one that is meant it passes everything.
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

/** Does to what is behind the start what the function does to each chunk. */
export function fromStart<Result>({ split }: StartingPoint, write: (chunk: Buffer) => Result) {
  return (chunk: Buffer) => {
    const [before, behind] = split(chunk)
    if (behind.length === 0) return before
    const result = write(behind)
    return before.length === 0 ? result : many([before, result])
  }
}

function openStartingPoint({ places, position, fire, over }: Fault): StartingPoint {
  let begun = false

  /** The length of what is before the place. */
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
