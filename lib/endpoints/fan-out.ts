/**
 * A sink that writes to several: the main one, and further ones. A chunk is taken when all of them have taken it, so the
 * slowest one sets the pace; one that must not do so is a sink that takes everything, and drops or stores it.
 */
import { Writable } from 'node:stream'
import type { Logger } from '../stages/context.js'
import { errorCode, errorMessage } from '../text/errors.js'
import type { Leg, Sink } from './endpoint.js'
import { Branch } from './fan-out/branch.js'

/** A sink beside the main one. */
export interface FurtherSink {
  readonly to: string
  readonly sink: Sink
  /** Whether its failure ends the connection, or only its own part in it. */
  readonly fail: 'continue' | 'end'
}

type Callback = (error?: Error | null) => void

/** A further sink that fails is logged and reported; by its policy, the whole fails with it. */
export function fanOut(main: Sink, further: readonly FurtherSink[], log?: Logger): Sink {
  const sink = new FanOut(main, further, log)
  return main.leg ? Object.assign(sink, { leg: main.leg }) : sink
}

interface Part extends FurtherSink {
  readonly branch: Branch
}

class FanOut extends Writable {
  /** Of the sinks that the connection waits for. */
  readonly legs: readonly Leg[]
  /** The first is the main one. */
  private readonly parts: readonly Part[]
  private hasLines = false

  constructor(main: Sink, further: readonly FurtherSink[], log: Logger | undefined) {
    super({ highWaterMark: main.writableHighWaterMark })
    const all = [{ to: '', sink: main, fail: 'end' } as const, ...further]
    this.legs = further.flatMap(({ sink: { leg } }) => leg ?? [])
    this.parts = all.map(each => ({
      ...each,
      branch: new Branch(each.sink, error => {
        if (each.fail === 'end') this.destroy(error)
        else {
          const failure = { code: errorCode(error), error: errorMessage(error) }
          log?.warn({ to: each.to, ...failure }, 'a further sink failed, the others go on')
        }
      }),
    }))
  }

  get lines(): boolean {
    return this.hasLines
  }

  set lines(lines: boolean) {
    this.hasLines = lines
    for (const { sink } of this.parts) if ('lines' in sink) sink.lines = lines
  }

  get warnings(): string[] {
    return this.parts.flatMap(({ to, branch: { error } }) => (error ? `${to} failed: ${errorMessage(error)}` : []))
  }

  /** Not left to `_writev`: whoever meters the sink wraps both. */
  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: Callback): void {
    this.each((branch, done) => branch.write([chunk], done), callback)
  }

  override _writev(chunks: readonly { readonly chunk: Buffer }[], callback: Callback): void {
    const buffers = chunks.map(({ chunk }) => chunk)
    this.each((branch, done) => branch.write(buffers, done), callback)
  }

  override _final(callback: Callback): void {
    this.each((branch, done) => branch.end(done), callback)
  }

  override _destroy(error: Error | null, callback: Callback): void {
    this.each(
      (branch, done) => branch.destroy(error ?? undefined, done),
      () => callback(error),
    )
  }

  report(): object {
    const [main, ...further] = this.parts as [Part, ...Part[]]
    const also = further.map(({ to, sink, branch: { bytes, error } }) => ({
      ...{ to, bytes },
      ...sink.report?.(),
      ...(error && { error: errorMessage(error) }),
    }))
    return { ...main.sink.report?.(), also }
  }

  /** Calls back when all sinks have called back. */
  private each(work: (branch: Branch, done: () => void) => void, callback: Callback): void {
    let left = this.parts.length
    for (const { branch } of this.parts)
      work(branch, () => {
        left--
        if (left === 0) callback()
      })
  }
}
