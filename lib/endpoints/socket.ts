/** The common part of TCP and unix sockets: listening, dialling, and a socket as a leg. */
import { once } from 'node:events'
import { chmodSync } from 'node:fs'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { abortError, type TcpPipeError, timeoutError } from '../text/errors.js'
import { formatDuration } from '../text/quantities.js'
import { formatRemote } from '../text/remote.js'
import { firstToAnswer, type Reached, targetsOf } from './attempts.js'
import { lendReads } from './big-reads.js'
import {
  type Arrival,
  type Balancers,
  type Bound,
  type DialOptions,
  defaultTimes,
  type EndNotice,
  type Leg,
  type Listener,
  type LocalAddress,
} from './endpoint.js'
import type { ProxyHeader } from './proxy-protocol/header.js'
import { type Introductions, isFault, openIntroductions } from './proxy-protocol/introductions.js'
import { hiddenReset, resetOnError, takesNothing } from './reset.js'
import { retried } from './retry.js'
import type { DialledSocket } from './tls/alert.js'

/** The address that a socket is bound or connected to. */
export type SocketAddress =
  | { readonly host: string; readonly port: number; readonly ipv6Only?: boolean | undefined }
  | { readonly path: string; readonly mode?: number | undefined }

/** The other end of a socket, or of the connection that a balancer passes on. */
export interface Peer {
  readonly remote: string
  readonly port: number | undefined
  /** Where it has connected to. Default: our end of the socket. */
  readonly local?: LocalAddress | undefined
  /** The address of the balancer. */
  readonly via?: string
}

/** A socket that has connected. */
export interface Dialled {
  readonly socket: DialledSocket
  readonly peer: Peer
}

/** An accepted socket, before any use. */
export interface SocketArrival extends Arrival {
  readonly socket: Socket
  readonly peer: Peer
  open(): Leg
}

/**
 * The clients that may wait to be accepted; the system may allow fewer (net.core.somaxconn). With the 511 of Node, thousands
 * that come at once beside bulk data were reset.
 */
const backlog = 4096

/** Listens. Rejects with the system error, which names the address and the code. */
export async function listenForSockets(
  address: SocketAddress,
  arrive: (arrival: SocketArrival) => void,
  balancers?: Balancers,
): Promise<Listener> {
  const server = createServer({ allowHalfOpen: true, keepAlive: true, noDelay: true })
  const introductions = balancers && openIntroductions(balancers)
  server.on('connection', socket => {
    if (introductions) void introduce(socket, balancers, introductions, arrive)
    else arrive(arrivalOf(socket))
  })
  const close = () =>
    new Promise<void>(resolve => {
      server.close(() => resolve())
      introductions?.end()
    })
  if ('path' in address) server.listen({ path: address.path, backlog })
  else server.listen({ host: address.host, port: address.port, ipv6Only: address.ipv6Only === true, backlog })
  await once(server, 'listening')
  try {
    if ('path' in address && address.mode !== undefined) chmodSync(address.path, address.mode)
  } catch (error) {
    await close()
    throw error
  }
  return { bound: boundTo(address, server.address()), close }
}

function boundTo(asked: SocketAddress, bound: AddressInfo | string | null): Bound {
  if ('path' in asked) return { address: asked.path, family: 'unix', port: 0 }
  const { address, family, port } = bound as AddressInfo
  return { address, family, port }
}

/** Waits for the header of a balancer: nothing else is done for its client before. */
async function introduce(
  socket: Socket,
  balancers: Balancers,
  introductions: Introductions,
  arrive: (arrival: SocketArrival) => void,
): Promise<void> {
  const balancer = peerOf(socket)
  const header = await introductions.read(socket, balancer.remote).catch(error => {
    arrivalOf(socket, balancer).refuse(error)
    if (isFault(error)) balancers.refused(balancer.remote, error)
  })
  if (header) arrive(arrivalOf(socket, introduced(balancer, header)))
}

function introduced(balancer: Peer, { ends }: ProxyHeader): Peer {
  if (!ends) return balancer
  const { source, destination } = ends
  const local = destination.port === undefined ? undefined : { address: destination.address, port: destination.port }
  return { remote: source.address, port: source.port, local, via: formatRemote(balancer) }
}

function arrivalOf(socket: Socket, peer = peerOf(socket)): SocketArrival {
  const { remote, port } = peer
  return {
    ...{ socket, peer, remote, port },
    open: () => socketLeg(socket, peer),
    hold: () => void socket.on('error', ignore),
    refuse(error) {
      socket.on('error', ignore)
      resetOnError(socket)
      socket.destroy(error)
    },
  }
}

