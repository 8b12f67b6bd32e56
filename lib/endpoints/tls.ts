/** TLS over TCP or over a unix socket. Imports its modules on first use. */
import { TcpPipeError } from '../text/errors.js'
import {
  type Accept,
  type Arrival,
  defineEndpoint,
  type HandshakeOptions,
  type Leg,
  type SecureSocket,
} from './endpoint.js'
import { dialSocket, listenForSockets, type SocketAddress, type SocketArrival, socketLeg } from './socket.js'
import { formatHostAndPort, parseHostAndPort, tcpAddress } from './tcp.js'
import type { ClientContext } from './tls/secure-context.js'
import { removeStale, unixAddress } from './unix.js'

/** An address with TLS: over TCP, or over a unix socket if it has a path. */
export type TlsAddress =
  | { readonly scheme: 'tls'; readonly host: string; readonly port: number }
  | { readonly scheme: 'tls'; readonly path: string }

export const tls = defineEndpoint<TlsAddress>({
  scheme: 'tls',
  syntax: ['tls://host:port', 'tls://unix:path'],
  summary: 'TLS over TCP, or over a unix socket',
  accepts: text => text.startsWith('tls:'),
  parse(text) {
    if (!text.startsWith('tls://')) throw new TcpPipeError('ERR_ADDRESS', 'is not an address')
    const carrier = text.slice('tls://'.length)
    const isUnix = /^unix:(?!\d*$)/.test(carrier) // `unix` may also be a host name
    return { ...(isUnix ? unixAddress(carrier.slice('unix:'.length)) : parseHostAndPort(carrier)), scheme: 'tls' }
  },
  complete: address =>
    'path' in address
      ? { ...unixAddress(address.path), scheme: 'tls' }
      : { ...tcpAddress(address.host, address.port), scheme: 'tls' },
  format: formatTls,
  async listen(address, arrive, contexts) {
    if ('path' in address) await removeStale(address.path)
    return listenForSockets(address, arrival => arrive(secured(arrival, contexts.accept as Accept)))
  },
  async dial(address, options) {
    const { tlsConnect } = await import('./tls/handshake.js') // first: an import after it would miss events
    const raw = await dialSocket(address, options)
    return tlsLeg(await tlsConnect(raw, formatTls(address), hostOf(address), options.tls as ClientContext, options))
  },
})

function formatTls(address: TlsAddress): string {
  return `tls://${'path' in address ? `unix:${address.path}` : formatHostAndPort(address)}`
}

function hostOf(address: SocketAddress): string {
  return 'path' in address ? 'localhost' : address.host
}

/** Starts the handshake after the client is admitted. */
function secured(arrival: SocketArrival, accept: Accept): Arrival {
  const open = async (options?: HandshakeOptions) => tlsLeg(await accept(arrival.socket, options))
  return { remote: arrival.remote, port: arrival.port, refuse: arrival.refuse, open }
}

function tlsLeg({ socket, facts }: SecureSocket): Leg {
  return socketLeg(socket, { tls: facts })
}
