/** One sink of a fan-out: what it has taken, and how it fails. */
import { prematureClose } from '../../text/errors.js'
import type { Sink } from '../endpoint.js'

export class Branch {
  /** The number of bytes that the sink has called back for. */
  bytes = 0
  error: Error | undefined
  private isFinished = false
  /** Called once: when what is under way is taken, or is not taken any more. */
  private done: (() => void) | undefined

  /** Calls `onFailed` once, unless the sink has finished before. */
  constructor(
    readonly sink: Sink,
    private readonly onFailed: (error: Error) => void,
  ) {
    sink.on('error', error => this.fail(error))
    sink.once('finish', () => {
      this.isFinished = true
      this.settle()
    })
    const closed = () => this.fail(sink.errored ?? prematureClose())
    sink.once('close', closed)
    if (sink.destroyed) queueMicrotask(closed) // its events may be over
  }

  get isOver(): boolean {
    return this.isFinished || this.error !== undefined
  }

  write(chunks: readonly Uint8Array[], done: () => void): void {
    this.done = done
    if (this.isOver) this.settle()
    else
      for (const [i, chunk] of chunks.entries())
        this.sink.write(chunk, error => {
          if (error) return this.fail(error)
          this.bytes += chunk.length
          if (i === chunks.length - 1) this.settle()
        })
  }

  end(done: () => void): void {
    this.done = done
    if (this.isOver) this.settle()
    else this.sink.end()
  }

  /** Calls `done` when the sink is closed. */
  destroy(error: Error | undefined, done: () => void): void {
    if (this.isFinished || this.sink.closed) done()
    else this.sink.once('close', done).destroy(error)
  }

  private fail(error: Error): void {
    if (this.isOver) return
    this.error = error
    this.sink.destroy(error)
    this.onFailed(error)
    this.settle()
  }

  private settle(): void {
    const { done } = this
    this.done = undefined
    done?.()
  }
}
