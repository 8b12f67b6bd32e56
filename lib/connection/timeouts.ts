/** The timeouts of a connection that stands: idle, half-closed, first byte, duration. */
import type { Socket } from 'node:net'
import { timeoutError } from '../text/errors.js'

export interface Timeouts {
  /** Milliseconds without a byte in either direction, while our own sink is not what we wait for; 0 is never. */
  idleTimeout: number
  /** The same once one side has ended. Default: no other time then. */
  halfClosedTimeout?: number | undefined
  /** Milliseconds for the first byte of the peer; 0 or undefined is never. */
  firstByteTimeout?: number | undefined
  /** Milliseconds that the connection may last, whatever it does; 0 or undefined is without limit. */
  maxDuration?: number | undefined
}

/**
 * Gives what watches a socket of the connection; `fail` is called when the last of them that still moved is silent, too.
 * `waitedForSink` tells whether our own sink is what is waited for, or was within so many milliseconds.
 */
export function idleWatch(
  { idleTimeout, halfClosedTimeout }: Timeouts,
  waitedForSink: (time: number) => boolean,
  fail: (error: Error) => void,
): (socket: Socket) => void {
  const silentAt = new Map<Socket, number>() // how many bytes it had moved when it was found silent

  function areSilent(): boolean {
    return [...silentAt].every(([socket, bytes]) => socket.destroyed || bytes === moved(socket))
  }

  return socket => {
    const halfClosed = () => halfClosedTimeout !== undefined && socket.setTimeout(halfClosedTimeout)
    silentAt.set(socket, -1)
    socket.setTimeout(idleTimeout)
    socket.on('end', halfClosed)
    socket.on('finish', halfClosed)
    socket.on('timeout', () => {
      const half = halfClosedTimeout !== undefined && (socket.readableEnded || socket.writableFinished)
      const time = half ? halfClosedTimeout : idleTimeout
      if (waitedForSink(time)) return void socket.setTimeout(time)
      silentAt.set(socket, moved(socket))
      if (areSilent()) fail(timeoutError(half ? 'half-closed' : 'idle', `no byte for ${time} ms`))
    })
  }
}

/** When it moves again, its own timer runs again. */
function moved(socket: Socket): number {
  return socket.bytesRead + socket.bytesWritten
}

/** The two that run from the beginning. They are over when the socket is closed. */
export function deadlines(
  socket: Socket,
  { firstByteTimeout = 0, maxDuration = 0 }: Timeouts,
  fail: (error: Error) => void,
): void {
  after(firstByteTimeout, () => {
    const isSilent = socket.bytesRead === 0 && !socket.readableEnded
    if (isSilent) fail(timeoutError('first-byte', `the peer sent nothing for ${firstByteTimeout} ms`))
  })
  after(maxDuration, () => fail(timeoutError('duration', `the connection has lasted ${maxDuration} ms`)))

  function after(time: number, work: () => void): void {
    if (time === 0) return
    const timer = setTimeout(work, time)
    socket.once('close', () => clearTimeout(timer))
  }
}
