/** serve: each connection is socket → transforms → sink, and, if there is something to send, source → socket. */

import type { Socket } from 'node:net'
import type { Writable } from 'node:stream'
import type { Connection, OpenConnection } from './connection/connection.js'
import { type Address, type AddressInput, formatAddress, toAddress } from './endpoints/address.js'
import type { Sink } from './endpoints/endpoint.js'
import { isNodeWritable, toSink, toWritable } from './endpoints/sink.js'
import { type SourceInput, toSource } from './endpoints/source.js'
import { sharedSink } from './endpoints/stdio.js'
import { tcpSink } from './endpoints/tcp.js'
import { openTlsContexts, type TlsContexts, targetContext } from './endpoints/tls/contexts.js'
import type { ClientContext, ClientTls } from './endpoints/tls/secure-context.js'
import { isWebWritable, type WebWritable } from './formats/web.js'
import { type ListenOptions, listenAddress, withDefaults } from './server/listen-options.js'
import { openServer, type Server } from './server/server.js'
import { type ConnectionInfo, type Logger, openContext } from './stages/context.js'
import { partsOf } from './stages/parts.js'
import { checkFunction, type Transforms } from './stages/transforms.js'
import { TcpPipeError, timeoutError } from './text/errors.js'
import { checkTime } from './text/quantities.js'

/** A Writable or a Web `WritableStream` that all connections share and that is never ended, or an address. */
export type Output = Writable | WebWritable | AddressInput

/** An output, or a function that gives one to each connection; a stream from the function is ended with its connection. */
export type SinkInput = Output | ((info: ConnectionInfo) => Sink | Output | Promise<Sink | Output>)

export interface ServeOptions extends ListenOptions {
  /** Between the socket and the sink. Default: none. */
  transforms?: Transforms | undefined
  /** Where the result goes. Default: stdout. */
  to?: SinkInput | undefined
  /** TLS to the address `to`, which is `tls://…` then. Default: it is verified by the authorities that Node knows. */
  targetTls?: ClientTls | undefined
  /** Milliseconds for the address `to` to be reached; 0 is without limit. Default: 10 seconds. */
  connectTimeout?: number | undefined
  /** The result goes back to the client, instead of `to`. */
  reply?: boolean | undefined
  /** Gives what is sent to a client: a stream, an iterable, a Blob, bytes or a string, or a promise of one. */
  from?: ((info: ConnectionInfo) => SourceInput | Promise<SourceInput>) | undefined
  /** Between `from` and the socket. */
  replyTransforms?: Transforms | undefined
}

/** Takes the socket as a Duplex, nothing between. It is ended when the promise resolves, and reset when it rejects. */
export type Handler = (socket: Socket, context: { log: Logger; connection: Connection }) => unknown

/**
 * Listens, and resolves when it does.
 *
 * @throws `ERR_OPTION` or `ERR_ADDRESS` before anything is opened; the system's error if it cannot listen
 */
export async function serve(options: ServeOptions = {}, handler?: Handler): Promise<Server> {
  const address = listenAddress(options)
  checkServeOptions(options, handler)
  const { to, from } = options
  const target = isAddress(to) ? toAddress(to) : undefined
  const contexts = await openTlsContexts(address, target, options)
  const work = handler ? handling(handler, options) : piping(options, contexts)
  const descriptors = 1 + Number(target !== undefined || typeof to === 'function') + Number(from !== undefined)
  const about = target && { to: formatAddress(target) }
  return openServer(address, { ...withDefaults(options, descriptors, contexts), ...(about && { about }) }, work)
}

type Work = (connection: OpenConnection, socket: Socket) => Promise<void>

function piping(options: ServeOptions, contexts: TlsContexts): Work {
  const { transforms = () => [], replyTransforms = () => [], from, reply } = options
  const sinkFor = reply ? undefined : sinkFactory(options, contexts)
  return async (connection, socket) => {
    const info = connection.info('forward')
    const sink = sinkFor ? await sinkFor(info, connection) : socket
    const forward = connection.transfer(socket, () => partsOf(transforms(info)), sink, 'forward')
    const replyInfo = connection.info('reply')
    const replyParts = () => partsOf(replyTransforms(replyInfo))
    const back = async () => from && connection.transfer(toSource(await from(replyInfo)), replyParts, socket, 'reply')
    await Promise.all([forward, back()])
  }
}

function handling(handler: Handler, { halfClosedTimeout = 60_000 }: ServeOptions): Work {
  return async (connection, socket) => {
    const { context } = openContext({ log: connection.log })
    // `for await` destroys what it has read to its end, and the reply with it; here the promise says what comes then.
    Object.defineProperty(socket, Symbol.asyncIterator, { value: () => socket.iterator({ destroyOnReturn: false }) })
    let timer: NodeJS.Timeout | undefined
    const late = timeoutError('half-closed', `the handler has not ended ${halfClosedTimeout} ms after its socket`)
    const closed = () => {
      timer = setTimeout(connection.fail, halfClosedTimeout, late)
    }
    const over = () => {
      socket.off('close', closed)
      clearTimeout(timer)
    }
    if (halfClosedTimeout > 0) socket.once('close', closed)
    void connection.closed.then(over) // it may have failed for another reason
    try {
      await handler(socket, { log: context.log, connection })
    } finally {
      over()
    }
  }
}

type SinkFactory = (info: ConnectionInfo, connection: OpenConnection) => Sink | Promise<Sink>

function sinkFactory(options: ServeOptions, contexts: TlsContexts): SinkFactory {
  const { to = process.stdout } = options
  if (typeof to === 'function')
    return async (info, connection) => {
      const output = await to(info)
      if (!isAddress(output)) return toSink(output)
      const address = toAddress(output)
      return addressSink(address, options, connection, await targetContext(address, undefined))
    }
  if (!isAddress(to)) return () => sharedSink(toWritable(to, 'to'))
  const address = toAddress(to)
  return (_, connection) => addressSink(address, options, connection, contexts.target)
}

function addressSink(
  address: Address,
  { connectTimeout, handshakeTimeout }: ServeOptions,
  { failed }: OpenConnection,
  tls: ClientContext | undefined,
): Promise<Sink> {
  const abort = new AbortController()
  failed.catch(() => abort.abort()) // nobody waits for the target any more
  return tcpSink(address, { connectTimeout, handshakeTimeout, signal: abort.signal, tls })
}

function isAddress(to: SinkInput | undefined): to is AddressInput {
  return to !== undefined && typeof to !== 'function' && !isNodeWritable(to) && !isWebWritable(to)
}

function checkServeOptions(options: ServeOptions, handler: unknown): void {
  const { to, reply, from, replyTransforms, transforms, connectTimeout } = options
  for (const [name, value] of Object.entries({ transforms, replyTransforms, from })) checkFunction(name, value)
  if (handler && (to || reply || from || transforms))
    fault('a handler has the socket to itself; it goes with none of to, reply, from, transforms')
  if (to && reply) fault('to and reply exclude each other')
  if (reply && from) fault('reply and from exclude each other: both would write to the client')
  if (replyTransforms && !from) fault('replyTransforms needs from')
  if (isAddress(to)) toAddress(to)
  else if (to && typeof to !== 'function') toWritable(to, 'to')
  if (connectTimeout !== undefined && !isAddress(to) && typeof to !== 'function')
    fault('connectTimeout needs to: an address')
  checkTime('connectTimeout', connectTimeout)
}

function fault(message: string): never {
  throw new TcpPipeError('ERR_OPTION', message)
}
