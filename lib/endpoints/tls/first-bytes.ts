/**
 * Keeps idle TLS connections small. Node (as of 26) reads below TLS into a buffer that a connection keeps: of 64 KiB if the
 * first bytes come to it from the kernel. If they have been read before, it is of 1 KiB, or of the size of the first of
 * them, and grows by 16 KiB if they fill it. Of 2,000 idle connections, each takes 22 KiB less (25 instead of 47 in Node 20
 * alone; 12 less in Node 22 to 26). But to receive a GB takes 15 % more processor time, so the first connections, which may
 * well be few fast ones, do not begin this way.
 */
import type { Socket } from 'node:net'

/** How many connections may have the large buffer at the same time: they take 4 MiB at most. */
const mostLarge = 64

/** Does not fill the buffer of 1 KiB. */
const pieceBytes = 1000

/** Returns a function that calls `start` with a socket at once, or, if many are open, when its first bytes have come. */
export function sizedStarts(most = mostLarge): (socket: Socket, start: () => void) => void {
  let large = 0
  return (socket, start) => {
    if (large >= most) return afterFirstBytes(socket, start)
    large++
    socket.once('close', () => large--)
    start()
  }
}

/** A socket that ends before is destroyed: there is nobody to shake hands with. */
function afterFirstBytes(socket: Socket, start: () => void): void {
  function look(): void {
    if (socket.readableLength === 0) return void socket.destroy()
    socket.off('readable', look)
    inPieces(socket)
    start()
  }
  if (socket.readableLength > 0) look()
  else socket.on('readable', look)
}

/** Node hands what has been read to TLS with `read`, in the next tick. */
function inPieces(socket: Socket): void {
  const { read } = socket
  socket.read = size => read.call(socket, size ?? Math.min(pieceBytes, socket.readableLength))
  setImmediate(() => {
    socket.read = read
  })
}
