/** serve: each connection is leg → transforms → sink, and, with `from`, source → leg. */
import type { Duplex, Writable } from 'node:stream'
import { type Chain, openChain } from './connection/chain.js'
import { type Connection, type OpenConnection, whileOpen } from './connection/connection.js'
import { isTransfer, keptOpen } from './connection/linger.js'
import type { Timeouts } from './connection/timeouts.js'
import {
  type Address,
  type AddressInput,
  formatAddress,
  isAddressInput,
  isTarget,
  toAddress,
} from './endpoints/address.js'
import type { Leg, Sink, SinkContext } from './endpoints/endpoint.js'
import { checkOutput, checkSink, loadFor, openSource, reachSink, sinkTo } from './endpoints/open.js'
import type { ProxyVersion } from './endpoints/proxy-protocol/header.js'
import { checkSending, preambleFor } from './endpoints/proxy-protocol/sending.js'
import { toSink, toWritable } from './endpoints/sink.js'
import type { SourceInput } from './endpoints/source.js'
import { sharedSink } from './endpoints/stdio.js'
import { openTlsContexts, type TlsContexts, targetContext } from './endpoints/tls/contexts.js'
import type { ClientContext, ClientTls } from './endpoints/tls/secure-context.js'
import type { WebWritable } from './formats/web.js'
import { type Limits, type ListenOptions, limitsOf, listenAddress, withDefaults } from './server/listen-options.js'
import { openServer, type Server, type Work } from './server/server.js'
import { type ConnectionInfo, type Logger, openContext } from './stages/context.js'
import type { Stage } from './stages/stage.js'
import { checkFunction, type Stages, type Transforms } from './stages/transforms.js'
import { TcpPipeError, timeoutError } from './text/errors.js'
import { optionName } from './text/option-name.js'
import { needsName } from './text/template.js'
import { checkValues } from './text/values.js'

export type { Limits } from './server/listen-options.js'

/** A Writable or a Web `WritableStream`, which all connections share and which is never ended, or an address. */
export type Output = Writable | WebWritable | AddressInput

/** An output, or a function that returns one for each connection. Its streams end with their connection. */
export type SinkInput = Output | ((info: ConnectionInfo) => Sink | Output | Promise<Sink | Output>)

/** The options of `serve`. */
export interface ServeOptions<S = readonly Stage[], R = readonly Stage[]> extends ListenOptions {
  /** The transforms from the client to the sink. Default: none. */
  transforms?: Transforms<S> | undefined
  /** The destination of the result. Default: stdout. */
  to?: SinkInput | undefined
  /** TLS options for an address `to` of the form `tls://…`. Default: verifies it with the authorities of Node.js. */
  targetTls?: ClientTls | undefined
  /** Milliseconds to wait for the connection to the address `to`; 0 is no limit. Default: 10 seconds. */
  connectTimeout?: number | undefined
  /** Tells the address `to` who the client is, by a header of the PROXY protocol before everything else. Default: no. */
  sendProxyProtocol?: ProxyVersion | undefined
  /** Sends the result back to the client instead of `to`. Default: false. */
  reply?: boolean | undefined
  /** Returns the data for a client: a stream, an iterable, a Blob, bytes, a string, an address, or a promise of one. */
  from?: ((info: ConnectionInfo) => SourceInput | Address | Promise<SourceInput | Address>) | undefined
  /** The transforms from `from` to the client. Default: none. */
  replyTransforms?: Transforms<R> | undefined
  /** After `from` ends: `half-close` ends our side, `keep` ends it after the client's. Default: `half-close`. */
  onEof?: 'half-close' | 'keep' | undefined
  /** After the client ends: `send` sends the rest of `from`, `stop` does not. Default: `send`. */
  onPeerEnd?: 'send' | 'stop' | undefined
}

/** A running server. With a handler, `transforms` and `replyTransforms` have no effect. */
export interface PipeServer extends Server {
  /** The transforms from the client to the sink. */
  readonly forward: Chain
  /** The transforms from the source to the client. */
  readonly reply: Chain
}

/** Receives the raw stream of the client. The stream ends when the promise resolves, and is reset when it rejects. */
export type Handler = (stream: Duplex, context: { log: Logger; connection: Connection }) => unknown

