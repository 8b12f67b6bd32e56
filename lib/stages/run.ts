/** A run: adjacent functions fused into one byte-mode Duplex, which keeps its own meter. */
import { Duplex } from 'node:stream'
import { isStop, none } from 'stream-chain/defs.js'
import { cancelSymbol, exec, type Push } from 'stream-chain/exec.js'
import { afterDelivery, markStage, notePipe } from '../formats/delivery.js'
import { type Batch, type BatchFunction, blockBytes } from '../formats/records.js'
import {
  bytesOf,
  filled,
  goesOn,
  inputEnds,
  look,
  outputEnds,
  pushed,
  pushes,
  type RunMeter,
  taken,
  takes,
  wanted,
} from '../stats/meter.js'

/** The output of a run: bytes, or, in object mode, the batches of records from its last stage. */
export type Output = 'bytes' | 'batches'

/** What becomes of the memory of a chunk, as of a stage (see `Traits`). */
export type Memory = 'passes' | 'releases' | undefined

export interface RunOptions {
  /** Each takes a batch and returns batches. The last one returns what the output needs. */
  readonly functions: readonly BatchFunction[]
  /** Release the resources of stages that were not flushed, in order. */
  readonly aborts: readonly (() => Promise<void>)[]
  readonly meter: RunMeter
  readonly output: Output
  readonly memory?: Memory
}

type Callback = (error?: Error | null) => void

type Executor = ReturnType<typeof exec>

type Pending = ReturnType<Push>

/** Thrown into functions that still work after the run is destroyed. */
const cancelled = Symbol('cancelled')

/**
 * Passes chunks through functions, as stream-chain's `asStream` does: in one call as long as each function returns a
 * batch, and from the first one that returns something else with stream-chain's executor. All runs share their methods,
 * and the meter needs no wrappers, so a chunk costs few calls, and a run little memory.
 */
export class Run extends Duplex {
  readonly memory: Memory
  private readonly functions: RunOptions['functions']
  /** The executors of the functions from an index on. */
  private readonly executors: Executor[] = []
  /** The last one that was used: it knows which function stopped. */
  private executor: Executor | undefined
  private readonly give: Push & { [cancelSymbol]?: symbol }
  private readonly meter: RunMeter
  /** Of the stages that are not flushed. */
  private aborts: RunOptions['aborts']
  /** A function waits here until the consumer reads. */
  private parked: { resolve(): void; reject(reason: unknown): void } | undefined
  /** Whether a write goes on after its function has returned. */
  private isWaiting = false
  /** Whether a function ended the run before its input. */
  private stopped = false
  private flushed = false
  private ended = false

  constructor({ functions, aborts, meter, output, memory }: RunOptions) {
    super({
      readableObjectMode: output === 'batches',
      readableHighWaterMark: output === 'batches' ? 1 : blockBytes,
      writableHighWaterMark: blockBytes,
    })
    this.functions = functions
    this.memory = memory
    this.meter = meter
    this.aborts = aborts
    this.give = value => {
      if (this.give[cancelSymbol]) throw cancelled
      if (this.push(value)) return undefined
      return new Promise((resolve, reject) => {
        this.parked = { resolve, reject }
      })
    }
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: Callback): void {
    takes(this.meter, chunk.length)
    if (!this.stopped) this.settle(() => this.run(chunk), callback)
    else if (this.writableEnded) this.done(callback)
    else setImmediate(() => this.done(callback)) // a source that never waits would block the event loop
  }

  override _final(callback: Callback): void {
    inputEnds(this.meter)
    const end: Callback = error => {
      if (error) return callback(error)
      this.aborts = []
      this.endOutput()
      callback()
    }
    if (this.flushed) end()
    else {
      this.flushed = true
      this.settle(() => this.execute(none, 0), end)
    }
  }

