/** Sockets, listening and dialled, TCP and unix. Every one allows half-open: each side is ended by us. */

import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { Writable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { TcpPipeError, timeoutError } from '../text/errors.js'
import { formatDuration } from '../text/quantities.js'
import { type Address, formatAddress, type TcpAddress } from './address.js'
import type { Sink } from './endpoint.js'
import { hiddenReset, resetOnError } from './reset.js'
import type { HandshakeOptions } from './tls/handshake.js'
import type { ClientContext } from './tls/secure-context.js'
import { removeStale } from './unix.js'

export interface DialOptions extends HandshakeOptions {
  /** For an address with TLS. */
  tls?: ClientContext | undefined
  /** Milliseconds for each attempt; 0 is without limit. */
  connectTimeout?: number | undefined
  /** Further attempts after the first one, with jittered backoff from 100 ms to 5 s. */
  retry?: number | undefined
  /** The address family to use of a name that has both. */
  family?: 4 | 6 | undefined
  /** The source address. */
  bind?: TcpAddress | undefined
  /** Told before each further attempt. */
  onRetry?: ((error: unknown, wait: number) => void) | undefined
}

/** Binds a new server, or one that is closed; the system's own error names the address and the code. */
export async function listen(
  address: Address,
  server = createServer({ allowHalfOpen: true, keepAlive: true, noDelay: true }),
): Promise<Server> {
  if ('path' in address) await removeStale(address.path)
  server.listen(address)
  await once(server, 'listening')
  return server
}

/** Connects, and speaks TLS where the address says so. The socket is paused until it is piped. */
export async function dial(address: Address, options: DialOptions = {}): Promise<Socket> {
  if (!address.tls) return persistentDial(address, options, 0)
  const { tlsConnect } = await import('./tls/handshake.js') // first: nobody would see an error or an end of the socket meanwhile
  return tlsConnect(await persistentDial(address, options, 0), address, options.tls as ClientContext, options)
}

async function persistentDial(address: Address, options: DialOptions, attempt: number): Promise<Socket> {
  const { retry = 0, signal, onRetry } = options
  try {
    return await attemptDial(address, options)
  } catch (error) {
    if (attempt >= retry || signal?.aborted) throw error
    const wait = Math.round(Math.min(5000, 100 * 2 ** attempt) * (0.5 + Math.random() / 2))
    onRetry?.(error, wait)
    await delay(wait, undefined, { signal })
    return persistentDial(address, options, attempt + 1)
  }
}

/** A sink that sends to an address, with no timeout of its own once it stands. It finishes when the other end has ended; what that one answers is counted and dropped. */
export async function tcpSink(address: Address, options: DialOptions): Promise<Sink> {
  const socket = await dial(address, options)
  resetOnError(socket)
  const ended = new Promise<void>((resolve, reject) => {
    socket.once('end', () => {
      const reset = hiddenReset(socket)
      if (reset) reject(reset)
      else resolve()
    })
    socket.once('error', reject)
    socket.once('close', () =>
      reject(new TcpPipeError('ERR_TARGET', `${formatAddress(address)} closed the connection`)),
    )
  })
  ended.catch(error => sink.destroy(error))
  socket.resume()
  const sink: Sink = new Writable({
    write: (chunk, encoding, callback) => void socket.write(chunk, encoding, callback),
    final(callback) {
      socket.end()
      ended.then(() => callback(), callback)
    },
    destroy(error, callback) {
      socket.destroy(error ?? undefined)
      callback(error)
    },
  })
  return Object.assign(sink, { socket, report: () => ({ to: formatAddress(address), answered: socket.bytesRead }) })
}

async function attemptDial(address: Address, options: DialOptions): Promise<Socket> {
  const { connectTimeout = 10_000, family, bind, signal } = options
  const socket = connect({
    ...address,
    allowHalfOpen: true,
    keepAlive: true,
    noDelay: true,
    ...(family && { family }),
    ...(bind && { localAddress: bind.host, localPort: bind.port }),
  })
  const timer =
    connectTimeout > 0 ? setTimeout(() => socket.destroy(timeout(address, connectTimeout)), connectTimeout) : undefined
  await once(socket, 'connect', { signal })
    .catch(error => {
      socket.on('error', () => {}).destroy()
      throw error
    })
    .finally(() => clearTimeout(timer))
  return socket
}

function timeout(address: Address, time: number): TcpPipeError {
  return timeoutError('connect', `no answer from ${formatAddress(address)} in ${formatDuration(time)}`)
}
