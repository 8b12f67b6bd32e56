/** TCP. */
import { TcpPipeError } from '../text/errors.js'
import { defineEndpoint } from './endpoint.js'
import { dialSocket, listenForSockets, socketLeg } from './socket.js'

export interface TcpAddress {
  readonly scheme: 'tcp'
  readonly host: string
  readonly port: number
  /** Listens on IPv6 only: `[::]` does not accept IPv4 connections. Default: false. */
  readonly ipv6Only?: boolean | undefined
}

export const defaultHost = '127.0.0.1'

export const tcp = defineEndpoint<TcpAddress>({
  scheme: 'tcp',
  syntax: ['host:port', ':port', 'port', '[::1]:port', 'tcp://host:port'],
  summary: 'TCP; without a host, 127.0.0.1',
  accepts: () => true,
  parse: text => parseHostAndPort(text.replace(/^tcp:\/\//, '')),
  complete: ({ host, port, ipv6Only }) => ({ ...tcpAddress(host, port), ...(ipv6Only && { ipv6Only }) }),
  format: formatHostAndPort,
  listen: (address, arrive, { balancers }) => listenForSockets(address, arrive, balancers),
  async dial(address, options) {
    const { socket, peer } = await dialSocket(address, options)
    return socketLeg(socket, peer, socket.facts)
  },
})

/** Creates an address from its parts. The default host is loopback. Throws `ERR_ADDRESS`. */
export function tcpAddress(host: string | undefined, port: number): TcpAddress {
  if (host !== undefined && typeof host !== 'string') throw new TcpPipeError('ERR_ADDRESS', 'the host must be a text')
  return { scheme: 'tcp', host: host || defaultHost, port: checkPort(port) }
}

/** Parses `host:port`, `:port`, `port` or `[::1]:port`. Throws `ERR_ADDRESS`. */
export function parseHostAndPort(text: string): TcpAddress {
  const match = /^(?:\[([^[\]]*)\]:|([^:[\]]*):)?([^:]*)$/.exec(text)
  if (!match) throw new TcpPipeError('ERR_ADDRESS', 'is not an address')
  const [, bracketed, plain, port = ''] = match
  if (bracketed === '') throw new TcpPipeError('ERR_ADDRESS', 'is not an address: the brackets are empty')
  if (port === '' || ((plain ?? bracketed) === undefined && !/^[-+]?\d\w*(\.\d+)?$/.test(port)))
    throw new TcpPipeError('ERR_ADDRESS', 'has no port')
  const number = /^\d+$/.test(port) ? Number(port) : Number.NaN
  return { scheme: 'tcp', host: bracketed || plain || defaultHost, port: checkPort(number) }
}

export function formatHostAndPort({ host, port }: { readonly host: string; readonly port: number }): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

function checkPort(port: number): number {
  if (Number.isInteger(port) && port >= 0 && port <= 65535) return port
  throw new TcpPipeError('ERR_ADDRESS', 'the port must be a whole number from 0 to 65535')
}
