/** send: source → transforms → socket, and socket → reply transforms → sink. */
import { setMaxListeners } from 'node:events'
import type { Writable } from 'node:stream'
import { type Chain, openChain } from './connection/chain.js'
import { type Connection, type OpenConnection, openConnection } from './connection/connection.js'
import { keptOpen, lingerTime } from './connection/linger.js'
import {
  type Address,
  type AddressInput,
  addressOf,
  bindAddress,
  endpointFor,
  formatAddress,
  isAddressInput,
  toAddress,
} from './endpoints/address.js'
import type { Leg, Sink, Source } from './endpoints/endpoint.js'
import { checkSink, dial, openSource, sinkTo } from './endpoints/open.js'
import { toWritable } from './endpoints/sink.js'
import type { SourceInput } from './endpoints/source.js'
import { sharedSink, stdinSource } from './endpoints/stdio.js'
import type { TcpAddress } from './endpoints/tcp.js'
import { targetContext } from './endpoints/tls/contexts.js'
import type { ClientTls } from './endpoints/tls/secure-context.js'
import type { WebWritable } from './formats/web.js'
import { checkMisplaced } from './server/listen-options.js'
import type { Logger } from './stages/context.js'
import type { Stage } from './stages/stage.js'
import { checkFunction, type Stages, type Transforms } from './stages/transforms.js'
import { logObserver } from './stats/log-observer.js'
import { type Observer, observers } from './stats/observer.js'
import type { Summary } from './stats/summary.js'
import { abortError, attempt, errorMessage, TcpPipeError, type TimeoutName, timeoutError } from './text/errors.js'
import { formatDuration } from './text/quantities.js'
import { checkValues, type ValueKind } from './text/values.js'

/** The options of `send`. Times are milliseconds. */
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
  /**
   * After the source ends: `half-close` ends our side and waits for the peer's end, `keep` waits and ends our side
   * after it, `close` does not wait. Default: `half-close`.
   */
  onEof?: OnEof | undefined
  /** After the peer ends: `send` sends the rest of the source, `stop` does not. Default: `send`, on a terminal `stop`. */
  onPeerEnd?: OnPeerEnd | undefined
  /** Milliseconds to wait for the peer's end after the local end; 0 is no limit. Default: 0. */
  wait?: number | undefined
  /** The maximum length of a line or a JSON value in bytes; a longer one fails the connection. Default: 1 MiB. */
  maxRecord?: number | undefined
  signal?: AbortSignal | undefined
  /** A pino logger. Default: no log. */
  log?: Logger | undefined
  /** Receives the events `opened` and `closed`. */
  observer?: Pick<Observer, 'opened' | 'closed'> | undefined
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
}

/** The rejection of `send` after it has connected: the error that ended the connection, with its summary. */
export interface SendError extends Error {
  readonly summary: Summary
  /** An `ErrorCode` or a system error code, such as `ECONNRESET`. */
  readonly code?: string
  /** The timeout that expired, if any. */
  readonly timeout?: TimeoutName
}

/** Returns whether an error comes from a `send` that had connected, and so has a summary. */
export function isSendError(error: unknown): error is SendError {
  return error instanceof Error && 'summary' in error
}

/**
 * Connects, sends the data and receives the reply. Resolves with the summary when both sides have ended.
 *
 * @throws `ERR_OPTION` or `ERR_ADDRESS` before anything is opened; the system error or `ERR_TIMEOUT` if it cannot
 * connect; a `SendError` if the connection fails
 */
export function send<A, B, C, D, E, F, G, H, I, J, K, L, M, N, O, P>(
  options?: SendOptions<Stages<A, B, C, D, E, F, G, H>, Stages<I, J, K, L, M, N, O, P>>,
): Promise<Summary>
export async function send(given: SendOptions = {}): Promise<Summary> {
  checkValues(given, kinds)
  const { signal } = given
  const address = addressOf(given.to, given)
  endpointFor('dial', address)
  checkSendOptions(given)
  if (signal) setMaxListeners(0, signal) // any number of transfers may share it
  const options = { ...given, from: given.from === undefined ? undefined : openSource(given.from) }
  options.from?.on('error', () => {}) // reported after the connection opens, unless connecting fails
  const leg = await dialFor(options, address).catch(error => {
    options.from?.destroy()
    throw options.from?.errored ?? error
  })
  const summary = await exchange(leg, options)
  if (summary.error) throw Object.assign(summary.error, { summary })
  return summary
}

/** The options, with the source as a stream. */
interface OpenOptions extends SendOptions {
  from?: Source | undefined
}

