/** The common part of TCP and unix sockets: listening, dialling, and a socket as a leg. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import type { TlsFacts } from '../stats/summary.js'
import { type TcpPipeError, timeoutError } from '../text/errors.js'
import { formatDuration } from '../text/quantities.js'
import type { Arrival, Bound, DialOptions, Leg, Listener } from './endpoint.js'
import { hiddenReset, resetOnError } from './reset.js'
import { retried } from './retry.js'

/** The address that a socket is bound or connected to. */
export type SocketAddress = { readonly host: string; readonly port: number } | { readonly path: string }

/** An accepted socket, before any use. */
export interface SocketArrival extends Arrival {
  readonly socket: Socket
  open(): Leg
}

/** Listens. Rejects with the system error, which names the address and the code. */
export async function listenForSockets(
  address: SocketAddress,
  arrive: (arrival: SocketArrival) => void,
): Promise<Listener> {
  const server = createServer({ allowHalfOpen: true, keepAlive: true, noDelay: true })
  server.on('connection', socket => arrive(arrivalOf(socket)))
  server.listen('path' in address ? { path: address.path } : { host: address.host, port: address.port })
  await once(server, 'listening')
  return {
    bound: boundTo(address, server.address()),
    close: () => new Promise(resolve => server.close(() => resolve())),
  }
}

function boundTo(asked: SocketAddress, bound: AddressInfo | string | null): Bound {
  if ('path' in asked) return { address: asked.path, family: 'unix', port: 0 }
  const { address, family, port } = bound as AddressInfo
  return { address, family, port }
}

function arrivalOf(socket: Socket): SocketArrival {
  return {
    socket,
    remote: remoteName(socket),
    port: socket.remotePort,
    open: () => socketLeg(socket),
    refuse(error) {
      socket.on('error', () => {})
      resetOnError(socket)
      socket.destroy(error)
    },
  }
}

/** Connects, with retries if requested. The socket stays paused until it is piped. */
export function dialSocket(address: SocketAddress, options: DialOptions): Promise<Socket> {
  return retried(() => attempt(address, options), options)
}

async function attempt(address: SocketAddress, options: DialOptions): Promise<Socket> {
  const { connectTimeout = 10_000, family, bind, signal } = options
  const socket = connect({
    ...('path' in address ? { path: address.path } : { host: address.host, port: address.port }),
    allowHalfOpen: true,
    keepAlive: true,
    noDelay: true,
    ...(family && { family }),
    ...(bind && { localAddress: bind.host, localPort: bind.port }),
  })
  const late = () => socket.destroy(lateError(address, connectTimeout))
  const timer = connectTimeout > 0 ? setTimeout(late, connectTimeout) : undefined
  await once(socket, 'connect', { signal })
    .catch(error => {
      socket.on('error', () => {}).destroy()
      throw error
    })
    .finally(() => clearTimeout(timer))
  return socket
}

function lateError(address: SocketAddress, time: number): TcpPipeError {
  const name = 'path' in address ? address.path : `${address.host}:${address.port}`
  return timeoutError('connect', `no answer from ${name} in ${formatDuration(time)}`)
}

/** Wraps a socket as a leg. A failure resets the socket. A reset that Node reports as an end becomes an error. */
export function socketLeg(socket: Socket, facts: { tls?: TlsFacts } = {}): Leg {
  resetOnError(socket)
  socket.on('error', ignore) // users of the leg handle it
  socket.on('end', failIfReset)
  return {
    stream: socket,
    remote: remoteName(socket),
    port: socket.remotePort,
    facts,
    bytes: new SocketBytes(socket),
    reset: error => void socket.destroy(error),
  }
}

/** A class, since each object with getters of its own costs 0.4 KiB. */
class SocketBytes {
  readonly #socket: Socket

  constructor(socket: Socket) {
    this.#socket = socket
  }

  get in(): number {
    return this.#socket.bytesRead
  }

  get out(): number {
    return takenBytes(this.#socket)
  }
}

/** Does not count bytes that Node and libuv still buffer. */
function takenBytes(socket: Socket): number {
  const handle = (socket as { _handle?: { bytesWritten?: number; writeQueueSize?: number } | null })._handle
  if (handle?.bytesWritten === undefined) return socket.bytesWritten
  return handle.bytesWritten - (handle.writeQueueSize ?? 0)
}

/** Returns the address of the peer: `unix` for a unix socket, `unknown` for a peer that has disconnected already. */
function remoteName(socket: Socket): string {
  const isUnix = socket.localAddress === undefined // still known after the client disconnects
  return socket.remoteAddress?.replace(/^::ffff:(?=\d+\.)/, '') ?? (isUnix ? 'unix' : 'unknown')
}

function ignore(): void {}

function failIfReset(this: Socket): void {
  const reset = hiddenReset(this)
  if (reset) this.destroy(reset)
}
