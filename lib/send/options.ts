/** The options of `send`, and their checks. */
import type { Writable } from 'node:stream'
import type { Chain } from '../connection/chain.js'
import type { Connection } from '../connection/connection.js'
import { lingerTime } from '../connection/linger.js'
import {
  type Address,
  type AddressInput,
  addressOf,
  bindAddress,
  endpointFor,
  formatAddress,
  isAddressInput,
  toAddress,
  withSessions,
} from '../endpoints/address.js'
import { checkSink } from '../endpoints/open.js'
import { longestName } from '../endpoints/session/hello.js'
import type { TransferLinks } from '../endpoints/session/options.js'
import { toWritable } from '../endpoints/sink.js'
import type { SourceInput } from '../endpoints/source.js'
import type { ClientTls } from '../endpoints/tls/secure-context.js'
import type { WebWritable } from '../formats/web.js'
import { checkMisplaced } from '../server/listen-options.js'
import type { Logger } from '../stages/context.js'
import type { Stage } from '../stages/stage.js'
import { checkFunction, type Transforms } from '../stages/transforms.js'
import type { Observer } from '../stats/observer.js'
import { TcpPipeError } from '../text/errors.js'
import { checkValues, type ValueKind } from '../text/values.js'

/** The options of `send`. Times are milliseconds (a bare number of the command line is seconds). */
export interface SendOptions<S = readonly Stage[], R = readonly Stage[]> {
  /** The host name or IP address to connect to. Default: 127.0.0.1. */
  host?: string | undefined
  /** The port to connect to. Default: 3099. */
  port?: number | undefined
  /** The path of a unix socket, instead of host and port. */
  path?: string | undefined
  /** An address, instead of host and port. */
  to?: AddressInput | undefined
  /** Enables TLS. `true` verifies with the authorities of Node.js. Default: true if the address is `tls://…`. */
  tls?: ClientTls | boolean | undefined
  /** The data: a stream, an iterable, a Blob, bytes, a string (the data itself) or an address. Default: stdin. */
  from?: SourceInput | Address | undefined
  /**
   * The destination of the reply: a Writable or a Web `WritableStream`, which is not ended, or an address such as
   * `file:reply.bin`. Default: stdout.
   */
  output?: Writable | WebWritable | AddressInput | undefined
  transforms?: Transforms<S> | undefined
  replyTransforms?: Transforms<R> | undefined
  /** The source address: a host, or a host and a port. Without a port, or with 0, the system chooses it. */
  bind?: AddressInput | undefined
  /** The address family to use if a name has both. Default: the family that answers first. */
  family?: 4 | 6 | undefined
  /** Milliseconds to wait for each attempt to connect; 0 is no limit. Default: 10 seconds. */
  connectTimeout?: number | undefined
  /** Milliseconds to wait for a TLS handshake; 0 is no limit. Default: 10 seconds. */
  handshakeTimeout?: number | undefined
  /** Milliseconds without a byte in either direction; 0 is no limit. Default: 0. */
  idleTimeout?: number | undefined
  /** Maximum duration of the connection in milliseconds; 0 is no limit. Default: 0. */
  maxDuration?: number | undefined
  /** The number of retries after the first attempt to connect, with jittered backoff. Default: 0. */
  retry?: number | undefined
  /** Milliseconds between attempts to connect. Default: a growing time from 0.1 to 5 seconds, with jitter. */
  retryInterval?: number | undefined
  /**
   * After the source ends: `half-close` ends our side and waits for the peer's end, `keep` waits and ends our side
   * after it, `close` waits for `wait`, by default one second, and closes. Default: `half-close`.
   */
  onEof?: OnEof | undefined
  /** After the peer ends: `send` sends the rest of the source, `stop` does not. Default: `send`, on a terminal `stop`. */
  onPeerEnd?: OnPeerEnd | undefined
  /** Milliseconds to wait for the peer's end after the local end; 0 is no limit. Default: 0; 1 second for `close`. */
  wait?: number | undefined
  /** The maximum length of a line or a JSON value in bytes; a longer one fails the connection. Default: 1 MiB. */
  maxRecord?: number | undefined
  /**
   * Sends over a reliable session: it survives a broken connection, and resolves with a receipt when the receiver has
   * everything. Default: true if the address is `reliable://…`.
   */
  reliable?: boolean | undefined
  /** Reliable: the name of the data, a relative path. */
  name?: string | undefined
  /**
   * Reliable: the number of bytes after the transforms, if known. The receiver refuses another number. Default: that of a
   * file without transforms.
   */
  size?: number | undefined
  /** Reliable: the permissions of the file at the receiver. Default: its own. */
  mode?: number | undefined
  /** Reliable: the time of the last change of the file at the receiver, in milliseconds since 1970. Default: now. */
  mtime?: number | undefined
  /** Reliable: the number of bytes to keep until they are confirmed. Default: 16 MiB. */
  window?: number | undefined
  /** Reliable: milliseconds without a connection until the transfer fails. Default: 5 minutes. */
  giveUpAfter?: number | undefined
  /** Reliable: milliseconds without a sign of life until a connection is given up. Default: 30 seconds. */
  linkTimeout?: number | undefined
  /**
   * Reliable: a secret. A file that is sent again with the same secret goes on where an earlier process has stopped.
   * Default: random.
   */
  resumeKey?: string | undefined
  /** Reliable: the connections of several transfers. Default: a connection for each. */
  links?: TransferLinks | undefined
  /** Reliable: called when the transfer has a connection again. */
  onReconnect?: (() => void) | undefined
  signal?: AbortSignal | undefined
  /**
   * Also measures the source and the sink of each direction, so that `verdict` can tell which part is slow. Costs small
   * messages a tenth of their rate. Default: false.
   */
  measure?: boolean | undefined
  /** A pino logger. Default: no log. */
  log?: Logger | undefined
  /** Receives the events of the connection. */
  observer?: Pick<Observer, 'opened' | 'passed' | 'faulted' | 'closed'> | undefined
  /** Called when the connection opens. */
  onConnect?: ((connection: SendConnection) => void) | undefined
}

