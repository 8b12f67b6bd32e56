/** Unix sockets. Listening replaces the stale socket of a dead server, but no other file. */
import { lstatSync, unlinkSync } from 'node:fs'
import { connect } from 'node:net'
import { errorCode, TcpPipeError } from '../text/errors.js'
import { defineEndpoint, type Listener, type ServerSide } from './endpoint.js'
import { dialSocket, listenForSockets, type SocketArrival, socketLeg } from './socket.js'

export interface UnixAddress {
  readonly scheme: 'unix'
  readonly path: string
  /** The permissions of the socket, such as 0o660, set when it listens. Default: from the umask. */
  readonly mode?: number | undefined
}

/** The kernel's limit for the path of a unix socket in bytes (`sun_path`, unix(7)). */
export const longestPath = 107

export const unix = defineEndpoint<UnixAddress>({
  scheme: 'unix',
  syntax: ['unix:path'],
  summary: 'a unix socket; one that a dead server has left behind is replaced',
  accepts: text => text.startsWith('unix:'),
  parse: text => unixAddress(text.slice('unix:'.length)),
  complete: ({ path, mode }) => ({ ...unixAddress(path), ...(mode !== undefined && { mode }) }),
  format: ({ path }) => `unix:${path}`,
  listen: (address, arrive, { balancers }) => listenAtPath(address, arrive, balancers),
  async dial(address, options) {
    const { socket, peer } = await dialSocket(address, options)
    return socketLeg(socket, peer, socket.facts)
  },
})

/** Throws `ERR_ADDRESS`. */
export function unixAddress(path: string): UnixAddress {
  if (typeof path !== 'string') throw new TcpPipeError('ERR_ADDRESS', 'its path must be a text')
  const length = Buffer.byteLength(path)
  if (length > 0 && length <= longestPath && !path.includes('\0')) return { scheme: 'unix', path }
  const what = `the path of a unix socket has 1 to ${longestPath} bytes, not ${length}`
  throw new TcpPipeError('ERR_ADDRESS', path.includes('\0') ? 'its path has a NUL character' : what)
}

/** Listens, in place of the socket of a dead server. */
export async function listenAtPath(
  address: { readonly path: string; readonly mode?: number | undefined },
  arrive: (arrival: SocketArrival) => void,
  balancers?: ServerSide['balancers'],
): Promise<Listener> {
  try {
    return await listenForSockets(address, arrive, balancers)
  } catch (error) {
    if (errorCode(error) !== 'EADDRINUSE') throw error
  }
  await removeStale(address.path) // not before: it connects, which a worker that shares the socket takes for a client
  return listenForSockets(address, arrive, balancers)
}

/**
 * Removes a socket on which no process listens.
 *
 * @throws `ERR_ADDRESS` if the path is not a socket. For a live socket, `listen` fails later.
 */
export async function removeStale(path: string): Promise<void> {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  if (!stat) return
  if (!stat.isSocket()) throw new TcpPipeError('ERR_ADDRESS', `'unix:${path}': the path exists and is not a socket`)
  if ((await connectError(path)) === 'ECONNREFUSED') unlinkSync(path)
}

/** Resolves with why no process can be reached at the socket: ECONNREFUSED if the one that listened is dead. */
export function connectError(path: string): Promise<string | undefined> {
  return new Promise(resolve => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(undefined)
    })
    socket.once('error', error => resolve(errorCode(error)))
  })
}
