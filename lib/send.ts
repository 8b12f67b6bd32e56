/** send: source → transforms → socket, and socket → reply transforms → sink. */

import { setMaxListeners } from 'node:events'
import type { Socket } from 'node:net'
import type { Writable } from 'node:stream'
import { lingerTime, type OpenConnection, openConnection } from './connection/connection.js'
import {
  type Address,
  type AddressInput,
  defaultPort,
  formatAddress,
  type TcpAddress,
  toAddress,
  withTls,
} from './endpoints/address.js'
import type { Source } from './endpoints/endpoint.js'
import { toWritable } from './endpoints/sink.js'
import { type SourceInput, toSource } from './endpoints/source.js'
import { sharedSink, stdinSource } from './endpoints/stdio.js'
import { dial } from './endpoints/tcp.js'
import { targetContext } from './endpoints/tls/contexts.js'
import type { ClientContext, ClientTls } from './endpoints/tls/secure-context.js'
import type { WebWritable } from './formats/web.js'
import { checkMisplaced } from './server/listen-options.js'
import type { ConnectionInfo, Logger } from './stages/context.js'
import { partsOf } from './stages/parts.js'
import { checkFunction, type Transforms } from './stages/transforms.js'
import type { Summary } from './stats/summary.js'
import { abortError, errorMessage, TcpPipeError, timeoutError } from './text/errors.js'
import { checkTime, formatDuration } from './text/quantities.js'

export interface SendOptions {
  /** Default: 127.0.0.1. */
  host?: string | undefined
  /** Default: 3099. */
  port?: number | undefined
  /** The path of a unix socket, instead of host and port. */
  path?: string | undefined
  /** An address, instead of host and port. */
  to?: AddressInput | undefined
  /** Speaks TLS: `true` verifies the server by the authorities that Node knows. Default: if the address is `tls://…`. */
  tls?: ClientTls | boolean | undefined
  /** What is sent: a stream, an iterable, a Blob, bytes or a string, which is the data itself. Default: stdin. */
  from?: SourceInput | undefined
  /** Where the reply goes, a Writable or a Web `WritableStream`; it is not ended. Default: stdout. */
  output?: Writable | WebWritable | undefined
  transforms?: Transforms | undefined
  replyTransforms?: Transforms | undefined
  /** The source address, with port 0 if any will do. */
  bind?: AddressInput | undefined
  /** The address family, of a name that has both. Default: whichever answers first. */
  family?: 4 | 6 | undefined
  /** Milliseconds for each attempt to connect; 0 is without limit. Default: 10 seconds. */
  connectTimeout?: number | undefined
  /** Milliseconds for a TLS handshake; 0 is without limit. Default: 10 seconds. */
  handshakeTimeout?: number | undefined
  /** Milliseconds without a byte in either direction; 0 is never. Default: 0. */
  idleTimeout?: number | undefined
  /** Milliseconds that the connection may last; 0 is without limit. Default: 0. */
  maxDuration?: number | undefined
  /** Further attempts to connect, with jittered backoff. Default: 0. */
  retry?: number | undefined
  /** At the end of the source: end our side and wait for the peer's end, or close. Default: half-close. */
  onEof?: 'half-close' | 'close' | undefined
  /** Milliseconds to wait for the peer's end once we have ended; 0 is without limit. Default: 0. */
  wait?: number | undefined
  maxRecord?: number | undefined
  signal?: AbortSignal | undefined
  /** A pino logger. Default: silent. */
  log?: Logger | undefined
  /** Called when the connection stands. */
  onConnect?: ((info: ConnectionInfo) => void) | undefined
}

/**
 * Connects, sends, takes the reply, and resolves with the summary when both sides have ended.
 *
 * @throws `ERR_OPTION` or `ERR_ADDRESS` before anything is opened; whatever ended the connection otherwise
 */
export async function send(given: SendOptions = {}): Promise<Summary> {
  const { host, port = defaultPort, path, tls, signal } = given
  const plain = toAddress(given.to ?? (path === undefined ? { host, port } : { path }))
  const address = tls ? withTls(plain) : plain
  checkSendOptions(given)
  const options = withStreams(given)
  options.from?.on('error', () => {}) // it is told when the connection stands, or its own error is the one to tell
  const context = await targetContext(address, typeof tls === 'object' ? tls : undefined, 'tls')
  if (signal?.aborted) {
    options.from?.destroy()
    throw abortError(signal)
  }
  if (signal) setMaxListeners(0, signal) // as many transfers as its user likes
  const socket = await dialFor(options, address, context)
  const summary = await exchange(socket, options)
  if (summary.error) throw Object.assign(summary.error, { summary })
  return summary
}

