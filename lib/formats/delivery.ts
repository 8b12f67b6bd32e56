/**
 * Delivers what precedes an error: a stream that fails drops the output that nobody has read, and its pipeline drops what
 * later streams hold. So a stage waits until its output is written, and fails then.
 */
import type { Duplex, Readable, Writable } from 'node:stream'

/** What is known of a stream about the output that has left its buffer. */
interface Traced {
  /** True for a stage: what it takes, it gives or holds. */
  [isStage]?: boolean
  /** Whether it holds data outside its buffers. */
  [holds]?: () => boolean
  /** The stream that it is piped into. */
  [target]?: Writable
  /** The stream whose output its own becomes. */
  [outer]?: Readable
}

const isStage = Symbol('isStage')
const holds = Symbol('holds')
const target = Symbol('target')
const outer = Symbol('outer')

/**
 * Milliseconds between the last bytes of a socket and a reset. A peer that finds bytes and a reset together may see a
 * normal end, as every program on libuv does.
 */
export const grace = 20

/** Milliseconds between two looks at a sink, at most. No event says that a Writable has written everything. */
const longestPause = 20

/** Notes that a stream is piped into another one. */
export function notePipe(from: Readable, to: NodeJS.WritableStream): void {
  Object.assign(from, { [target]: to })
}

/** Notes where a stream is piped to, from now on. Returns the stream. */
export function tracePipes<S extends Readable>(stream: S): S {
  const { pipe } = stream
  stream.pipe = (to, options) => {
    notePipe(stream, to)
    return pipe.call(stream, to, options) as typeof to
  }
  return stream
}

/** Notes that a stream is a stage, and how to ask whether it holds data outside its buffers. Returns the stream. */
export function traceStage<S extends Duplex>(stream: S, isHolding?: () => boolean): S {
  Object.assign(stream, { [isStage]: true }, isHolding && { [holds]: isHolding })
  return tracePipes(stream)
}

/** Marks a class whose instances are stages and call `notePipe` themselves. */
export function markStage(prototype: Duplex): void {
  Object.assign(prototype, { [isStage]: true })
}

/** Notes that the output of a stream becomes that of an outer one. */
export function notePassing(inner: Readable, to: Readable): void {
  Object.assign(inner, { [outer]: to })
}

/** Whether a stream works on data, or holds some. */
export function isBusy(stream: Duplex): boolean {
  return stream.writableLength > 0 || stream.readableLength > 0 || isHolding(stream)
}

/** Calls `fail` when the output so far is written, and not at all if the stream is closed before. */
export function afterDelivery(stream: Readable, fail: () => void): void {
  if (stream.destroyed) return
  if (stream.readableLength === 0 && !stream.readableDidRead) fail()
  else afterReading(stream, () => afterWriting(stream, fail))
}

/** A reader calls `read`, whatever way it reads. */
function afterReading(stream: Readable, done: () => void): void {
  if (stream.readableLength === 0) {
    done()
    return
  }
  const { read } = stream
  stream.read = size => {
    const chunk = read.call(stream, size)
    if (stream.readableLength === 0) {
      stream.read = read
      setImmediate(done) // after the reader has got the chunk
    }
    return chunk
  }
}

/**
 * Calls `done` when the streams that follow have written what they were given, unless `isOver`. Also for a stream that
 * has failed: what it had not given is lost.
 */
export function afterWriting(stream: Readable, done: () => void, isOver = () => stream.destroyed): void {
  let timer: NodeJS.Timeout | undefined
  let pause = 0

  function look(): void {
    if (isOver()) return
    if (isDelivered(stream)) end()
    else {
      pause = Math.min(pause + 1, longestPause)
      timer = setTimeout(look, pause)
    }
  }

  function end(): void {
    stream.off('close', stop)
    done()
  }

  const stop = () => {
    if (isOver()) clearTimeout(timer)
  }
  stream.once('close', stop)
  look()
}

function isDelivered(stream: Readable): boolean {
  return !isHolding(stream) && isRead(stream)
}

function isRead(stream: Readable): boolean {
  const { [target]: to, [outer]: whole } = stream as Traced
  if (stream.readableLength > 0 && !stream.destroyed) return false
  if (whole) return isRead(whole) // what it holds is what fails
  if (!to || to.destroyed) return true
  return to.writableLength === 0 && (!(to as Traced)[isStage] || isDelivered(to as Duplex))
}

function isHolding(stream: Readable): boolean {
  return (stream as Traced)[holds]?.() ?? false
}
