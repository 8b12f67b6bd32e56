/** Resets (RST): how a failure is told to a peer, and how a peer's is told to us. */
import { readSync } from 'node:fs'
import type { Socket } from 'node:net'
import { errorCode } from '../text/errors.js'

const carriers = new WeakMap<Socket, Socket>()

/** A TLS socket cannot be reset, and has no descriptor; the one below it has. */
export function setCarrier(socket: Socket, carrier: Socket): void {
  carriers.set(socket, carrier)
}

/** From here on a `destroy` with an error sends a reset (RST), so that the peer can tell a failure from an end. */
export function resetOnError(socket: Socket): void {
  const destroy = socket.destroy
  const carrier = carriers.get(socket)
  let cause: Error | undefined
  socket.destroy = error => {
    if (!error || cause || !canReset(socket)) return destroy.call(socket, error ?? cause)
    cause = error
    if (!carrier) return socket.resetAndDestroy() // calls destroy() again, which then carries the cause
    resetOnDestroy(carrier)
    return destroy.call(socket, error)
  }
}

/**
 * From here on a `destroy` sends a reset. For a socket below TLS: Node destroys it when that above is destroyed, and
 * crashes (as of 26) where that below goes first. The function that is returned takes it back.
 */
export function resetOnDestroy(socket: Socket): () => void {
  const { destroy } = socket
  const restore = () => {
    socket.destroy = destroy
  }
  socket.destroy = () => {
    restore()
    return socket.remotePort === undefined ? socket.destroy() : socket.resetAndDestroy()
  }
  return restore
}

/**
 * The reset that Node took for an end. When data and a reset have come together, libuv (as of Node 26) reads the data
 * and, told that the connection hung up, reports its end; the kernel still keeps the error for the next read.
 */
export function hiddenReset(socket: Socket): Error | undefined {
  const descriptor = ((carriers.get(socket) ?? socket) as { _handle?: { fd?: number } | null })._handle?.fd ?? -1
  if (descriptor < 0) return undefined
  try {
    readSync(descriptor, Buffer.alloc(1))
  } catch (error) {
    return errorCode(error) === 'ECONNRESET' ? (error as Error) : undefined
  }
  return undefined
}

/** A unix socket has no reset, and while our FIN is under way (nothing waits before it) libuv refuses one. */
function canReset(socket: Socket): boolean {
  const ending = socket.writableEnded && socket.writableLength === 0 && !socket.writableFinished
  return !socket.destroyed && !socket.connecting && !ending && socket.remotePort !== undefined
}
