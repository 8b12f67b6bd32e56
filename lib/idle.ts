/** Idle timeouts: a connection whose sockets have all been silent for too long. */
import type { Socket } from 'node:net'
import { TcpPipeError } from './errors.js'

export interface Timeouts {
  /** Milliseconds without a byte in either direction, while our own sink is not what we wait for; 0 is never. */
  idleTimeout: number
  /** The same once one side has ended. */
  halfClosedTimeout: number
}

/** Gives what watches a socket of the connection; `fail` is called when the last of them that still moved is silent, too. */
export function idleWatch(
  { idleTimeout, halfClosedTimeout }: Timeouts,
  waitsForSink: () => boolean,
  fail: (error: Error) => void,
): (socket: Socket) => void {
  const silentAt = new Map<Socket, number>() // how many bytes it had moved when it was found silent

  function areSilent(): boolean {
    return [...silentAt].every(([socket, bytes]) => socket.destroyed || bytes === moved(socket))
  }

  return socket => {
    const halfClosed = () => socket.setTimeout(halfClosedTimeout)
    silentAt.set(socket, -1)
    socket.setTimeout(idleTimeout)
    socket.on('end', halfClosed)
    socket.on('finish', halfClosed)
    socket.on('timeout', () => {
      const half = socket.readableEnded || socket.writableFinished
      const [name, time] = half ? ['half-closed', halfClosedTimeout] : ['idle', idleTimeout]
      if (waitsForSink()) return void socket.setTimeout(time as number)
      silentAt.set(socket, moved(socket))
      if (areSilent()) fail(new TcpPipeError('ERR_TIMEOUT', `${name} timeout: no byte for ${time} ms`))
    })
  }
}

/** When it moves again, its own timer runs again. */
function moved(socket: Socket): number {
  return socket.bytesRead + socket.bytesWritten
}
