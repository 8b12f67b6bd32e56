/** When a fault occurs: the options that all faults share, and the places in the stream that they select. */

import { literal, literalBytes } from '../text/literal.js'
import { bytes, duration, integer, number, type Option, type ValuesOf } from '../text/options.js'
import { finder } from './finder.js'

/** The options of a trigger. Spread them into the `options` of a transform. */
export const triggerOptions = {
  after: bytes('at this offset; with on or probability: not before it'),
  at: duration('this long after the connection began, or after its first byte', { max: 24 * 3_600_000 }),
  on: literal('directly after this text, even if chunks split it', 65_536),
  nth: integer('with on: only after the n-th match of the connection', { min: 1 }),
  connection: integer('only in the n-th connection, counted from 1', { min: 1 }),
  probability: number('chance at each match of on, otherwise at each block', { min: 0, max: 1 }),
  seed: integer('makes chance repeatable; default: different in each run', { min: 0, max: 2 ** 32 - 1 }),
  block: bytes('size of a block; default: 1k', { min: 1 }),
}

/** The values of `triggerOptions`, as `create` receives them. */
export type TriggerValues = ValuesOf<typeof triggerOptions>

/** The default of `block`. */
export const defaultBlock = 1024

/** A place in the stream where the fault occurs. */
export interface Place {
  /** The number of bytes before it. */
  readonly offset: number
  /** The number of its block or match, from 0. */
  readonly index: number
}

export interface Trigger {
  /**
   * Yields the places in the next bytes, in order. A place after the last byte is included, unless the fault needs a
   * byte. Places depend only on the bytes, never on chunk boundaries.
   */
  places(chunk: Buffer): Generator<Place, void, void>
  /** The number of bytes before the next chunk or, during `places`, before the current one. */
  position(): number
  /** Says why the input had no place. */
  missing(): string
}

export interface TriggerSettings {
  /** True for a fault that changes the byte at the place, and therefore waits for one. */
  needsByte: boolean
  /** Decides by chance whether this block or match has a fault. */
  isChosen(index: number): boolean
}

/**
 * Checks the options of a trigger together. Returns undefined, or an error text that follows the name of the
 * transform. Use it as the `check` of a transform.
 */
export function checkTrigger(values: TriggerValues, blockIsLost = false): string | undefined {
  const { after, at, on, nth, probability, block } = values
  for (const [name, value] of Object.entries({ after, on, probability }))
    if (at !== undefined && value !== undefined) return `takes at= or ${name}=, not both`
  if (nth !== undefined && on === undefined) return 'nth= needs on='
  if (nth !== undefined && probability !== undefined) return 'takes nth= or probability=, not both'
  if (block !== undefined && !blockIsLost && (probability === undefined || on !== undefined))
    return 'block= needs probability= without on='
  return undefined
}

/** Yields each place once. `at` has a place only if the fault needs a byte; otherwise it does not depend on bytes. */
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
    if (on !== undefined) return tally.matches === 0 ? 'not found' : 'no byte followed it'
    if (at !== undefined) return settings.needsByte ? 'no byte arrived after that time' : 'the stream ended earlier'
    return position === 0 ? 'no byte arrived' : `only ${position} ${position === 1 ? 'byte' : 'bytes'} arrived`
  }

  return { places, position: () => position, missing }
}

/** The fault as in a spec: `cut on=COMMIT nth=3`. */
export function triggerText(name: string, values: TriggerValues): string {
  const words = (['after', 'at', 'on', 'nth', 'connection'] as const).flatMap(key => {
    const value = values[key]
    return value === undefined ? [] : [`${key}=${quoted((triggerOptions[key] as Option).format(value))}`]
  })
  return [name, ...words].join(' ')
}

/** Yields the places in a chunk that begins at offset `start`. */
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

/** The search begins at `after` and ignores everything before it. */
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

/** The place is the first byte of each block that begins at or after `after`. */
function byBlock({ after = 0, block = defaultBlock }: TriggerValues, { isChosen }: TriggerSettings): Search {
  return function* (chunk, start) {
    const end = start + chunk.length
    for (let index = Math.ceil(Math.max(start, after) / block); index * block < end; index++)
      if (isChosen(index)) yield { offset: index * block, index }
  }
}

/** A place after the last byte waits for the next byte. */
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

/** Quotes a word for a spec. */
export function quoted(text: string): string {
  return /^[\w.:,/+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
}
