/** The timeouts of an open connection: idle, half-closed, first byte, duration. */
import type { Leg } from '../endpoints/endpoint.js'
import { timeoutError } from '../text/errors.js'

export interface Timeouts {
  /** Milliseconds without a byte in either direction, not counting time spent waiting for the sink; 0 disables it. */
  idleTimeout: number
  /** Replaces `idleTimeout` after one side has ended, unless a peer does not take its data. Default: `idleTimeout`. */
  halfClosedTimeout?: number | undefined
  /** Milliseconds to wait for the first byte of the peer; 0 or undefined disables it. */
  firstByteTimeout?: number | undefined
  /** Maximum duration of the connection in milliseconds; 0 or undefined is no limit. */
  maxDuration?: number | undefined
}

/** The number of checks per timeout. A timeout is late by at most one twentieth. */
const looks = 20

/**
 * Calls `fail` when no leg has transferred a byte within the timeout. `isWaiting` returns whether the connection waits
 * for its sink. `legs` may grow. Returns a function that stops the watch.
 */
export function watchIdle(
  legs: readonly Leg[],
  { idleTimeout, halfClosedTimeout }: Timeouts,
  isWaiting: () => boolean,
  fail: (error: Error) => void,
): () => void {
  const times = [idleTimeout, halfClosedTimeout ?? 0].filter(time => time > 0)
  if (times.length === 0) return nothing
  let bytes = 0
  let wasHalfClosed = false
  let since = performance.now()

  function look(): void {
    if (legs.every(({ stream }) => stream.destroyed)) return // only local work still runs
    const moved = legs.reduce((sum, leg) => sum + leg.bytes.in + leg.bytes.out, 0)
    const halfClosed = legs.some(isHalfClosed)
    if (moved !== bytes || halfClosed !== wasHalfClosed || isWaiting()) since = performance.now()
    bytes = moved
    wasHalfClosed = halfClosed
    const isOwn = halfClosed && halfClosedTimeout !== undefined && !legs.some(isStalled)
    const time = isOwn ? halfClosedTimeout : idleTimeout
    if (time > 0 && performance.now() - since >= time)
      fail(timeoutError(isOwn ? 'half-closed' : 'idle', `no byte for ${time} ms`))
  }

  const timer = setInterval(look, Math.max(1, Math.min(...times) / looks))
  return () => clearInterval(timer)
}

function isHalfClosed({ stream }: Leg): boolean {
  return stream.readableEnded || stream.writableFinished
}

/** The peer does not take what it is sent: it may itself wait for its sink. */
function isStalled({ stream }: Leg): boolean {
  return stream.writableLength > 0
}

/** Starts the timeouts that run from the opening of the connection. Returns a function that stops them. */
export function deadlines(
  { stream, bytes }: Leg,
  { firstByteTimeout = 0, maxDuration = 0 }: Timeouts,
  fail: (error: Error) => void,
): () => void {
  if (!firstByteTimeout && !maxDuration) return nothing // an idle connection has no functions for what it does not use
  const first = after(firstByteTimeout, () => {
    const isSilent = bytes.in === 0 && !stream.readableEnded
    if (isSilent) fail(timeoutError('first-byte', `the peer sent nothing for ${firstByteTimeout} ms`))
  })
  const last = after(maxDuration, () => fail(timeoutError('duration', `the connection has lasted ${maxDuration} ms`)))
  return () => {
    clearTimeout(first)
    clearTimeout(last)
  }
}

/** Nothing is watched. */
function nothing(): void {}

function after(time: number, work: () => void): NodeJS.Timeout | undefined {
  return time > 0 ? setTimeout(work, time) : undefined
}
