/** When a fault comes: the options that all faults share, and the places of a stream that they stand for. */

import { literal, literalBytes } from '../text/literal.js'
import { bytes, duration, integer, number, type Option, type ValuesOf } from '../text/options.js'
import { finder } from './finder.js'

/** The options of a trigger. Spread them into the `options` of a transform. */
export const triggerOptions = {
  after: bytes('once so many bytes have passed; with on or probability: none before'),
  at: duration('so long after the connection began, or its first byte', { max: 24 * 3_600_000 }),
  on: literal('right behind this text, also if chunks divide it', 65_536),
  nth: integer('with on: only behind the n-th match of the connection', { min: 1 }),
  connection: integer('only in the n-th connection, from 1', { min: 1 }),
  probability: number('the chance at each match of on, otherwise at each block', { min: 0, max: 1 }),
  seed: integer('makes the chance the same in each run; default: another one each time', { min: 0, max: 2 ** 32 - 1 }),
  block: bytes('the bytes of a block; default 1k', { min: 1 }),
}

/** The values of `triggerOptions`, as `create` receives them. */
export type TriggerValues = ValuesOf<typeof triggerOptions>

/** What a block has unless `block` says otherwise. */
export const defaultBlock = 1024

/** A place in the stream, at which the fault is to come. */
export interface Place {
  /** The number of bytes before it. */
  readonly offset: number
  /** The number of its block or of its match, from 0. */
  readonly index: number
}

export interface Trigger {
  /**
   * The places in the bytes that come next, in order, as they are asked for; one behind the last byte belongs to them,
   * but for a fault that needs a byte. They depend on the bytes alone, never on where the chunks are cut.
   */
  places(chunk: Buffer): Generator<Place, void, void>
  /** The number of bytes before those that come next; while the places in a chunk are asked for: before the chunk. */
  position(): number
  /** Why there was no place in all that came. */
  missing(): string
}

export interface TriggerSettings {
  /** A fault that does something to the byte at the place comes when there is one. */
  needsByte: boolean
  /** Whether the chance of a block or a match, given by its number, comes to a fault. */
  isChosen(index: number): boolean
}

/**
 * Checks the options of a trigger together. Gives what is wrong with them, in words that follow the name of the transform,
 * or undefined: it is what `check` of a transform gives back.
 */
export function checkTrigger(values: TriggerValues, blockIsLost = false): string | undefined {
  const { after, at, on, nth, probability, block } = values
  for (const [name, value] of Object.entries({ after, on, probability }))
    if (at !== undefined && value !== undefined) return `takes at= or ${name}=, not both`
  if (nth !== undefined && on === undefined) return 'nth= needs on='
  if (nth !== undefined && probability !== undefined) return 'takes nth= or probability=, not both'
  if (block !== undefined && !blockIsLost && (probability === undefined || on !== undefined))
    return 'block= needs probability= without on=, which has a chance in each block'
  return undefined
}

/** A place is never told twice. `at` has one only for a fault that needs a byte; for others time is no matter of bytes. */
export function openTrigger(values: TriggerValues, settings: TriggerSettings): Trigger {
  const { on, nth, at } = values
  const tally = { matches: 0 }
  const search = settings.needsByte ? atBytes(searchFor(values, settings, tally)) : searchFor(values, settings, tally)
  let position = 0

  function* places(chunk: Buffer): Generator<Place, void, void> {
    yield* search(chunk, position)
    position += chunk.length
  }

  function missing(): string {
    if (nth !== undefined && tally.matches < nth) return `${tally.matches} of ${nth} found`
    if (on !== undefined) return tally.matches === 0 ? 'not found' : 'nothing came behind it'
    if (at !== undefined) return settings.needsByte ? 'no byte came so late' : 'it was over before'
    return position === 0 ? 'no byte came' : `only ${position} ${position === 1 ? 'byte' : 'bytes'} came`
  }

  return { places, position: () => position, missing }
}

/** A fault as it was written: `cut on=COMMIT nth=3`. */
export function triggerText(name: string, values: TriggerValues): string {
  const words = (['after', 'at', 'on', 'nth', 'connection'] as const).flatMap(key => {
    const value = values[key]
    return value === undefined ? [] : [`${key}=${quoted((triggerOptions[key] as Option).format(value))}`]
  })
  return [name, ...words].join(' ')
}

/** The places in a chunk, which has so many bytes before it. */
type Search = (chunk: Buffer, start: number) => Generator<Place, void, void>

function searchFor(values: TriggerValues, settings: TriggerSettings, tally: { matches: number }): Search {
  const { after = 0, at, on, probability } = values
  if (on !== undefined) return byMatch(literalBytes(on), values, settings, tally)
  if (probability !== undefined) return byBlock(values, settings)
  if (at === undefined) return byOffset(after)
  return settings.needsByte ? byTime(at) : function* () {}
}

function byOffset(after: number): Search {
  let done = false
  return function* (chunk, start) {
    if (done || after > start + chunk.length) return
    done = true
    yield { offset: after, index: 0 }
  }
}

function byTime(at: number): Search {
  const due = performance.now() + at
  let done = false
  return function* (_chunk, start) {
    if (done || performance.now() < due) return
    done = true
    yield { offset: start, index: 0 }
  }
}

/** The search begins at `after`, as if nothing were before it. */
function byMatch(
  pattern: Buffer,
  { after = 0, nth, probability }: TriggerValues,
  { isChosen }: TriggerSettings,
  tally: { matches: number },
): Search {
  const find = finder(pattern)

  function isMeant(index: number): boolean {
    if (nth !== undefined) return index === nth - 1
    return probability === undefined || isChosen(index)
  }

  return function* (chunk, start) {
    const skipped = Math.min(chunk.length, Math.max(0, after - start))
    if (tally.matches === nth) return
    for (const end of find(chunk.subarray(skipped))) {
      const index = tally.matches++
      if (isMeant(index)) yield { offset: start + skipped + end, index }
      if (tally.matches === nth) return
    }
  }
}

/** Each block that begins at `after` or behind it and has a byte; its first byte is the place. */
function byBlock({ after = 0, block = defaultBlock }: TriggerValues, { isChosen }: TriggerSettings): Search {
  return function* (chunk, start) {
    const end = start + chunk.length
    for (let index = Math.ceil(Math.max(start, after) / block); index * block < end; index++)
      if (isChosen(index)) yield { offset: index * block, index }
  }
}

/** A place behind the last byte waits for the next one. */
function atBytes(search: Search): Search {
  let waiting: Place | undefined
  return function* (chunk, start) {
    if (waiting && chunk.length > 0) {
      yield waiting
      waiting = undefined
    }
    for (const place of search(chunk, start)) {
      if (place.offset < start + chunk.length) yield place
      else waiting = place
    }
  }
}

/** As a word of a spec. */
function quoted(text: string): string {
  return /^[\w.:,/+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
}
