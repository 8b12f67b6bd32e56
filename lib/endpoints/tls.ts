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
import { formatHostAndPort, parseHostAndPort, tcpAddress } from './tcp.js'
import type { ClientContext } from './tls/secure-context.js'
import { removeStale, unixAddress } from './unix.js'

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
    const carrier = text.slice('tls://'.length)
    const isUnix = /^unix:(?!\d*$)/.test(carrier) // `unix` may also be a host name
    return { ...(isUnix ? unixAddress(carrier.slice('unix:'.length)) : parseHostAndPort(carrier)), scheme: 'tls' }
  },
  complete: address =>
    'path' in address
      ? { ...address, ...unixAddress(address.path), scheme: 'tls' }
      : { ...address, ...tcpAddress(address.host, address.port), scheme: 'tls' },
  format: formatTls,
  async listen(address, arrive, contexts) {
    if ('path' in address) await removeStale(address.path)
    return listenForSockets(address, arrival => arrive(secured(arrival, contexts.accept as Accept)))
  },
  async dial(address, options) {
    const { tlsConnect } = await import('./tls/handshake.js') // loaded with the context, so this opens no file
    const { socket, peer } = await dialSocket(address, options)
    const [name, context] = [formatTls(address), options.tls as ClientContext]
    return tlsLeg(await tlsConnect(socket, name, hostOf(address), context, options), peer)
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
  const { socket, remote, port, refuse } = arrival
  const open = async (options?: HandshakeOptions) => tlsLeg(await accept(socket, options), { remote, port })
  return { remote, port, refuse, open }
}

function tlsLeg({ socket, facts, endNotice }: SecureSocket, peer: Peer): Leg {
  return socketLeg(socket, peer, { tls: facts }, endNotice)
}
