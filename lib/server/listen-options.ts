/** The options of every server: their meaning, checks and defaults. */

import type { Connection, ConnectionOptions } from '../connection/connection.js'
import { checkShare, type Share } from '../connection/identity.js'
import {
  type Address,
  type AddressInput,
  addressOf,
  endpointFor,
  formatAddress,
  withSessions,
} from '../endpoints/address.js'
import { parseIp } from '../endpoints/ip.js'
import type { ListenSession } from '../endpoints/session/options.js'
import type { TlsContexts } from '../endpoints/tls/contexts.js'
import type { ServerTls } from '../endpoints/tls/secure-context.js'
import type { Logger } from '../stages/context.js'
import type { Observer } from '../stats/observer.js'
import type { AlsoStats, Reason } from '../stats/snapshot.js'
import { TcpPipeError } from '../text/errors.js'
import { checkValues, type ValueKind } from '../text/values.js'
import { type AccessLists, accessCheck } from './access.js'
import { checkBalancers, type ProxyProtocol } from './balancers.js'
import { connectionLimit } from './descriptor-limit.js'

/** The options that `serve` and `proxy` share. Times are milliseconds (a bare number of the command line is seconds). */
export interface ListenOptions extends AccessLists {
  /** The address to listen on, instead of host and port or path. */
  listen?: AddressInput | undefined
  /** The host name or IP address to listen on. Default: 127.0.0.1. */
  host?: string | undefined
  /** The port to listen on; 0 lets the system choose. Default: 3099. */
  port?: number | undefined
  /** The path of a unix socket, instead of host and port. */
  path?: string | undefined
  /** The permissions of the unix socket, such as 0o660. Default: from the umask. */
  socketMode?: number | undefined
  /** Accepts no IPv4 connections on `::`. Default: false. */
  ipv6Only?: boolean | undefined
  /** Enables TLS. `'auto'` generates a self-signed certificate, which clients can pin. Default: no TLS. */
  tls?: ServerTls | 'auto' | boolean | undefined
  /**
   * Accepts reliable sessions only: they survive a broken connection, and a sender gets a receipt. Default: true if the
   * address is `reliable://…`.
   */
  reliable?: boolean | undefined
  /** Reliable: the number of bytes of the reply to keep until they are confirmed. Default: 16 MiB; 4 MiB for a tunnel. */
  window?: number | undefined
  /** Reliable: milliseconds that a session waits for its client to come back. Default: 5 minutes. */
  giveUpAfter?: number | undefined
  /** Reliable: milliseconds without a sign of life until a connection is given up. Default: 30 seconds. */
  linkTimeout?: number | undefined
  /**
   * Takes the address of each client from the header of the PROXY protocol that a balancer sends. Default: clients connect
   * directly.
   */
  proxyProtocol?: ProxyProtocol | undefined
  /** Stops listening after the first connection. Default: false. */
  once?: boolean | undefined
  /** The maximum number of open connections; excess clients are reset. Default: fits the limit of open files. */
  maxConnections?: number | undefined
  /** The maximum number of open connections per address; excess clients are reset. Default: no limit. */
  maxPerIp?: number | undefined
  /**
   * Asked for each client after the access lists and the limits above, such as to count over several processes. Resolves
   * with a function, which is called when the connection is over, or with the reason for a refusal. Default: not asked.
   */
  enter?: Enter | undefined
  /**
   * Which one this process is of several that share the address, as the workers of node:cluster do: then ids and numbers
   * of connections are unique over all, and what concerns all of them is not logged here. Default: the only one.
   */
  worker?: Share | undefined
  /** The maximum number of bytes that a peer may send; the connection fails beyond it. Default: no limit. */
  maxBytes?: number | undefined
  /** Maximum duration of a connection in milliseconds; 0 is no limit. Default: 0. */
  maxDuration?: number | undefined
  /** Milliseconds to wait for a TLS handshake; 0 is no limit. Default: 10 seconds. */
  handshakeTimeout?: number | undefined
  /** Milliseconds to wait for the first byte of a client; 0 is no limit. Default: 0. */
  firstByteTimeout?: number | undefined
  /** Milliseconds without a byte, not counting time spent waiting for the sink; 0 is no limit. Default: 10 minutes. */
  idleTimeout?: number | undefined
  /** Milliseconds without a byte after one side has ended; 0 is no limit. Default: that of `idleTimeout`. */
  halfClosedTimeout?: number | undefined
  /** The maximum length of a line or a JSON value in bytes; a longer one fails the connection. Default: 1 MiB. */
  maxRecord?: number | undefined
  /** Aborting it closes the server and resets all connections; `closed` then rejects with an AbortError. */
  signal?: AbortSignal | undefined
  /**
   * Also measures the source and the sink of each direction, so that `verdict` can tell which part is slow. Costs small
   * messages a tenth of their rate. Default: false.
   */
  measure?: boolean | undefined
  /** A pino logger. Default: no log. */
  log?: Logger | undefined
  /** Receives events: connections that open and close, refused clients. */
  observer?: Observer | undefined
  /** Called for each accepted connection. If it throws, that connection fails. */
  onConnection?: ((connection: Connection) => void) | undefined
}

/** Decides about a client, by its address. */
export type Enter = (remote: string) => Promise<(() => void) | Reason>

