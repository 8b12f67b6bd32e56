/** The parts of stages. An unused stream yields its recipes. Any other stream is its own part. */
import type { Duplex } from 'node:stream'
import type { Unit } from '../formats/records.js'
import { isWebTransform, type WebTransform } from '../formats/web.js'
import { describe, TcpPipeError } from '../text/errors.js'
import { isDuplex, isStageObject, type Recipe, type Stage, unitOf } from './stage.js'
import { webStage } from './web-stage.js'

/** A recipe for a stage, or a stream. */
export type Part = Recipe | Duplex

/** The state of a stream that creates its stages from recipes. */
export interface Lazy {
  readonly parts: Part[]
  fresh: boolean
  taken: boolean
  records(): AsyncGenerator<unknown>
}

const lazy = new WeakMap<Duplex, Lazy>()
const used = new WeakSet<Duplex>()

/** Registers the parts of a stream for `toParts`. */
export function register(stream: Duplex, state: Lazy): void {
  lazy.set(stream, state)
}

/** Claims the stream for reading its records. */
export function takeRecords(stream: Duplex): Lazy {
  const state = lazy.get(stream)
  if (!state) throw new TcpPipeError('ERR_STAGE', 'records() reads what compose() or a transform made')
  if (state.taken) throw takenError()
  if (used.has(stream)) throw usedError('this stream')
  if (!state.fresh) throw new TcpPipeError('ERR_STAGE', 'records() comes too late: the stream has begun')
  used.add(stream)
  return state
}

export const expectedStage = 'expected a Duplex, a TransformStream, a function or { write, flush, destroy }'

/** Returns the parts of a stage. Throws `ERR_STAGE`, naming its position. */
export function toParts(stage: Stage, index: number): Part[] {
  if (isDuplex(stage)) return takeApart(stage, index)
  if (isWebTransform(stage)) return [takePair(stage, index)]
  const isUncalled = typeof stage === 'function' && 'definition' in stage
  if (!isUncalled && (typeof stage === 'function' || isStageObject(stage))) {
    const name = (stage as { name?: unknown }).name
    return [recipe(typeof name === 'string' && name ? name : `stage ${index + 1}`, unitOf(stage), () => stage as never)]
  }
  const what = isUncalled ? 'a transform that is not called' : describe(stage)
  throw new TcpPipeError('ERR_STAGE', `stage ${index + 1} is ${what}; ${expectedStage}`)
}

/** Returns the parts of one or more stages. */
export function partsOf(stages: Stage | readonly Stage[]): Part[] {
  return Array.isArray(stages) ? stages.flatMap(toParts) : toParts(stages as Stage, 0)
}

export function recipe(
  name: string,
  unit: Unit | undefined,
  create: Recipe['create'],
  more: Pick<Recipe, 'context' | 'makesLines' | 'indivisible'> = {},
): Recipe {
  return { name, unit, create, ...more }
}

/** Returns the parts of a stream. Throws `ERR_STAGE` if a pipeline already uses it. */
export function takeApart(stream: Duplex, index: number): Part[] {
  const state = lazy.get(stream)
  if (state?.taken || used.has(stream)) {
    throw usedError(`stage ${index + 1}`)
  }
  if (stream.destroyed) throw new TcpPipeError('ERR_STAGE', `stage ${index + 1} is destroyed`)
  if (!state || !isFresh(stream, state)) {
    used.add(stream)
    return [stream]
  }
  state.taken = true
  return state.parts
}

/** Converts a pair of Web streams to a Duplex. Throws `ERR_STAGE` if a pipeline already uses it. */
export function takePair(pair: WebTransform, index: number): Duplex {
  if (pair.readable.locked || pair.writable.locked) throw usedError(`stage ${index + 1}`)
  return webStage(pair)
}

function isFresh(stream: Duplex, { fresh }: Lazy): boolean {
  return fresh && stream.eventNames().length === 0 && stream.writableLength === 0 && !stream.writableEnded
}

function usedError(what: string): TcpPipeError {
  return new TcpPipeError('ERR_STAGE', `${what} is already part of a pipeline: a stream can be used once`)
}

export function takenError(): TcpPipeError {
  return new TcpPipeError('ERR_STAGE', 'this stream was composed into another one; write to that one, and read from it')
}