/**
 * Starts a server. Resolves when it listens.
 *
 * @throws `ERR_OPTION` or `ERR_ADDRESS` before anything is opened; the system error if it cannot listen
 */
export function serve<A, B, C, D, E, F, G, H, I, J, K, L, M, N, O, P>(
  options?: ServeOptions<Stages<A, B, C, D, E, F, G, H>, Stages<I, J, K, L, M, N, O, P>>,
  handler?: Handler,
): Promise<PipeServer>
export async function serve(options: ServeOptions = {}, handler?: Handler): Promise<PipeServer> {
  const { address, target, descriptors } = await resolveServe(options, handler)
  const { from, transforms, replyTransforms } = options
  const contexts = await openTlsContexts(address, target, options)
  await loadFor(target)
  await reachSink(target)
  const forward = openChain('forward', transforms)
  const reply = openChain('reply', replyTransforms)

  const piping: Work = async (connection, leg) => {
    const { stream } = leg
    const arrival = { ...connection.info('forward'), ...sessionOf(leg, () => !forward.hasStages(connection)) }
    const sink = options.reply ? undefined : await openSink(connection, arrival, options, target, contexts)
    const names = { source: 'client', sink: options.reply ? 'client' : nameOf(target) }
    const ends = { ...(sink ? { sink } : { sink: stream, sinkLeg: leg }), names }
    const there = forward.run(connection, { source: stream, sourceLeg: leg, ...ends, lazy: true })
    const back = async () => {
      if (!from) return
      const source = openSource(await from(connection.info('reply')))
      const own = options.onEof === 'keep' || isTransfer(leg) ? keptOpen(leg, there).sink : stream
      const done = reply.run(connection, {
        source,
        sink: own,
        sinkLeg: leg,
        names: { source: 'source', sink: 'client' },
      })
      if (options.onPeerEnd === 'stop') there.then(() => reply.stop(connection), ignore)
      await done
    }
    await Promise.all([there, back()])
  }

  const about = target && isTarget(target) && { to: formatAddress(target) }
  const settings = { ...withDefaults(options, descriptors, contexts), ...(about && { about }) }
  const server = await openServer(address, settings, handler ? handling(handler, settings) : piping)
  return Object.assign(server, { forward: forward.chain, reply: reply.chain })
}

/** What a file needs to know of a session to keep its data. */
function sessionOf(leg: Leg, isUnchanged: () => boolean): Pick<SinkContext, 'session' | 'isUnchanged'> {
  return isTransfer(leg) ? { session: leg.session, isUnchanged: isUnchanged() } : {}
}

/** What the figures call the sink. */
function nameOf(target: Address | undefined): string {
  if (!target) return 'sink'
  return target.scheme === 'file' ? 'file' : 'target'
}

/** What a server does with its options: it listens at `address`, and sends what it receives to `target`, if any. */
export interface ServePlan {
  readonly address: Address
  readonly target: Address | undefined
  /** File descriptors per connection. */
  readonly descriptors: number
  readonly limits: Limits
}

/**
 * Checks the options and resolves them, as `serve` does. Opens nothing.
 *
 * @throws `ERR_OPTION` or `ERR_ADDRESS`
 */
export async function resolveServe(options: ServeOptions, handler?: Handler): Promise<ServePlan> {
  const address = listenAddress(options)
  checkServeOptions(options, handler)
  const { to, from } = options
  const target = isAddressInput(to) ? toAddress(to) : undefined
  if (target?.scheme === 'file' && needsName(target.path) && address.scheme !== 'reliable')
    fault(`'${target.path}': {name} needs ${optionName('reliable')}: other senders give no name`)
  if (target?.scheme === 'file' && target.append && address.scheme === 'reliable')
    fault(
      `${optionName('append')} and ${optionName('reliable')} exclude each other: what is sent again would be there twice`,
    )
  if (target) await checkOutput(target)
  const descriptors = 1 + Number(target !== undefined || typeof to === 'function') + Number(from !== undefined)
  return { address, target, descriptors, limits: limitsOf(options, descriptors) }
}