/** What the options of every server may be. The others have checks of their own. */
const kinds: Partial<Record<keyof ListenOptions, ValueKind>> = {
  ...{ listen: 'address', host: 'text', path: 'text', tls: 'serverTls', once: 'flag', measure: 'flag' },
  ...{ socketMode: 'mode', ipv6Only: 'flag', reliable: 'flag' },
  ...{ window: 'count', giveUpAfter: 'time', linkTimeout: 'time' },
  ...{ maxConnections: 'count', maxPerIp: 'count', maxBytes: 'count', maxRecord: 'count' },
  ...{ maxDuration: 'time', handshakeTimeout: 'time', firstByteTimeout: 'time' },
  ...{ idleTimeout: 'time', halfClosedTimeout: 'time' },
  ...{ signal: 'signal', log: 'logger', observer: 'observer', onConnection: 'function', enter: 'function' },
}

/** Checks the options and returns the address to listen on. Throws `ERR_OPTION` or `ERR_ADDRESS`. */
export function listenAddress(options: ListenOptions): Address {
  checkValues(options, kinds)
  checkShare(options.worker)
  const plain = addressOf(options.listen, options)
  const given = options.reliable ? withSessions(plain) : plain
  endpointFor('listen', given)
  const address = withDetails(given, options)
  const { allow, deny, maxPerIp, proxyProtocol } = options
  accessCheck({ allow, deny })
  checkBalancers(proxyProtocol, address)
  checkMisplaced(options, 'tls or targetTls')
  const [byAddress] = Object.entries({ allow, deny, maxPerIp }).find(([, value]) => value !== undefined) ?? []
  if (!('host' in address) && byAddress && !proxyProtocol)
    throw new TcpPipeError('ERR_OPTION', `${byAddress}: the clients of ${formatAddress(address)} have no IP address`)
  return address
}

/** Adds to the address how to listen on it. */
function withDetails(address: Address, { socketMode, ipv6Only }: ListenOptions): Address {
  const fault = (name: string, expected: string) =>
    new TcpPipeError('ERR_OPTION', `${name}: ${formatAddress(address)} is not ${expected}`)
  if (socketMode !== undefined && !('path' in address)) throw fault('socketMode', 'a unix socket')
  if (ipv6Only && (!('host' in address) || parseIp(address.host)?.family === 4))
    throw fault('ipv6Only', 'an IPv6 address; expected one such as [::]:3099')
  return { ...address, ...(socketMode !== undefined && { mode: socketMode }), ...(ipv6Only && { ipv6Only }) }
}

/** Rejects TLS options outside of `tls`: the server would ignore them and listen without TLS. */
export function checkMisplaced(options: object, where: string): void {
  const tlsNames = [
    'auto',
    'cert',
    'key',
    'passphrase',
    'clientCa',
    'ca',
    'pin',
    'serverName',
    'insecure',
    'minVersion',
  ]
  const misplaced = tlsNames.find(name => name in options)
  if (misplaced) throw new TcpPipeError('ERR_OPTION', `${misplaced} belongs in ${where}`)
}

/** The limits and timeouts of a server, where they do not default to none. */
export interface Limits {
  readonly idleTimeout: number
  readonly maxConnections: number
  /** The number of connections that the limit of open files has room for. */
  readonly room: number
}

/** Behind balancers, as many clients again may be awaited as may be connected. */
export function limitsOf(options: ListenOptions, descriptorsEach: number): Limits {
  const { idleTimeout = 600_000, maxConnections, proxyProtocol } = options
  const room = connectionLimit(descriptorsEach + Number(proxyProtocol !== undefined))
  return { idleTimeout, maxConnections: maxConnections ?? room, room }
}

/** Applies the defaults. `descriptorsEach` is the number of file descriptors per connection. */
export function withDefaults(options: ListenOptions, descriptorsEach: number, contexts: TlsContexts): ServerOptions {
  const { log, allow, deny, maxRecord, maxPerIp, maxBytes, maxDuration, halfClosedTimeout } = options
  const { handshakeTimeout, firstByteTimeout, signal, measure, observer, onConnection } = options
  const { window, giveUpAfter, linkTimeout, proxyProtocol, enter, worker } = options
  return {
    ...limitsOf(options, descriptorsEach),
    once: options.once ?? false,
    session: { window, giveUpAfter, linkTimeout },
    ...{ contexts, log, allow, deny, maxRecord, maxPerIp, maxBytes, maxDuration, halfClosedTimeout },
    ...{ handshakeTimeout, firstByteTimeout, signal, measure, observer, onConnection, proxyProtocol, enter, worker },
  }
}

export interface ServerOptions extends Omit<ConnectionOptions, 'observer'>, AccessLists {
  observer: Observer | undefined
  contexts: TlsContexts
  maxConnections: number
  /** The number of connections that the limit of open files has room for. Default: any. */
  room?: number
  maxPerIp: number | undefined
  enter?: Enter | undefined
  handshakeTimeout: number | undefined
  proxyProtocol?: ProxyProtocol | undefined
  once: boolean
  /** For an address of sessions. */
  session?: ListenSession
  signal: AbortSignal | undefined
  onConnection: ((connection: Connection) => void) | undefined
  /** The address that connections are forwarded to, for the event `listening`. */
  about?: { readonly to: string }
  /** What counts the further sinks. */
  also?: readonly AlsoStats[]
  /** Ends what stands beside the connections, after the last one. */
  beside?: () => Promise<void>
}
