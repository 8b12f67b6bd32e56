/** Reliable sessions: a stream that goes on over another connection when one breaks, over TCP, TLS or a unix socket. */
import { TcpPipeError } from '../text/errors.js'
import { type Arrival, type DialOptions, defineEndpoint, type Leg, type Listener, type ServerSide } from './endpoint.js'
import { retried } from './retry.js'
import { formatHostAndPort, parseHostAndPort, type TcpAddress, tcp, tcpAddress } from './tcp.js'
import { type TlsAddress, tls } from './tls.js'
import { type UnixAddress, unix, unixAddress } from './unix.js'

/** An address of reliable sessions: over a host and a port, or over a unix socket if it has a path. */
export type ReliableAddress = { readonly scheme: 'reliable'; readonly tls?: boolean | undefined } & (
  | { readonly host: string; readonly port: number; readonly ipv6Only?: boolean | undefined }
  | { readonly path: string; readonly mode?: number | undefined }
)

type Carrier = TcpAddress | TlsAddress | UnixAddress

export const reliable = defineEndpoint<ReliableAddress>({
  scheme: 'reliable',
  syntax: ['reliable[+tls]://host:port'],
  summary: 'sessions that survive a broken connection, over TCP or TLS',
  accepts: text => /^reliable(\+\w*)?:\/\//.test(text),
  parse(text) {
    const [, , carrier, rest] = /^reliable(\+(\w*))?:\/\/(.*)$/s.exec(text) as unknown as [
      string,
      string,
      string?,
      string?,
    ]
    if (carrier !== undefined && carrier !== 'tls') throw new TcpPipeError('ERR_ADDRESS', 'is not an address')
    const isUnix = /^unix:(?!\d*$)/.test(rest as string) // `unix` may also be a host name
    const inner = isUnix ? unixAddress((rest as string).slice('unix:'.length)) : parseHostAndPort(rest as string)
    return { ...inner, scheme: 'reliable', ...(carrier && { tls: true }) }
  },
  complete(address) {
    if (address.tls !== undefined && typeof address.tls !== 'boolean')
      throw new TcpPipeError('ERR_ADDRESS', 'tls must be true or false')
    return 'path' in address
      ? { ...address, ...unixAddress(address.path), scheme: 'reliable' }
      : { ...address, ...tcpAddress(address.host, address.port), scheme: 'reliable' }
  },
  format: address =>
    `reliable${address.tls ? '+tls' : ''}://${'path' in address ? `unix:${address.path}` : formatHostAndPort(address)}`,
  async listen(address, arrive, side) {
    const { listenForSessions } = await import('./session/listen.js')
    return listenForSessions(arriveLink => listenOn(carrierOf(address), arriveLink, side), arrive, side.session)
  },
  load: () => import('./session/dial.js'),
  async dial(address, options) {
    const { dialSession, isFinal } = await import('./session/dial.js')
    const carrier = carrierOf(address)
    const connect = (signal: AbortSignal) => dialOn(carrier, { ...options, retry: 0, signal })
    return retried(() => dialSession(connect, options.session ?? {}, options), options, 0, isFinal)
  },
})

/** The same place, with sessions. */
export function sessionsOver(carrier: Carrier): ReliableAddress {
  const { scheme } = carrier
  return { ...carrier, scheme: 'reliable', ...(scheme === 'tls' && { tls: true }) }
}

/** The same place, without sessions. */
export function carrierOf(address: ReliableAddress): Carrier {
  const { tls: isTls, ...place } = address
  if (isTls) return { ...place, scheme: 'tls' }
  return 'path' in place ? { ...place, scheme: 'unix' } : { ...place, scheme: 'tcp' }
}

function listenOn(carrier: Carrier, arrive: (arrival: Arrival) => void, side: ServerSide): Promise<Listener> {
  const { listen } = endpointOf(carrier)
  return listen(carrier, arrive, side)
}

function dialOn(carrier: Carrier, options: DialOptions): Promise<Leg> {
  const { dial } = endpointOf(carrier)
  return dial(carrier, options)
}

interface Able {
  listen(address: Carrier, arrive: (arrival: Arrival) => void, side: ServerSide): Promise<Listener>
  dial(address: Carrier, options: DialOptions): Promise<Leg>
}

function endpointOf({ scheme }: Carrier): Able {
  return { tcp, tls, unix }[scheme] as unknown as Able
}