export type OnEof = 'half-close' | 'keep' | 'close'

export type OnPeerEnd = 'send' | 'stop'

/** The connection of a `send`. */
export interface SendConnection extends Connection {
  /** The transforms from the source to the peer. */
  readonly forward: Chain
  /** The transforms from the peer to the output. */
  readonly reply: Chain
  /** Adds an observer; in `onConnect`, one that hears of the bytes, too. Returns a function that removes it. */
  observe(observer: NonNullable<SendOptions['observer']>): () => void
}

const kinds: Partial<Record<keyof SendOptions, ValueKind>> = {
  ...{ to: 'address', host: 'text', path: 'text', tls: 'clientTls', maxRecord: 'count', measure: 'flag' },
  ...{ wait: 'time', connectTimeout: 'time', handshakeTimeout: 'time', idleTimeout: 'time', maxDuration: 'time' },
  ...{ retryInterval: 'time', reliable: 'flag', name: 'text', resumeKey: 'text', mode: 'mode', window: 'count' },
  ...{ giveUpAfter: 'time', linkTimeout: 'time' },
  ...{ signal: 'signal', log: 'logger', observer: 'observer', onConnect: 'function', onReconnect: 'function' },
}

/** Checks the options and returns the address to connect to. Throws `ERR_OPTION` or `ERR_ADDRESS`. */
export function checkSendOptions(options: SendOptions): Address {
  checkValues(options, kinds)
  const plain = addressOf(options.to, options)
  const address = options.reliable ? withSessions(plain) : plain
  endpointFor('dial', address)
  checkReliable(options, address)
  const { output, transforms, replyTransforms, onEof, onPeerEnd, family, retry, bind } = options
  checkMisplaced(options, 'tls')
  if (isAddressInput(output)) checkSink(toAddress(output))
  else if (output !== undefined) toWritable(output)
  for (const [name, value] of Object.entries({ transforms, replyTransforms })) checkFunction(name, value)
  if (bind !== undefined && bindAddress(bind).scheme !== 'tcp')
    fault('bind', formatAddress(bindAddress(bind)), 'an address of this host')
  if (!isOneOf(onEof, ['half-close', 'keep', 'close'])) fault('onEof', onEof, 'half-close, keep or close')
  if (!isOneOf(onPeerEnd, ['send', 'stop'])) fault('onPeerEnd', onPeerEnd, 'send or stop')
  if (family !== undefined && family !== 4 && family !== 6) fault('family', family, '4 or 6')
  if (retry !== undefined && !(Number.isInteger(retry) && retry >= 0)) fault('retry', retry, 'a whole number from 0')
  return address
}

/** Rejects what concerns a session without one: its user would rely on it. */
function checkReliable(options: SendOptions, { scheme }: Address): void {
  const { name, size, mode, mtime, window, giveUpAfter, linkTimeout, resumeKey, links, onReconnect } = options
  const given = { name, size, mode, mtime, window, giveUpAfter, linkTimeout, resumeKey, links, onReconnect }
  const [first] = Object.entries(given).find(([, value]) => value !== undefined) ?? []
  if (first && scheme !== 'reliable')
    throw new TcpPipeError('ERR_OPTION', `${first} needs reliable: it concerns reliable transfers`)
  if (name !== undefined && Buffer.byteLength(name) > longestName)
    fault('name', `a text of ${Buffer.byteLength(name)} bytes`, `at most ${longestName}`)
  if (size !== undefined && !(Number.isFinite(size) && size >= 0)) fault('size', size, 'a number from 0')
  if (mtime !== undefined && !Number.isFinite(mtime)) fault('mtime', mtime, 'a number')
}

/** The effective policy for the peer's end. Nobody need type an end after it, so a terminal stops. */
export function peerEndPolicy({ onPeerEnd }: SendOptions, isTerminal: boolean): OnPeerEnd {
  return onPeerEnd ?? (isTerminal ? 'stop' : 'send')
}

/** The effective time to wait for the peer's end, in milliseconds; 0 is no limit. */
export function waitPolicy({ onEof, wait = 0 }: SendOptions): number {
  return wait || (onEof === 'close' ? lingerTime : 0)
}

function isOneOf<T extends string>(value: T | undefined, allowed: readonly T[]): boolean {
  return value === undefined || allowed.includes(value)
}

function fault(name: string, value: unknown, allowed: string): never {
  throw new TcpPipeError('ERR_OPTION', `${name}: ${value} is not allowed; expected ${allowed}`)
}
