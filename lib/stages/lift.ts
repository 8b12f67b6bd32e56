/** Lifts a function of one record to a function of batches, in order, one call at a time. */
import { flushable, getManyValues, isFinalValue, isMany, none, stop } from 'stream-chain/defs.js'
import { type Batch, type BatchFunction, batchRecords, blockBytes } from '../formats/records.js'
import { type StageMeter, start, stop as stopClock, stopwatch } from '../stats/meter.js'
import { describe, TcpPipeError } from '../text/errors.js'
import type { FunctionStage } from './stage.js'

/** What a stage's result may be: chunks, or records (text lines and JSON values). */
export type Family = 'bytes' | 'records'

interface Lifted {
  run: BatchFunction
  /** For the end of the stream: what a flush that never came or never ended has not released. */
  release(): void
}

type Steps = Generator<unknown, void, void>

/** A function may make more of a batch than there was; from here on what it makes goes on in parts. */
const mostBytes = 4 * blockBytes

/** A plain result costs one call; promises, generators and `many` go through a generator that yields what it has when it waits. */
export function lift({ name, write, flush, abort }: FunctionStage, family: Family, meter: StageMeter): Lifted {
  const clock = stopwatch(meter, 'busy')
  let results: Batch = []
  let size = 0
  let over = !abort
  let slow: ReturnType<typeof openSlowPath> | undefined
  const slowPath = () => {
    slow ??= openSlowPath()
    return slow
  }

  function take(): Batch {
    const batch = results
    results = []
    size = 0
    meter.recordsOut += batch.length
    return batch
  }

  /** Made when it is needed: an idle stage is small. */
  function openSlowPath() {
    function* deliver(): Steps {
      if (results.length === 0) return
      stopClock(clock)
      yield take()
      start(clock)
    }

    /** stream-chain waits for a promise that is yielded; `none` lets nothing of it through. */
    function* settle<T>(promise: PromiseLike<T>): Generator<unknown, T, void> {
      const handled = handle(promise) as Promise<T>
      yield* deliver()
      let settled: T | undefined
      yield handled.then(
        value => {
          settled = value
          return none
        },
        error => {
          throw failure(error, name)
        },
      )
      return settled as T
    }

    function* add(result: unknown): Steps {
      const value = isThenable(result) ? yield* settle(result) : result
      if (value === none || value === undefined) return
      if (value === stop) {
        yield* deliver()
        return yield stop
      }
      if (isMany(value)) {
        for (const each of getManyValues(value).map(handle)) yield* add(each)
      } else if (isIterator(value)) yield* addAll(value)
      else {
        checkResult(value, family, name)
        results.push(value)
        size += sizeOf(value)
        if (results.length >= batchRecords || size >= blockBytes) yield* deliver()
      }
    }

    function* addAll(iterator: AnyIterator): Steps {
      let done = false
      try {
        while (true) {
          const next = iterator.next()
          const step: IteratorResult<unknown> = isThenable(next) ? yield* settle(next) : next
          done = step.done === true
          if (done) return
          yield* add(step.value)
        }
      } finally {
        if (!done) quietly(() => iterator.return?.())
      }
    }

    function* finish(result: unknown, rest: Batch): Steps {
      try {
        yield* add(result)
        for (const record of rest) yield* add(write(record))
      } catch (error) {
        throw failure(error, name)
      }
      stopClock(clock)
      if (results.length > 0) yield take()
    }

    return finish
  }

  /** The batch is ours, so the results take the places of the records. */
  function process(batch: Batch): unknown {
    meter.recordsIn += batch.length
    start(clock)
    let kept = 0
    let bytes = 0
    for (let i = 0; i < batch.length; i++) {
      const result = call(batch[i])
      if (typeof result !== 'string') {
        if (result === none || result === undefined) continue
        if (isSpecial(result)) return slowly(result, batch.slice(0, kept), batch.slice(i + 1))
        checkResult(result, family, name)
      }
      batch[kept++] = result
      bytes += sizeOf(result)
      if (bytes > mostBytes) return slowly(none, batch.slice(0, kept), batch.slice(i + 1))
    }
    batch.length = kept
    stopClock(clock)
    meter.recordsOut += kept
    return kept > 0 ? batch : none
  }

  /** `result` and what the rest of the batch gives, behind what there is. */
  function slowly(result: unknown, done: Batch, rest: Batch): Steps {
    results = done
    return slowPath()(handle(result), rest)
  }

  function call(record: unknown): unknown {
    try {
      return write(record)
    } catch (error) {
      throw failure(error, name)
    }
  }

  function* end(): Steps {
    start(clock)
    yield* slowPath()(flushed(), [])
    over = true
  }

  function* flushed(): Generator {
    yield flush?.()
  }

  function release(): unknown {
    if (over) return undefined
    over = true
    return abort?.()
  }

  const run = flush || abort ? flushable(process, end, release) : process
  return { run, release: () => quietly(release) }
}

interface AnyIterator {
  next(): IteratorResult<unknown> | PromiseLike<IteratorResult<unknown>>
  return?(): unknown
}

function isSpecial(value: unknown): boolean {
  if (typeof value !== 'object') return value === stop
  return value !== null && !(value instanceof Uint8Array) && (isThenable(value) || isIterator(value) || isMany(value))
}

function isThenable<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function'
}

/** A promise that rejects before its turn comes is handled: it is told then. */
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

/** The error that ended the pipeline is the one to tell, not one of the cleaning up behind it. */
function quietly(cleanUp: () => unknown): void {
  new Promise(resolve => resolve(cleanUp())).catch(() => {})
}

/** Streams take a falsy error for none. */
function failure(error: unknown, name: string): unknown {
  return error || new TcpPipeError('ERR_STAGE', `${name} threw ${String(error)}`)
}

function checkResult(value: unknown, family: Family, name: string): void {
  if (family === 'bytes' ? typeof value === 'string' || value instanceof Uint8Array : !isFinalValue(value)) return
  const what = isFinalValue(value) ? 'finalValue, which is not supported: return the value itself' : describe(value)
  const allowed = family === 'bytes' ? '; a stage of bytes gives a Buffer, a Uint8Array or a string' : ''
  throw new TcpPipeError('ERR_STAGE_RESULT', `${name} gave back ${what}${allowed}`)
}