function handling(handler: Handler, { idleTimeout, halfClosedTimeout = idleTimeout }: Timeouts): Work {
  return async (connection, { stream }) => {
    const { context } = openContext({ log: connection.log, connection: connection.info('forward') })
    // `for await` destroys a stream after its end, and the reply with it. Here the promise decides what follows.
    Object.defineProperty(stream, Symbol.asyncIterator, { value: () => stream.iterator({ destroyOnReturn: false }) })
    let timer: NodeJS.Timeout | undefined
    const late = timeoutError('half-closed', `the handler has not ended ${halfClosedTimeout} ms after its connection`)
    const closed = () => {
      timer = setTimeout(() => connection.fail(late), halfClosedTimeout)
    }
    const over = () => {
      stream.off('close', closed)
      clearTimeout(timer)
    }
    if (halfClosedTimeout > 0) stream.once('close', closed)
    void connection.closed.then(over) // it may fail for another reason
    try {
      await handler(stream, { log: context.log, connection })
    } finally {
      over()
    }
  }
}

async function openSink(
  connection: OpenConnection,
  from: ConnectionInfo & SinkContext,
  options: ServeOptions,
  target: Address | undefined,
  contexts: TlsContexts,
): Promise<Sink> {
  const { to = process.stdout } = options
  if (target) return addressSink(target, connection, from, options, contexts.target)
  if (typeof to !== 'function') return sharedSink(toWritable(to as Writable | WebWritable, 'to'))
  const output = await to(connection.info('forward'))
  if (!isAddressInput(output)) return toSink(output)
  const address = toAddress(output)
  return addressSink(address, connection, from, options, await targetContext(address, undefined))
}

function addressSink(
  address: Address,
  connection: OpenConnection,
  from: ConnectionInfo & SinkContext,
  { connectTimeout, handshakeTimeout, window, giveUpAfter, linkTimeout, sendProxyProtocol }: ServeOptions,
  tls: ClientContext | undefined,
): Promise<Sink> {
  const signal = whileOpen(connection)
  const session = { name: from.name, window, giveUpAfter, linkTimeout } // of an address of sessions
  const preamble = preambleFor(sendProxyProtocol, from)
  return sinkTo(address, from, { connectTimeout, handshakeTimeout, signal, tls, session, preamble })
}

function ignore(): void {}

function checkServeOptions(options: ServeOptions, handler: unknown): void {
  const { to, reply, from, replyTransforms, transforms, connectTimeout, sendProxyProtocol } = options
  checkValues(options, { reply: 'flag', connectTimeout: 'time', targetTls: 'clientTls' })
  checkValues({ handler }, { handler: 'function' })
  for (const [name, value] of Object.entries({ transforms, replyTransforms, from })) checkFunction(name, value)
  if (handler && (to !== undefined || reply || from || transforms))
    fault('a handler has the connection to itself; it goes with none of to, reply, from, transforms')
  if (to !== undefined && reply) fault('to and reply exclude each other')
  if (reply && from) fault('reply and from exclude each other: both would write to the client')
  if (replyTransforms && !from) fault('replyTransforms needs from')
  checkEnds(options)
  if (isAddressInput(to)) checkSink(toAddress(to))
  else if (to !== undefined && typeof to !== 'function') toWritable(to, 'to')
  checkSending(sendProxyProtocol, isAddressInput(to) ? toAddress(to) : undefined)
  const ofTarget = Object.entries({ connectTimeout, sendProxyProtocol }).find(([, value]) => value !== undefined)
  if (ofTarget && !isAddressInput(to) && typeof to !== 'function') fault(`${ofTarget[0]} needs to: an address`)
}

function checkEnds({ from, onEof, onPeerEnd }: ServeOptions): void {
  for (const [name, value, allowed] of [
    ['onEof', onEof, ['half-close', 'keep']],
    ['onPeerEnd', onPeerEnd, ['send', 'stop']],
  ] as const) {
    if (value === undefined) continue
    if (!(allowed as readonly string[]).includes(value))
      fault(`${name}: ${value} is not allowed; expected ${allowed.join(' or ')}`)
    if (!from) fault(`${name} needs from: it concerns the data for the client`)
  }
}

function fault(message: string): never {
  throw new TcpPipeError('ERR_OPTION', message)
}
