/** A Duplex that passes bytes up to a place, where it ends, fails or pauses. */
import { Duplex } from 'node:stream'
import { blockBytes } from '../formats/records.js'
import type { Place } from './trigger.js'

/** What a gate does where. `places`, `position` and `over` are those of a fault: `gate({ ...fault, at, strike })`. */
export interface GateOptions {
  /** The places in the next chunk, and the number of bytes before it. */
  places(chunk: Buffer): Iterable<Place>
  position(): number
  /** A place in time: N milliseconds after the first use, whether bytes come or not. Usually `values.at`. */
  readonly at: number | undefined
  /** Called at a place. All bytes before it have been pushed. */
  strike(gate: Gate, offset: number): void
  /** Called when the input ends or the stream is destroyed, possibly twice. */
  over(): void
}

/** What `strike` can do to the stream. */
export interface Gate {
  /** Ends the output cleanly; drops further input. */
  end(): void
  /** Fails `grace` milliseconds after everything pushed has been read. */
  fail(error: Error): void
  /** Holds everything back, the end too, for N milliseconds, without end, or until the signal is aborted. */
  hold(time: number | undefined, release: AbortSignal): void
}

/**
 * Milliseconds between the last bytes and a failure. Later stages would lose what they still hold. A peer that finds
 * bytes and a reset together may see a normal end, as every program on libuv does.
 */
export const grace = 20

/** A Duplex that passes bytes up to each place, and calls `strike` there. */
export function gate({ places, position, at, strike, over }: GateOptions): Duplex {
  let begun = false
  let shut = false // holds everything
  let ended = false
  let failure: Error | undefined
  let passing: Iterator<void> | undefined // a partly passed chunk
  let writer: (() => void) | undefined // resumes the writer when its chunk has been read
  let closer: (() => void) | undefined // completes the delayed end
  let timer: NodeJS.Timeout | undefined
  let letGo = () => {}

  /** Runs at the first use, so that creating the stage has no effect. */
  function begin(): void {
    if (begun) return
    begun = true
    if (at !== undefined) timer = setTimeout(() => strike(controls, position()), at)
    for (const { offset } of places(Buffer.alloc(0))) strike(controls, offset)
  }

  /** Yields while the gate is shut. */
  function* pass(chunk: Buffer): Generator<void, void, void> {
    const start = position()
    let from = 0
    for (const { offset } of places(chunk)) {
      push(chunk, from, offset - start)
      from = offset - start
      strike(controls, offset)
      if (shut) yield
    }
    push(chunk, from, chunk.length)
  }

  function push(chunk: Buffer, from: number, to: number): void {
    if (from < to) stream.push(to - from === chunk.length ? chunk : chunk.subarray(from, to))
  }

  function advance(): void {
    if (shut || (passing && !passing.next().done)) return
    passing = undefined
    if (closer) close(closer)
    else if (stream.readableLength === 0) resume()
  }

  function resume(): void {
    const callback = writer
    writer = undefined
    callback?.()
  }

  function close(callback: () => void): void {
    clearTimeout(timer)
    over()
    stream.push(null)
    callback()
  }

  const controls: Gate = {
    end() {
      shut = true
      ended = true
      stream.push(null)
      resume()
    },
    fail(error) {
      shut = true
      failure = error
      if (stream.readableLength === 0) failSoon()
    },
    hold(time, release) {
      shut = true
      const open = () => {
        letGo()
        shut = false
        advance()
      }
      letGo = () => {
        clearTimeout(timer)
        release.removeEventListener('abort', open)
      }
      release.addEventListener('abort', open)
      if (time !== undefined) timer = setTimeout(open, time)
    },
  }

  /** `setImmediate` gives the readers their turn even if the event loop is late. */
  function failSoon(): void {
    clearTimeout(timer)
    timer = setTimeout(() => setImmediate(() => stream.destroy(failure)), grace)
  }

  const stream = new Duplex({
    writableHighWaterMark: blockBytes,
    readableHighWaterMark: 0, // read() is called only after everything has been read
    write(chunk: Buffer, _encoding, callback) {
      if (ended) return void setImmediate(callback) // asynchronously: an endless source would block the event loop
      writer = callback
      begin()
      if (ended) return
      passing = pass(chunk)
      advance()
    },
    final(callback) {
      begin()
      if (ended) callback()
      else {
        closer = callback
        advance()
      }
    },
    read() {
      begin()
      if (failure) failSoon()
      else if (!passing) advance()
    },
    destroy(error, callback) {
      clearTimeout(timer)
      letGo()
      over()
      callback(error)
    },
  })
  return stream
}
