/** TLS over TCP or over a unix socket. */
import { TcpPipeError } from '../text/errors.js'
import {
  type Accept,
  type Arrival,
  defineEndpoint,
  type HandshakeOptions,
  type Leg,
  type SecureSocket,
} from './endpoint.js'
import { dialSocket, listenForSockets, type Peer, type SocketAddress, type SocketArrival, socketLeg } from './socket.js'
import { formatHostAndPort, parseHostAndPort, type TcpAddress, tcpAddress } from './tcp.js'
import type { ClientContext } from './tls/secure-context.js'
import { listenAtPath, type UnixAddress, unixAddress } from './unix.js'

/** An address with TLS: over TCP, or over a unix socket if it has a path. */
export type TlsAddress =
  | { readonly scheme: 'tls'; readonly host: string; readonly port: number; readonly ipv6Only?: boolean | undefined }
  | { readonly scheme: 'tls'; readonly path: string; readonly mode?: number | undefined }

export const tls = defineEndpoint<TlsAddress>({
  scheme: 'tls',
  syntax: ['tls://host:port', 'tls://unix:path'],
  summary: 'TLS over TCP, or over a unix socket',
  accepts: text => text.startsWith('tls:'),
  parse(text) {
    if (!text.startsWith('tls://')) throw new TcpPipeError('ERR_ADDRESS', 'is not an address')
    return { ...parsePlace(text.slice('tls://'.length)), scheme: 'tls' }
  },
  complete: address => ({ ...address, ...checkedPlace(address), scheme: 'tls' }),
  format: formatTls,
  async listen(address, arrive, side) {
    const come = (arrival: SocketArrival) => arrive(secured(arrival, side.accept as Accept))
    const { balancers } = side
    return 'path' in address ? listenAtPath(address, come, balancers) : listenForSockets(address, come, balancers)
  },
  async dial(address, options) {
    const { tlsConnect } = await import('./tls/handshake.js') // loaded with the context, so this opens no file
    const { socket, peer } = await dialSocket(address, options)
    const [name, context] = [formatTls(address), options.tls as ClientContext]
    return tlsLeg(await tlsConnect(socket, name, hostOf(address), context, options), peer)
  },
})

function formatTls(address: TlsAddress): string {
  return `tls://${formatPlace(address)}`
}

type Place = { readonly host: string; readonly port: number } | { readonly path: string }

/** Parses what follows a scheme over sockets: a host and a port, or `unix:` and a path. Throws `ERR_ADDRESS`. */
export function parsePlace(text: string): TcpAddress | UnixAddress {
  const isUnix = /^unix:(?!\d*$)/.test(text) // `unix` may also be a host name
  return isUnix ? unixAddress(text.slice('unix:'.length)) : parseHostAndPort(text)
}

/** Checks the parts of such a place. Throws `ERR_ADDRESS`. */
export function checkedPlace(place: Place): TcpAddress | UnixAddress {
  return 'path' in place ? unixAddress(place.path) : tcpAddress(place.host, place.port)
}

export function formatPlace(place: Place): string {
  return 'path' in place ? `unix:${place.path}` : formatHostAndPort(place)
}

function hostOf(address: SocketAddress): string {
  return 'path' in address ? 'localhost' : address.host
}

/** Starts the handshake after the client is admitted. */
function secured(arrival: SocketArrival, accept: Accept): Arrival {
  const { socket, peer, remote, port, hold, refuse } = arrival
  const open = async (options?: HandshakeOptions) => tlsLeg(await accept(socket, options), peer)
  return { remote, port, ...(hold && { hold }), refuse, open }
}

function tlsLeg({ socket, facts, endNotice }: SecureSocket, peer: Peer): Leg {
  return socketLeg(socket, peer, { tls: facts }, endNotice)
}