  /** The number of bytes that it has taken and not given; infinite after a stop. Counts for a run that passes all on. */
  get missing(): number {
    return this.stopped ? Number.POSITIVE_INFINITY : Math.max(0, this.meter.bytesIn - this.meter.bytesOut)
  }

  override _read(): void {
    wanted(this.meter)
    this.parked?.resolve()
    this.parked = undefined
  }

  override pipe<To extends NodeJS.WritableStream>(to: To, options?: { end?: boolean }): To {
    notePipe(this, to)
    return super.pipe(to, options)
  }

  override push(chunk: unknown): boolean {
    if (chunk === null) {
      this.ended = true
      outputEnds(this.meter, this)
      return super.push(null)
    }
    this.meter.bytesOut += bytesOf(chunk)
    if (this.isWaiting) return this.pushLater(chunk)
    const isWanted = super.push(chunk)
    if (!isWanted) filled(this.meter, true)
    return isWanted
  }

  /** In a write that goes on later, the streams that follow work in between. */
  private pushLater(chunk: unknown): boolean {
    let isWanted = true
    pushes(this.meter)
    try {
      isWanted = super.push(chunk)
    } finally {
      pushed(this.meter, isWanted)
    }
    return isWanted
  }

  override _destroy(error: Error | null, callback: Callback): void {
    this.stopped = true
    this.give[cancelSymbol] = cancelled
    this.parked?.reject(cancelled)
    this.parked = undefined
    if (this.aborts.length === 0) callback(error)
    else
      void this.abort().then(
        () => callback(error),
        failure => callback(error ?? failure),
      )
  }

  private run(chunk: Buffer): Pending {
    const { functions } = this
    let value: unknown = [chunk]
    let index = 0
    while (index < functions.length && Array.isArray(value))
      value = (functions[index++] as (batch: Batch) => unknown)(value)
    if (value === none) return undefined
    const isOutput = index === functions.length && (Array.isArray(value) || value instanceof Uint8Array)
    return isOutput ? this.give(value) : this.execute(value, index)
  }

  /** Passes any value through the functions from an index on; `none` flushes them. */
  private execute(value: unknown, index: number): Pending {
    this.executors[index] ??= exec(...this.functions.slice(index))
    this.executor = this.executors[index]
    return this.executor(value, this.give)
  }

  private settle(work: () => Pending, callback: Callback): void {
    let pending: Pending
    try {
      pending = work()
    } catch (error) {
      this.failed(error, callback)
      return
    }
    if (!pending) {
      taken(this.meter, true)
      callback()
      return
    }
    this.isWaiting = true
    goesOn(this.meter)
    pending.then(
      () => this.done(callback),
      error => this.failed(error, callback),
    )
  }

  private done(callback: Callback, error?: Error): void {
    this.isWaiting = false
    look()
    taken(this.meter)
    callback(error)
  }

  private failed(error: unknown, callback: Callback): void {
    if (error === cancelled) this.done(callback)
    else if (!isStop(error)) afterDelivery(this, () => this.done(callback, error as Error))
    else
      this.stop().then(
        () => {
          this.endOutput()
          this.done(callback)
        },
        failure => this.failed(failure, callback),
      )
  }

  /** A stop is a clean end: the executor flushes the functions after the one that stopped, and the others are released. */
  private async stop(): Promise<void> {
    this.stopped = true
    try {
      if (!this.flushed) await this.executor?.(none, this.give)
    } catch (error) {
      if (!isStop(error)) throw error
    } finally {
      this.flushed = true
    }
    await this.abort()
  }

  private endOutput(): void {
    if (!this.ended) this.push(null)
  }

  /** Releases every stage that was not flushed. Fails with the first error. */
  private async abort(): Promise<void> {
    const { aborts } = this
    this.aborts = []
    const failures: unknown[] = []
    for (const abort of aborts) await abort().catch(error => failures.push(error))
    if (failures.length > 0) throw failures[0]
  }
}

markStage(Run.prototype)