async function dialFor(options: OpenOptions, address: Address): Promise<Leg> {
  const { connectTimeout, handshakeTimeout, family, bind, retry, signal, log, tls } = options
  const context = await targetContext(address, typeof tls === 'object' ? tls : undefined, 'tls')
  if (signal?.aborted) throw abortError(signal)
  return dial(address, {
    ...{ connectTimeout, handshakeTimeout, family, retry, signal, tls: context },
    bind: bind === undefined ? undefined : (bindAddress(bind) as TcpAddress),
    onRetry: (error, wait) => log?.warn({ error: errorMessage(error), wait }, 'not connected, trying again'),
  })
}

/** Opens what belongs to the connection. If that fails, resets the leg. */
function open(
  leg: Leg,
  options: OpenOptions,
): { connection: OpenConnection; from: Source; observer: Required<Observer> } {
  const { log, maxRecord, idleTimeout = 0, maxDuration } = options
  const observer = observers([log && logObserver(log), options.observer])
  let { from } = options
  try {
    from ??= stdinSource()
    return { connection: openConnection(leg, { log, maxRecord, idleTimeout, maxDuration, observer }), from, observer }
  } catch (error) {
    from?.destroy()
    leg.reset(error as Error)
    throw error
  }
}

async function exchange(leg: Leg, options: OpenOptions): Promise<Summary> {
  const { signal } = options
  const { connection, from, observer } = open(leg, options)
  const forward = openChain('forward', options.transforms)
  const reply = openChain('reply', options.replyTransforms)
  const abort = () => connection.fail(abortError(signal as AbortSignal))
  signal?.addEventListener('abort', abort, { once: true })
  if (signal?.aborted) abort()
  observer.opened(connection)
  let timer: NodeJS.Timeout | undefined
  try {
    const ours = Object.assign(connection, { forward: forward.chain, reply: reply.chain })
    const called: unknown = options.onConnect?.(ours)
    attempt(
      () => called,
      error => connection.fail(error),
    )
    if (from.errored) connection.fail(from.errored)
    const output = await openOutput(connection, options)
    const back = reply.run(connection, { source: leg.stream, sourceLeg: leg, sink: output, lazy: true })
    const { sink, ended } = options.onEof === 'keep' ? keptOpen(leg, back) : { sink: leg.stream }
    const there = forward.run(connection, { source: from, sink, sinkLeg: leg })
    if (stopsAtPeerEnd(options, from)) back.then(forward.stop, () => {})
    const both = Promise.all([back, there]) // the first failure ends both
    both.catch(() => {})
    await Promise.race([ended ?? there, both])
    timer = boundWait(options, connection)
    await both
  } catch (error) {
    connection.fail(error)
  }
  const summary = await connection.finish()
  if (!from.readableEnded) from.destroy() // an idle terminal would keep the process alive
  clearTimeout(timer)
  signal?.removeEventListener('abort', abort)
  return summary
}

function openOutput(connection: OpenConnection, { output = process.stdout }: SendOptions): Sink | Promise<Sink> {
  if (isAddressInput(output)) return sinkTo(toAddress(output), connection.info('reply'), {})
  return sharedSink(toWritable(output))
}

/** Nobody need type an end after the peer's end. */
function stopsAtPeerEnd({ onPeerEnd }: SendOptions, from: Source): boolean {
  const isTerminal = 'isTTY' in from && from.isTTY === true
  return (onPeerEnd ?? (isTerminal ? 'stop' : 'send')) === 'stop'
}

function boundWait({ onEof, wait = 0 }: SendOptions, connection: OpenConnection): NodeJS.Timeout | undefined {
  if (onEof === 'close') return setTimeout(() => connection.drop(), lingerTime)
  const error = timeoutError('wait', `the peer did not end within ${formatDuration(wait)}`)
  return wait > 0 ? setTimeout(() => connection.fail(error), wait) : undefined
}

const kinds: Partial<Record<keyof SendOptions, ValueKind>> = {
  ...{ to: 'address', host: 'text', path: 'text', tls: 'clientTls', maxRecord: 'count' },
  ...{ wait: 'time', connectTimeout: 'time', handshakeTimeout: 'time', idleTimeout: 'time', maxDuration: 'time' },
  ...{ signal: 'signal', log: 'logger', observer: 'observer', onConnect: 'function' },
}

function checkSendOptions(options: SendOptions): void {
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
}

function isOneOf<T extends string>(value: T | undefined, allowed: readonly T[]): boolean {
  return value === undefined || allowed.includes(value)
}

function fault(name: string, value: unknown, allowed: string): never {
  throw new TcpPipeError('ERR_OPTION', `${name}: ${value} is not allowed; expected ${allowed}`)
}
