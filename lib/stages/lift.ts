/** Lifts a function of one record to a function of batches: in order, one call at a time. */
import { flushable, getManyValues, isFinalValue, isMany, none, stop } from 'stream-chain/defs.js'
import { type Batch, type BatchFunction, batchRecords, blockBytes, chunkBytes } from '../formats/records.js'
import { handOver, keepBusy, type RunMeter, resume, type StageMeter } from '../stats/meter.js'
import { blame } from '../text/blame.js'
import { describe, TcpPipeError, toError } from '../text/errors.js'
import type { FunctionStage } from './stage.js'

/** The kind of results of a stage: chunks, or records (text lines and JSON values). */
export type Family = 'bytes' | 'records'

interface Lifted {
  run: BatchFunction
  /** Releases resources if the flush did not run or did not finish. Undefined if there are none. */
  abort: (() => Promise<void>) | undefined
}

type Steps = Generator<unknown, void, void>

/** The size from which the results of a batch are passed on in parts. A usual chunk, encoded, is smaller. */
const mostBytes = 2 * chunkBytes

/** The state of a running stage. */
interface Lift {
  readonly stage: FunctionStage
  readonly family: Family
  readonly meter: StageMeter
  readonly run: RunMeter
  /** The pending results of the slow path, and their size. */
  results: Batch
  size: number
  /** Whether all resources are released. */
  over: boolean
}

/**
 * A plain result costs one call. Promises, generators and `many` use a generator, which yields results when it waits.
 */
export function lift(stage: FunctionStage, family: Family, meter: StageMeter, run: RunMeter): Lifted {
  const state: Lift = { stage, family, meter, run, results: [], size: 0, over: !stage.abort }
  const process = (batch: Batch) => processBatch(state, batch)
  const isFlushed = stage.flush || stage.abort
  return { run: isFlushed ? flushed(state, process) : process, abort: stage.abort && aborting(state) }
}

/** Apart, since a function keeps what those beside it need. */
function flushed(state: Lift, process: (batch: Batch) => unknown): BatchFunction {
  return flushable(process, () => endStage(state))
}

function aborting(state: Lift): () => Promise<void> {
  return () => abort(state)
}

/** Reuses the batch: the results replace the records. To look at a result can throw, too: a getter, or a Proxy. */
function processBatch(state: Lift, batch: Batch): unknown {
  const { stage, family, meter, run } = state
  const { length } = batch
  meter.recordsIn += length
  let kept = 0
  let bytes = 0
  try {
    for (let i = 0; i < length; i++) {
      const result = stage.write(batch[i])
      if (typeof result !== 'string' && !(result instanceof Uint8Array)) {
        if (result === none || result === undefined) continue
        if (isSpecial(result) || !isAllowed(result, family))
          return slowly(state, result, batch.slice(0, kept), batch.slice(i + 1))
      }
      bytes += sizeOf(result)
      batch[kept++] = result
      if (bytes > mostBytes) return slowly(state, none, batch.slice(0, kept), batch.slice(i + 1))
    }
  } catch (error) {
    return slowly(state, new Thrown(error), batch.slice(0, kept), [])
  }
  if (kept < length) batch.length = kept
  handOver(meter, run)
  meter.recordsOut += kept
  return kept > 0 ? batch : none
}

/** Yields the pending results, then `result`, then the results of the rest of the batch. */
function slowly(state: Lift, result: unknown, done: Batch, rest: Batch): Steps {
  state.results = done
  keepBusy(state.meter, state.run)
  return finish(state, handle(result), rest)
}

/** What a stage threw, as its result: the results before it are delivered first. */
class Thrown {
  constructor(readonly error: unknown) {}
}

function* finish(state: Lift, result: unknown, rest: Batch): Steps {
  const { stage, meter, run } = state
  try {
    yield* add(state, result)
    for (const record of rest) yield* add(state, stage.write(record))
  } catch (error) {
    yield* deliver(state)
    throw failure(error, stage.name)
  }
  handOver(meter, run)
  if (state.results.length > 0) yield take(state)
}

function* endStage(state: Lift): Steps {
  resume(state.meter)
  yield* finish(state, lastOf(state.stage), [])
  state.over = true
}

