/** One socket → stages → another one. The stages can be changed while it runs. */
import { type Duplex, finished, pipeline } from 'node:stream'
import type { Plan } from './plan.js'

export interface Relay {
  /** Resolves when the sink has taken everything and its end; rejects when a stage fails. */
  readonly done: Promise<void>
  /** The names of stages that have begun and that cannot be ended in the middle. */
  readonly open: readonly string[]
  /**
   * Ends the stages, lets the sink take what they still hold, and pipes what follows through those that are made then.
   * Resolves when that is so, or when there is nothing more to pipe.
   */
  change(next: MakePlan): Promise<void>
}

/** Makes the stages; `inPlaceOf` are those that have been there before. */
export type MakePlan = (inPlaceOf?: Plan) => Plan

/**
 * Pipes at once. The two are destroyed by whoever has opened them when one of them fails, or when `done` rejects. A stage
 * that stops ends the sink well, and the source is no longer read.
 */
export function openRelay(source: Duplex, sink: Duplex, first: MakePlan): Relay {
  let current: Plan
  let next: MakePlan | undefined
  let changed: (() => void)[] = []
  let over = false
  let settle: () => void
  let fail: (error: unknown) => void
  const done = new Promise<void>((resolve, reject) => {
    settle = resolve
    fail = reject
  })
  source.once('end', ended)
  sink.once('finish', finish)
  sink.once('close', end)
  current = first()
  start()

  /** Where the source is piped to. */
  function head(): Duplex {
    return current.streams[0] ?? sink
  }

  function start(): void {
    const { streams } = current
    const tail = streams.at(-1)
    const onError = (error?: Error | null) => error && fail(error)
    if (streams.length > 1) pipeline(streams as [Duplex, Duplex], onError)
    else if (tail) finished(tail, onError)
    tail?.once('end', tailEnded)
    tail?.pipe(sink, { end: false })
    if (source.readableEnded) head().end()
    else source.pipe(head(), { end: false })
  }

  /** During a change the next ones are told. A source that has been destroyed by then has failed: that is no end. */
  function ended(): void {
    if (!next && !source.destroyed) head().end()
  }

  /** Everything that was in the stages is the sink's. */
  function tailEnded(): void {
    if (next && head().writableEnded) swap()
    else sink.end()
  }

  function swap(): void {
    try {
      current = (next as MakePlan)(current)
      next = undefined
      start()
      told()
    } catch (error) {
      fail(error)
    }
  }

  function change(make: MakePlan): Promise<void> {
    if (over || source.readableEnded || sink.writableEnded) return Promise.resolve()
    const isDraining = next !== undefined
    next = make
    const promise = new Promise<void>(resolve => changed.push(resolve))
    if (isDraining) return promise
    source.unpipe(head())
    if (current.streams.length === 0) swap()
    else {
      current.replace()
      head().end()
    }
    return promise
  }

  function told(): void {
    for (const resolve of changed) resolve()
    changed = []
  }

  function finish(): void {
    source.unpipe().pause()
    for (const stream of current.streams) stream.destroy()
    settle()
    end()
  }

  function end(): void {
    over = true
    told()
  }

  return {
    done,
    get open() {
      const hasBegun = current.meters.some(({ bytesIn }) => bytesIn > 0)
      return hasBegun && !head().writableEnded ? current.whole : []
    },
    change,
  }
}