interface StreamOptions extends SendOptions {
  from?: Source | undefined
  output?: Writable | undefined
}

function withStreams(options: SendOptions): StreamOptions {
  const { from, output } = options
  return {
    ...options,
    output: output === undefined ? undefined : toWritable(output),
    from: from === undefined ? undefined : toSource(from),
  }
}

async function dialFor(options: StreamOptions, address: Address, tls: ClientContext | undefined): Promise<Socket> {
  const { log, from } = options
  return dial(address, {
    ...options,
    tls,
    bind: options.bind === undefined ? undefined : (toAddress(options.bind) as TcpAddress),
    onRetry: (error, wait) => log?.warn({ error: errorMessage(error), wait }, 'not connected, trying again'),
  }).catch(error => {
    from?.destroy()
    throw from?.errored ?? error
  })
}

async function exchange(socket: Socket, options: StreamOptions): Promise<Summary> {
  const { transforms = () => [], replyTransforms = () => [], signal } = options
  const { from = stdinSource(), output = process.stdout } = options
  const { log, maxRecord, idleTimeout = 0, maxDuration } = options
  const connection = openConnection(socket, { log, maxRecord, idleTimeout, maxDuration })
  const abort = () => connection.fail(abortError(signal as AbortSignal))
  signal?.addEventListener('abort', abort, { once: true })
  const forwardInfo = connection.info('forward')
  const replyInfo = connection.info('reply')
  options.onConnect?.(forwardInfo)
  if (from.errored) connection.fail(from.errored)
  let timer: NodeJS.Timeout | undefined
  try {
    const back = connection.transfer(socket, () => partsOf(replyTransforms(replyInfo)), sharedSink(output), 'reply')
    const forward = connection.transfer(from, () => partsOf(transforms(forwardInfo)), socket, 'forward')
    for (const each of [back, forward]) each.catch(() => {}) // the first one to fail ends both
    await Promise.race([forward, back.then(() => (isTerminal(from) ? undefined : forward))])
    timer = boundWait(options, connection)
    await back
    if (!isTerminal(from)) await forward
  } catch (error) {
    connection.fail(error)
  }
  const summary = await connection.finish()
  if (!from.readableEnded) from.destroy() // an idle terminal would keep the process alive
  clearTimeout(timer)
  signal?.removeEventListener('abort', abort)
  return summary
}

/** At the peer's end nobody waits for what is typed. */
function isTerminal(from: Source): boolean {
  return 'isTTY' in from && from.isTTY === true
}

function boundWait({ onEof, wait = 0 }: SendOptions, connection: OpenConnection): NodeJS.Timeout | undefined {
  if (onEof === 'close') return setTimeout(connection.close, lingerTime)
  const error = timeoutError('wait', `the peer did not end within ${formatDuration(wait)}`)
  return wait > 0 ? setTimeout(connection.fail, wait, error) : undefined
}

function checkSendOptions(options: SendOptions): void {
  const { transforms, replyTransforms, onEof, family, retry, bind } = options
  const { wait, connectTimeout, handshakeTimeout, idleTimeout, maxDuration } = options
  checkMisplaced(options, 'tls')
  for (const [name, value] of Object.entries({ transforms, replyTransforms })) checkFunction(name, value)
  for (const [name, value] of Object.entries({ wait, connectTimeout, handshakeTimeout, idleTimeout, maxDuration }))
    checkTime(name, value)
  if (bind !== undefined && 'path' in toAddress(bind))
    fault('bind', formatAddress(toAddress(bind)), 'an address of this host')
  if (onEof !== undefined && onEof !== 'half-close' && onEof !== 'close') fault('onEof', onEof, 'half-close or close')
  if (family !== undefined && family !== 4 && family !== 6) fault('family', family, '4 or 6')
  if (retry !== undefined && !(Number.isInteger(retry) && retry >= 0)) fault('retry', retry, 'a whole number from 0')
}

function fault(name: string, value: unknown, allowed: string): never {
  throw new TcpPipeError('ERR_OPTION', `${name}: ${value} is not allowed; expected ${allowed}`)
}
