/** A Duplex that passes bytes up to a place, where it ends, fails or pauses. */
import { Duplex } from 'node:stream'
import { grace } from '../formats/delivery.js'
import { blockBytes } from '../formats/records.js'
import type { Place } from './trigger.js'

/** The options of a gate. `places`, `position` and `over` are those of a fault: `gate({ ...fault, at, strike })`. */
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

/** The actions that `strike` can take on the stream. */
export interface Gate {
  /** Ends the output cleanly; drops further input. */
  end(): void
  /** Fails `grace` milliseconds after everything pushed has been read. */
  fail(error: Error): void
  /** Holds all data and the end for `time` milliseconds (undefined: no limit), or until `release` is aborted. */
  hold(time: number | undefined, release: AbortSignal): void
}

/** A Duplex that passes bytes up to each place, and calls `strike` there. */
export function gate(options: GateOptions): Duplex {
  const state: GateState = { options, begun: false, shut: false, ended: false, letGo() {} }
  const { over } = options
  const stream = new Duplex({
    writableHighWaterMark: blockBytes,
    readableHighWaterMark: 0, // read() is called only after everything has been read
    write(chunk: Buffer, _encoding, callback) {
      if (state.ended) return void setImmediate(callback) // asynchronously: an endless source would block the event loop
      state.writer = callback
      begin(state, controls)
      if (state.ended) return
      state.passing = pass(state, stream, controls, chunk)
      advance(state, stream)
    },
    final(callback) {
      begin(state, controls)
      if (state.ended) return callback()
      state.closer = callback
      advance(state, stream)
    },
    read() {
      begin(state, controls)
      if (state.failure) failSoon(state, stream)
      else if (!state.passing) advance(state, stream)
    },
    destroy(error, callback) {
      clearTimeout(state.timer)
      state.letGo()
      over()
      callback(error)
    },
  })
  const controls = controlsOf(state, stream)
  return stream
}

interface GateState {
  readonly options: GateOptions
  begun: boolean
  /** Everything is held. */
  shut: boolean
  ended: boolean
  failure?: Error
  /** A partly passed chunk. */
  passing?: Iterator<void> | undefined
  /** Resumes the writer when its chunk has been read. */
  writer?: (() => void) | undefined
  /** Completes the delayed end. */
  closer?: () => void
  timer?: NodeJS.Timeout | undefined
  /** Ends a hold. */
  letGo(): void
}

/** Runs at the first use, so that creating the stage has no effect. */
function begin(state: GateState, controls: Gate): void {
  const { at, places, position, strike } = state.options
  if (state.begun) return
  state.begun = true
  if (at !== undefined) state.timer = setTimeout(() => strike(controls, position()), at)
  for (const { offset } of places(Buffer.alloc(0))) strike(controls, offset)
}

/** Yields while the gate is shut. */
function* pass(state: GateState, stream: Duplex, controls: Gate, chunk: Buffer): Generator<void, void, void> {
  const { places, position, strike } = state.options
  const start = position()
  let from = 0
  for (const { offset } of places(chunk)) {
    push(stream, chunk, from, offset - start)
    from = offset - start
    strike(controls, offset)
    if (state.shut) yield
  }
  push(stream, chunk, from, chunk.length)
}

function push(stream: Duplex, chunk: Buffer, from: number, to: number): void {
  if (from < to) stream.push(to - from === chunk.length ? chunk : chunk.subarray(from, to))
}

function advance(state: GateState, stream: Duplex): void {
  if (state.shut || (state.passing && !state.passing.next().done)) return
  state.passing = undefined
  if (state.closer) close(state, stream, state.closer)
  else if (stream.readableLength === 0) resume(state)
}

function resume(state: GateState): void {
  const callback = state.writer
  state.writer = undefined
  callback?.()
}

function close({ options, timer }: GateState, stream: Duplex, callback: () => void): void {
  clearTimeout(timer)
  options.over()
  stream.push(null)
  callback()
}

function controlsOf(state: GateState, stream: Duplex): Gate {
  return {
    end() {
      state.shut = true
      state.ended = true
      stream.push(null)
      resume(state)
    },
    fail(error) {
      state.shut = true
      state.failure = error
      if (stream.readableLength === 0) failSoon(state, stream)
    },
    hold: (time, release) => hold(state, stream, time, release),
  }
}

function hold(state: GateState, stream: Duplex, time: number | undefined, release: AbortSignal): void {
  const open = () => {
    state.letGo()
    state.shut = false
    advance(state, stream)
  }
  state.shut = true
  state.letGo = () => {
    clearTimeout(state.timer)
    release.removeEventListener('abort', open)
  }
  release.addEventListener('abort', open)
  if (time !== undefined) state.timer = setTimeout(open, time)
}

/** `setImmediate` gives the readers their turn even if the event loop is late. */
function failSoon(state: GateState, stream: Duplex): void {
  clearTimeout(state.timer)
  state.timer = setTimeout(() => setImmediate(() => stream.destroy(state.failure)), grace)
}
