/** The options of everything that listens: what they mean, their checks and defaults. */

import type { Connection, ConnectionOptions } from '../connection/connection.js'
import {
  type Address,
  type AddressInput,
  defaultPort,
  endpointFor,
  formatAddress,
  toAddress,
  withTls,
} from '../endpoints/address.js'
import type { TlsContexts } from '../endpoints/tls/contexts.js'
import type { ServerTls } from '../endpoints/tls/secure-context.js'
import type { Logger } from '../stages/context.js'
import type { Observer } from '../stats/observer.js'
import { TcpPipeError } from '../text/errors.js'
import { checkTime } from '../text/quantities.js'
import { type AccessLists, accessCheck } from './access.js'
import { connectionLimit } from './descriptor-limit.js'

/** What everything that listens can be told. */
export interface ListenOptions extends AccessLists {
  /** The address to listen on, instead of host and port or path. */
  listen?: AddressInput | undefined
  /** Default: 127.0.0.1. */
  host?: string | undefined
  /** Default: 3099; 0 lets the system choose. */
  port?: number | undefined
  /** The path of a unix socket, instead of host and port. */
  path?: string | undefined
  /** Speaks TLS. `'auto'` makes a certificate of its own, which clients can pin. Default: no TLS. */
  tls?: ServerTls | 'auto' | boolean | undefined
  /** Stop listening after the first connection. Default: false. */
  once?: boolean | undefined
  /** Connections over this number are reset. Default: what the limit of open files allows. */
  maxConnections?: number | undefined
  /** Further ones from one address are reset. Default: without limit. */
  maxPerIp?: number | undefined
  /** A connection fails when a peer sends more bytes than these. Default: without limit. */
  maxBytes?: number | undefined
  /** Milliseconds that a connection may last, whatever it does; 0 is without limit. Default: 0. */
  maxDuration?: number | undefined
  /** Milliseconds for a TLS handshake; 0 is without limit. Default: 10 seconds. */
  handshakeTimeout?: number | undefined
  /** Milliseconds for the first byte of a client; 0 is without limit. Default: 0. */
  firstByteTimeout?: number | undefined
  /** Milliseconds without a byte, while our own sink is not what we wait for; 0 is never. Default: 10 minutes. */
  idleTimeout?: number | undefined
  /** Milliseconds without a byte once one side has ended; 0 is never. Default: 1 minute. */
  halfClosedTimeout?: number | undefined
  /** Length cap of a line or a JSON value in bytes. Default: 1 MiB. */
  maxRecord?: number | undefined
  /** Resets all connections when it is aborted; `closed` then rejects with an AbortError. */
  signal?: AbortSignal | undefined
  /** A pino logger. Default: silent. */
  log?: Logger | undefined
  /** Hears what happens: connections that open and close, clients that are turned away. */
  observer?: Observer | undefined
  /** Called when a connection is accepted; if it throws, that connection fails. */
  onConnection?: ((connection: Connection) => void) | undefined
}

/** The address to listen on, when the options have been checked; throws `ERR_OPTION` or `ERR_ADDRESS`. */
export function listenAddress({ listen, host, port = defaultPort, path, tls, ...options }: ListenOptions): Address {
  const plain = toAddress(listen ?? (path === undefined ? { host, port } : { path }))
  const address = tls ? withTls(plain) : plain
  endpointFor('listen', address)
  const { idleTimeout, halfClosedTimeout, handshakeTimeout, firstByteTimeout, maxDuration } = options
  const times = { idleTimeout, halfClosedTimeout, handshakeTimeout, firstByteTimeout, maxDuration }
  for (const [name, time] of Object.entries(times)) checkTime(name, time)
  const { allow, deny, maxConnections, maxPerIp, maxBytes } = options
  for (const [name, number] of Object.entries({ maxConnections, maxPerIp, maxBytes })) checkLimit(name, number)
  accessCheck({ allow, deny })
  checkMisplaced(options, 'tls or targetTls')
  const [byAddress] = Object.entries({ allow, deny, maxPerIp }).find(([, value]) => value !== undefined) ?? []
  if (!('host' in address) && byAddress)
    throw new TcpPipeError('ERR_OPTION', `${byAddress}: the clients of ${formatAddress(address)} have no IP address`)
  return address
}

/** What belongs into `tls` has no effect beside it: the server would listen without. */
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
  if (misplaced) throw new TcpPipeError('ERR_OPTION', `${misplaced} belongs into ${where}`)
}

function checkLimit(name: string, value: number | undefined): void {
  const isWhole = Number.isInteger(value) || value === Number.POSITIVE_INFINITY
  if (value === undefined || (isWhole && value >= 1)) return
  throw new TcpPipeError('ERR_OPTION', `${name}: ${value} is not allowed; expected a whole number from 1`)
}

/** With their defaults; each connection takes so many descriptors. */
export function withDefaults(options: ListenOptions, descriptorsEach: number, contexts: TlsContexts): ServerOptions {
  const { log, allow, deny, maxRecord, maxPerIp, maxBytes, maxDuration } = options
  const { handshakeTimeout, firstByteTimeout, signal, observer, onConnection } = options
  return {
    idleTimeout: options.idleTimeout ?? 600_000,
    halfClosedTimeout: options.halfClosedTimeout ?? 60_000,
    maxConnections: options.maxConnections ?? connectionLimit(descriptorsEach),
    once: options.once ?? false,
    ...{ contexts, log, allow, deny, maxRecord, maxPerIp, maxBytes, maxDuration },
    ...{ handshakeTimeout, firstByteTimeout, signal, observer, onConnection },
  }
}

export interface ServerOptions extends Omit<ConnectionOptions, 'observer'>, AccessLists {
  observer: Observer | undefined
  contexts: TlsContexts
  maxConnections: number
  maxPerIp: number | undefined
  handshakeTimeout: number | undefined
  once: boolean
  signal: AbortSignal | undefined
  onConnection: ((connection: Connection) => void) | undefined
  /** Where connections go on to, for the event `listening`. */
  about?: { readonly to: string }
}