/** Connects, with retries if requested. The socket stays paused until it is piped. */
export async function dialSocket(address: SocketAddress, options: DialOptions): Promise<Dialled> {
  const connected = await retried(() => attempt(address, options), options)
  if (options.preamble) connected.socket.write(options.preamble)
  options.onConnect?.()
  return connected
}

/** The timeout includes the lookup of the name, and covers all its addresses together. */
async function attempt(address: SocketAddress, options: DialOptions): Promise<Dialled> {
  const { connectTimeout = defaultTimes.connect, signal } = options
  const over = new AbortController()
  const late = () => over.abort(lateError(address, connectTimeout))
  const abort = () => over.abort(abortError(signal as AbortSignal))
  const timer = connectTimeout > 0 ? setTimeout(late, connectTimeout) : undefined
  if (signal?.aborted) abort()
  signal?.addEventListener('abort', abort)
  try {
    const found = 'path' in address ? [{ path: address.path }] : targetsOf(address, options)
    const targets = await Promise.race([found, rejection(over.signal)])
    return dialled(await firstToAnswer(targets, over.signal))
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', abort)
  }
}

function rejection(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason)
    signal.addEventListener('abort', () => reject(signal.reason))
  })
}

/** A peer that has reset the connection already has no address any more, but the one that was dialled. */
function dialled({ socket, target }: Reached): Dialled {
  const known = 'path' in target ? undefined : { remote: target.host, port: target.port }
  return { socket, peer: peerOf(socket, known) }
}

function lateError(address: SocketAddress, time: number): TcpPipeError {
  const name = 'path' in address ? address.path : `${address.host}:${address.port}`
  return timeoutError('connect', `no answer from ${name} in ${formatDuration(time)}`)
}

/** Wraps a socket as a leg. A failure resets the socket. A reset that Node reports as an end becomes an error. */
export function socketLeg(
  socket: Socket,
  { remote, port, local = localOf(socket), via }: Peer = peerOf(socket),
  facts: Leg['facts'] = {},
  endNotice?: EndNotice,
): Leg {
  resetOnError(socket)
  socket.on('error', ignore) // users of the leg handle it
  socket.on('end', failIfReset)
  return {
    stream: socket,
    remote,
    port,
    local,
    facts: via === undefined ? facts : { ...facts, via },
    bytes: new SocketBytes(socket),
    isGone: () => takesNothing(socket),
    releases: true,
    lend: (sink, through) => lendReads(socket, sink, through),
    ...(endNotice && { endNotice }),
    reset: error => void socket.destroy(error),
  }
}

/**
 * The bytes of a leg: what was read and written before, such as a header, is none of it. A class, since each object with
 * getters of its own costs 0.4 KiB.
 */
class SocketBytes {
  readonly #socket: Socket
  readonly #readBefore: number
  readonly #writtenBefore: number

  constructor(socket: Socket) {
    this.#socket = socket
    this.#readBefore = socket.bytesRead - socket.readableLength
    this.#writtenBefore = socket.bytesWritten
  }

  get in(): number {
    return this.#socket.bytesRead - this.#readBefore
  }

  get out(): number {
    return Math.max(0, takenBytes(this.#socket) - this.#writtenBefore)
  }
}

/** Does not count bytes that Node and libuv still buffer. */
function takenBytes(socket: Socket): number {
  const handle = (socket as { _handle?: { bytesWritten?: number; writeQueueSize?: number } | null })._handle
  if (handle?.bytesWritten === undefined) return socket.bytesWritten
  return handle.bytesWritten - (handle.writeQueueSize ?? 0)
}

function localOf(socket: Socket): LocalAddress | undefined {
  const { address, port } = socket.address() as Partial<AddressInfo> // neither for a unix socket
  return address === undefined || port === undefined ? undefined : { address: plain(address), port }
}

/**
 * Returns the address of the peer: `unix` for a unix socket. For a peer that has disconnected already: what is `known`
 * of it, or else `unknown`.
 */
function peerOf(socket: Socket, known?: Peer): Peer {
  const isUnix = socket.localAddress === undefined // still known after the client disconnects
  const { remoteAddress, remotePort } = socket
  const { remote = isUnix ? 'unix' : 'unknown', port } = remoteAddress ? {} : (known ?? {})
  return { remote: plain(remoteAddress ?? remote), port: remotePort ?? port }
}

/** IPv4 as such, also if the socket is one of IPv6. */
function plain(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/, '')
}

function ignore(): void {}

function failIfReset(this: Socket): void {
  const reset = hiddenReset(this)
  if (reset) this.destroy(reset)
}
