/** Resets (RST): signals a failure to the peer, and detects a reset from the peer. */
import { readSync, writeSync } from 'node:fs'
import type { Socket } from 'node:net'
import { grace } from '../formats/delivery.js'
import { errorCode, isReset } from '../text/errors.js'
import { isResting } from './big-reads.js'

const carriers = new WeakMap<Socket, Socket>()

/** A TLS socket cannot be reset and has no descriptor; the socket below it can and has. */
export function setCarrier(socket: Socket, carrier: Socket): void {
  carriers.set(socket, carrier)
}

/** The message of a reset, whether a read, a write, or libuv after an end finds it first. */
const resetText = 'the peer has reset the connection'

/** The error of a reset. Keeps the code of the system. */
export function resetError(code: string, syscall: string, cause?: Error): Error {
  return Object.assign(new Error(resetText, { cause }), { code, syscall })
}

function inOneText(error: Error): Error {
  const { code, syscall, message } = error as NodeJS.ErrnoException
  if (!isReset(error) || syscall === undefined || message.startsWith(resetText)) return error
  return resetError(code as string, syscall, error)
}

/**
 * Makes `destroy` with an error send a reset (RST), so that the peer can distinguish a failure from an end. What was
 * written arrives first: the reset follows after `grace`, and until then the socket is not closed. A peer that takes
 * nothing any more is not waited for. A reset of the peer gets its one text.
 */
export function resetOnError(socket: Socket): void {
  if (socket.destroy === destroyWithReset) return
  if (Object.hasOwn(socket, 'destroy')) destroys.set(socket, socket.destroy)
  socket.destroy = destroyWithReset
}

/** What `destroy` was before, of a socket that had its own. */
const destroys = new WeakMap<Socket, Socket['destroy']>()

/** Why a socket is destroyed, and whether its reset is still to come. An open socket has none. */
const resets = new WeakMap<Socket, { readonly cause: Error; isWaiting: boolean }>()

function destroyWithReset(this: Socket, given?: Error): Socket {
  const before = resets.get(this)
  if (before?.isWaiting) return this
  const error = given && inOneText(given)
  if (!error || before || !canReset(this)) return destroyPlainly(this, error ?? before?.cause)
  const isWaiting = this.bytesWritten > 0 && !this.writableEnded && !takesNothing(this)
  const state = { cause: error, isWaiting }
  resets.set(this, state)
  const reset = () => {
    state.isWaiting = false
    const carrier = carriers.get(this)
    if (!carrier) return void this.resetAndDestroy() // calls destroy() again, with the cause
    resetOnDestroy(carrier)
    destroyPlainly(this, error)
  }
  if (isWaiting) resetSoon(this, reset)
  else reset()
  return this
}

function destroyPlainly(socket: Socket, error: Error | undefined): Socket {
  return (destroys.get(socket) ?? Object.getPrototypeOf(socket).destroy).call(socket, error)
}

/** `setImmediate` gives a peer in this process its turn even if the event loop is late. */
function resetSoon(socket: Socket, reset: () => void): void {
  socket._final = () => {} // no end precedes the reset
  setTimeout(() => setImmediate(reset), grace)
}

/**
 * Makes every `destroy` send a reset. Use it for a socket below TLS: Node destroys it together with the TLS socket, and
 * crashes (as of Node 26) if the socket below is destroyed first. Closes the socket if `mayReset` is false then. Returns
 * a function that undoes it.
 */
export function resetOnDestroy(socket: Socket, mayReset = () => true): () => void {
  const { destroy } = socket
  const restore = () => {
    socket.destroy = destroy
  }
  socket.destroy = () => {
    restore()
    return socket.remotePort !== undefined && mayReset() ? socket.resetAndDestroy() : socket.destroy()
  }
  return restore
}

/**
 * Returns the reset that Node reported as an end. If data and a reset arrive together, libuv (as of Node 26) reads the
 * data and reports the hang-up as an end. The kernel still holds the error for the next read.
 */
export function hiddenReset(socket: Socket): Error | undefined {
  const error = ask(socket, descriptor => readSync(descriptor, Buffer.alloc(1)))
  return errorCode(error) === 'ECONNRESET' ? error : undefined
}

/**
 * Returns whether the peer has reset the connection. Node does not read after an end, and so does not see a reset behind
 * it; the kernel reports it to a write of no bytes.
 */
export function takesNothing(socket: Socket): boolean {
  return isReset(ask(socket, descriptor => writeSync(descriptor, Buffer.alloc(0))))
}

/** Returns the error of a call on the descriptor of the socket. */
function ask(socket: Socket, call: (descriptor: number) => unknown): Error | undefined {
  const descriptor = ((carriers.get(socket) ?? socket) as { _handle?: { fd?: number } | null })._handle?.fd ?? -1
  if (descriptor < 0) return undefined
  try {
    call(descriptor)
  } catch (error) {
    return error as Error
  }
  return undefined
}

/** The part of the handle of Node's sockets that concerns reading (lib/net.js, src/stream_wrap.cc). */
interface Handle {
  /** Whether Node requests data. */
  reading?: boolean
  /** Starts reading. Returns libuv's code: UV_EALREADY if it reads already. */
  readStart?(): number
}

/**
 * Returns whether libuv has read the end of the peer: it has stopped reading, though Node requests data. `below` is the
 * socket that carries it, which reads from then on. While a socket rests, it is we who have stopped it.
 */
export function hasReadEnd(socket: Socket, below = socket): boolean {
  if (isResting(socket)) return false
  return handleOf(socket)?.reading === true && handleOf(below)?.readStart?.() === 0
}

function handleOf(socket: Socket): Handle | null | undefined {
  return (socket as unknown as { _handle?: Handle | null })._handle
}

/** A unix socket has no reset. While a FIN is pending, libuv refuses a reset. */
function canReset(socket: Socket): boolean {
  const ending = socket.writableEnded && socket.writableLength === 0 && !socket.writableFinished
  return !socket.destroyed && !socket.connecting && !ending && socket.remotePort !== undefined
}
