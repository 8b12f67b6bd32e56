/** One socket → stages → another one. The stages can be changed while it runs. */
import { type Duplex, finished, pipeline } from 'node:stream'
import type { Plan } from '../stages/plan.js'

export interface Relay {
  /** Resolves when the sink has taken everything and its end, or is closed; rejects when a stage fails. */
  readonly done: Promise<void>
  /** The names of stages that have begun and that cannot be ended in the middle. */
  readonly open: readonly string[]
  /**
   * Ends the stages, lets the sink take what they still hold, and pipes what follows through these.
   * Resolves when that is so, or when there is nothing more to pipe. `forget` is called with the stages that are over then,
   * be they these.
   */
  change(next: Plan, forget?: (plan: Plan) => void): Promise<void>
}

/**
 * Pipes at once. The two are destroyed by whoever has opened them when one of them fails, or when `done` rejects. A stage
 * that stops ends the sink well, and the source is no longer read.
 */
export function openRelay(source: Duplex, sink: Duplex, first: Plan): Relay {
  let current = first
  let next: Plan | undefined
  let waiting: (() => void)[] = []
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

  /** Everything that was in the stages is the sink's. If one of them has stopped, what follows is nobody's. */
  function tailEnded(): void {
    if (next && !current.meters.some(({ stopped }) => stopped)) swap()
    else sink.end()
  }

  function swap(): void {
    const { rest } = current
    current = next as Plan
    next = undefined
    if (rest.bytes.length > 0) head().write(rest.bytes)
    start()
    tell()
  }

  function change(plan: Plan, forget: (plan: Plan) => void = () => {}): Promise<void> {
    if (over || sink.writableEnded || source.readableEnded) {
      forget(plan)
      if (!next) current.replace() // nothing comes for the new ones, but what these hold back is to go on
      return Promise.resolve()
    }
    const replaced = next ?? current
    const isDraining = next !== undefined
    waiting.push(() => forget(replaced))
    next = plan
    const promise = new Promise<void>(resolve => waiting.push(resolve))
    if (isDraining) return promise
    source.unpipe(head())
    if (current.streams.length === 0) swap()
    else {
      current.replace()
      head().end()
    }
    return promise
  }

  function tell(): void {
    for (const resolve of waiting) resolve()
    waiting = []
  }

  function finish(): void {
    source.unpipe().pause()
    for (const stream of current.streams) stream.destroy()
    end()
  }

  /** If the sink is closed before its end, that is a failure that whoever has opened it tells. */
  function end(): void {
    over = true
    settle()
    tell()
  }

  return {
    done,
    get open() {
      const hasBegun = current.meters.some(({ bytesIn }) => bytesIn > 0)
      return hasBegun && !head().writableEnded ? current.indivisible : []
    },
    change,
  }
}
