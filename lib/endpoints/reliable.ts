/** Reliable sessions: a stream that goes on over another connection when one breaks, over TCP, TLS or a unix socket. */
import { TcpPipeError } from '../text/errors.js'
import { type Arrival, type DialOptions, defineEndpoint, type Leg, type Listener, type ServerSide } from './endpoint.js'
import { retried } from './retry.js'
import { type TcpAddress, tcp } from './tcp.js'
import { checkedPlace, formatPlace, parsePlace, type TlsAddress, tls } from './tls.js'
import { type UnixAddress, unix } from './unix.js'

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
    return { ...parsePlace(rest as string), scheme: 'reliable', ...(carrier && { tls: true }) }
  },
  complete(address) {
    if (address.tls !== undefined && typeof address.tls !== 'boolean')
      throw new TcpPipeError('ERR_ADDRESS', 'tls must be true or false')
    return { ...address, ...checkedPlace(address), scheme: 'reliable' }
  },
  format: address => `reliable${address.tls ? '+tls' : ''}://${formatPlace(address)}`,
  async listen(address, arrive, side) {
    const { listenForSessions } = await import('./session/listen.js')
    const carrier = carrierOf(address)
    const listen = (arriveLink: typeof arrive) => endpointOf(carrier).listen(carrier, arriveLink, side)
    return listenForSessions(listen, arrive, side.session)
  },
  load: () => import('./session/dial.js'),
  async dial(address, options) {
    const { dialSession, isFinal } = await import('./session/dial.js')
    const carrier = carrierOf(address)
    const connect = (signal: AbortSignal) => endpointOf(carrier).dial(carrier, { ...options, retry: 0, signal })
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

interface Able {
  listen(address: Carrier, arrive: (arrival: Arrival) => void, side: ServerSide): Promise<Listener>
  dial(address: Carrier, options: DialOptions): Promise<Leg>
}

function endpointOf({ scheme }: Carrier): Able {
  return { tcp, tls, unix }[scheme] as unknown as Able
}