function* lastOf({ flush }: FunctionStage): Generator {
  yield flush?.()
}

async function abort(state: Lift): Promise<void> {
  if (state.over) return
  state.over = true
  try {
    await state.stage.abort?.()
  } catch (error) {
    throw failure(error, state.stage.name)
  }
}

function take(state: Lift): Batch {
  const batch = state.results
  state.results = []
  state.size = 0
  state.meter.recordsOut += batch.length
  return batch
}

function* deliver(state: Lift): Steps {
  if (state.results.length === 0) return
  handOver(state.meter, state.run)
  yield take(state)
  resume(state.meter)
}

/** stream-chain waits for a yielded promise. `none` discards its value. */
function* settle<T>(state: Lift, promise: PromiseLike<T>): Generator<unknown, T, void> {
  const handled = handle(promise) as Promise<T>
  yield* deliver(state)
  let settled: T | undefined
  yield handled.then(
    value => {
      settled = value
      return none
    },
    error => {
      throw failure(error, state.stage.name)
    },
  )
  return settled as T
}

function* add(state: Lift, result: unknown): Steps {
  const value = isThenable(result) ? yield* settle(state, result) : result
  if (value === none || value === undefined) return
  if (value instanceof Thrown) throw value.error
  if (value === stop) {
    yield* deliver(state)
    return yield stop
  }
  if (isMany(value)) {
    for (const each of getManyValues(value).map(handle)) yield* add(state, each)
  } else if (isIterator(value)) yield* addAll(state, value)
  else {
    checkResult(value, state.family, state.stage.name)
    state.results.push(value)
    state.size += sizeOf(value)
    if (state.results.length >= batchRecords || state.size >= blockBytes) yield* deliver(state)
  }
}

function* addAll(state: Lift, iterator: AnyIterator): Steps {
  let done = false
  try {
    while (true) {
      const next = iterator.next()
      const step: IteratorResult<unknown> = isThenable(next) ? yield* settle(state, next) : next
      done = step.done === true
      if (done) return
      yield* add(state, step.value)
    }
  } finally {
    if (!done) quietly(() => iterator.return?.())
  }
}

interface AnyIterator {
  next(): IteratorResult<unknown> | PromiseLike<IteratorResult<unknown>>
  return?(): unknown
}

function isSpecial(value: unknown): boolean {
  if (typeof value !== 'object') return value === stop
  if (value === null || value instanceof Uint8Array) return false
  return isThenable(value) || isIterator(value) || isMany(value)
}

function isThenable<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function'
}

/** Handles a promise that rejects early. The error is reported in order. */
function handle(value: unknown): unknown {
  if (!isThenable(value)) return value
  const promise = Promise.resolve(value)
  promise.catch(() => {})
  return promise
}

function isIterator(value: unknown): value is AnyIterator {
  return typeof (value as { next?: unknown } | null)?.next === 'function'
}

function sizeOf(value: unknown): number {
  return typeof value === 'string' || value instanceof Uint8Array ? value.length : 0
}

/** Reports the error that ended the pipeline, not an error of the cleanup after it. */
function quietly(cleanUp: () => unknown): void {
  new Promise(resolve => resolve(cleanUp())).catch(() => {})
}

/** Returns what was thrown as an error, and notes its stage. */
function failure(thrown: unknown, name: string): Error {
  const error = thrown ? toError(thrown) : new TcpPipeError('ERR_STAGE', `${name} threw ${String(thrown)}`)
  blame(error, name)
  return error
}

function isAllowed(value: unknown, family: Family): boolean {
  return family === 'bytes' ? typeof value === 'string' || value instanceof Uint8Array : !isFinalValue(value)
}

function checkResult(value: unknown, family: Family, name: string): void {
  if (isAllowed(value, family)) return
  const what = isFinalValue(value) ? 'finalValue, which is not supported: return the value itself' : describe(value)
  const allowed = family === 'bytes' ? '; a stage of bytes gives a Buffer, a Uint8Array or a string' : ''
  throw failure(new TcpPipeError('ERR_STAGE_RESULT', `${name} returned ${what}${allowed}`), name)
}
