/** Lifts a function of one record to a function of batches, in order, one call at a time. */
import { flushable, getManyValues, isFinalValue, isMany, none, stop } from 'stream-chain/defs.js'
import { TcpPipeError } from './errors.js'
import { type StageMeter, stopwatch } from './meter.js'
import { type Batch, type BatchFunction, batchBytes, batchRecords } from './records.js'
import type { FunctionStage } from './stage.js'

/** What a stage's result may be: chunks, or records (text lines and JSON values). */
export type Family = 'bytes' | 'records'

type Steps = Generator<unknown, void, void>

/** A plain result costs one call; promises, generators and `many` go through a generator that yields what it has when it waits. */
export function lift({ name, write, flush, abort }: FunctionStage, family: Family, meter: StageMeter): BatchFunction {
  const clock = stopwatch(meter, 'busy')
  let results: Batch = []
  let size = 0

  function take(): Batch {
    const batch = results
    results = []
    size = 0
    meter.recordsOut += batch.length
    return batch
  }

  function* deliver(): Steps {
    if (results.length === 0) return
    clock.stop()
    yield take()
    clock.start()
  }

  /** stream-chain waits for a promise that is yielded; `none` lets nothing of it through. */
  function* settle<T>(promise: PromiseLike<T>): Generator<unknown, T, void> {
    yield* deliver()
    let settled: T | undefined
    yield promise.then(value => {
      settled = value
      return none
    })
    return settled as T
  }

  function* add(result: unknown): Steps {
    const value = isThenable(result) ? yield* settle(result) : result
    if (value === none || value === undefined) return
    if (value === stop) {
      yield* deliver()
      yield stop
    } else if (isMany(value)) {
      for (const each of getManyValues(value) as unknown[]) yield* add(each)
    } else if (isIterator(value)) yield* addAll(value)
    else {
      checkResult(value, family, name)
      results.push(value)
      size += (value as { length?: number } | null)?.length ?? 0
      if (results.length >= batchRecords || size >= batchBytes) yield* deliver()
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
      // The error that ended the pipeline is the one to tell, not one of the cleaning up behind it.
      if (!done) Promise.resolve(iterator.return?.()).catch(() => {})
    }
  }

  function* finish(result: unknown, rest: Batch): Steps {
    yield* add(result)
    for (const record of rest) yield* add(write(record))
    clock.stop()
    if (results.length > 0) yield take()
  }

  function process(batch: Batch): unknown {
    meter.recordsIn += batch.length
    clock.start()
    for (let i = 0; i < batch.length; i++) {
      const result = write(batch[i])
      if (isSpecial(result)) return finish(result, batch.slice(i + 1))
      if (result !== none && result !== undefined) {
        checkResult(result, family, name)
        results.push(result)
      }
    }
    clock.stop()
    return results.length > 0 ? take() : none
  }

  if (!flush && !abort) return process
  const end = () => {
    clock.start()
    return finish(flush?.(), [])
  }
  return flushable(process, end, abort ?? null)
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

function isIterator(value: unknown): value is AnyIterator {
  return typeof (value as { next?: unknown } | null)?.next === 'function'
}

function checkResult(value: unknown, family: Family, name: string): void {
  if (family === 'bytes' ? typeof value === 'string' || value instanceof Uint8Array : !isFinalValue(value)) return
  const what = isFinalValue(value) ? 'finalValue, which is not supported: return the value itself' : describe(value)
  const allowed = family === 'bytes' ? '; a stage of bytes gives a Buffer, a Uint8Array or a string' : ''
  throw new TcpPipeError('ERR_STAGE_RESULT', `${name} gave back ${what}${allowed}`)
}

function describe(value: unknown): string {
  if (value === null) return 'null'
  return typeof value === 'object' ? `an object (${value.constructor?.name ?? 'no class'})` : `a ${typeof value}`
}
