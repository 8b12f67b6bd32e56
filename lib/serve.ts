/** serve: each connection is leg → transforms → sink, and, with `from`, source → leg. */
import type { Writable } from 'node:stream'
import { type Chain, type OpenChain, openChain } from './connection/chain.js'
import { type OpenConnection, whileOpen } from './connection/connection.js'
import { isTransfer, keptOpen } from './connection/linger.js'
import {
  type Address,
  type AddressInput,
  formatAddress,
  isAddressInput,
  isTarget,
  toAddress,
} from './endpoints/address.js'
import type { Sink, SinkContext } from './endpoints/endpoint.js'
import { closeSpools, openFanOut, openSpools, type Spools } from './endpoints/fan-out/open.js'
import { type Also, type AlsoPlan, descriptorsOf, resolveAlso } from './endpoints/fan-out/options.js'
import { checkOutput, checkSink, loadFor, openSource, reachSink, sinkTo } from './endpoints/open.js'
import type { ProxyVersion } from './endpoints/proxy-protocol/header.js'
import { checkSending, preambleFor } from './endpoints/proxy-protocol/sending.js'
import { toSink, toWritable } from './endpoints/sink.js'
import type { SourceInput } from './endpoints/source.js'
import { sharedSink } from './endpoints/stdio.js'
import { openTlsContexts, type TlsContexts, targetContext } from './endpoints/tls/contexts.js'
import type { ClientContext, ClientTls } from './endpoints/tls/secure-context.js'
import type { WebWritable } from './formats/web.js'
import { type Handler, handling } from './server/handler.js'
import { type Limits, type ListenOptions, limitsOf, listenAddress, withDefaults } from './server/listen-options.js'
import { openServer, type Server, type Work } from './server/server.js'
import type { ConnectionInfo } from './stages/context.js'
import type { Stage } from './stages/stage.js'
import { checkFunction, type Stages, type Transforms } from './stages/transforms.js'
import { TcpPipeError } from './text/errors.js'
import { optionName } from './text/option-name.js'
import { needsName } from './text/template.js'
import { checkValues } from './text/values.js'

export type { Also } from './endpoints/fan-out/options.js'
export type { Handler } from './server/handler.js'
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
  /** Sinks beside `to`, which get the same bytes. Each says what happens when it is slow, and when it fails. */
  also?: readonly Also[] | undefined
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
  const { address, target, also, descriptors } = await resolveServe(options, handler)
  const { from, transforms, replyTransforms } = options
  const contexts = await openTlsContexts(address, target, options)
  for (const each of [target, ...also.map(({ to }) => to)]) {
    if (!each || !('scheme' in each)) continue
    await loadFor(each)
    await reachSink(each)
  }
  const spools = await openSpools(also, info => dialler(options, info), options.log)
  const aims = { target, also, spools, contexts }
  const forward = openChain('forward', transforms)
  const reply = openChain('reply', replyTransforms)

  const piping: Work = async (connection, leg) => {
    // A file keeps the data of a session over a restart. Stages do not, and further sinks do not.
    const isUnchanged = isTransfer(leg) && also.length === 0 && !forward.hasStages(connection)
    const session = isTransfer(leg) ? { session: leg.session, isUnchanged } : {}
    const sink = await openSinks(connection, { ...connection.info('forward'), ...session }, options, aims)
    const ends = { source: leg.stream, sourceLeg: leg, sink, names: { source: 'client', sink: nameOf(target) } }
    const there = forward.run(connection, { ...ends, lazy: true })
    if (!from) return there
    const back = async () => {
      const source = openSource(await from(connection.info('reply')))
      const own = options.onEof === 'keep' || isTransfer(leg) ? keptOpen(leg, there).sink : leg.stream
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
  const beside = () => closeSpools(spools)
  const settings = {
    ...withDefaults(options, descriptors, contexts),
    ...(about && { about }),
    beside,
    also: also.map(({ totals }) => totals),
  }
  const work = handler ? handling(handler, settings) : options.reply ? echo(forward) : piping
  const server = await openServer(address, settings, work).catch(error => beside().then(() => Promise.reject(error)))
  return Object.assign(server, { forward: forward.chain, reply: reply.chain })
}

const echoNames = { source: 'client', sink: 'client' }

/** Sends the result back. No async function, whose state would stay as long as the connection. */
function echo(forward: OpenChain): Work {
  return (connection, leg) => {
    const { stream } = leg
    const ends = { source: stream, sourceLeg: leg, sink: stream, sinkLeg: leg, names: echoNames }
    return forward.run(connection, { ...ends, lazy: true })
  }
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
  readonly also: readonly AlsoPlan[]
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
  const also = await resolveAlso(options.also, address, target)
  const own = 1 + Number(target !== undefined || typeof to === 'function') + Number(from !== undefined)
  const descriptors = own + descriptorsOf(also)
  return { address, target, also, descriptors, limits: limitsOf(options, descriptors) }
}

/** Where the data of a server go. */
interface Aims extends Pick<ServePlan, 'target' | 'also'> {
  readonly spools: Spools
  readonly contexts: TlsContexts
}

async function openSinks(
  connection: OpenConnection,
  from: ConnectionInfo & SinkContext,
  options: ServeOptions,
  aims: Aims,
): Promise<Sink> {
  const main = openSink(connection, from, options, aims)
  const { also, spools } = aims
  if (also.length === 0) return main
  const { id, log } = connection
  return openFanOut(main, also, { id, log, spools, signal: whileOpen(connection), open: dialler(options, from) })
}

async function openSink(
  connection: OpenConnection,
  from: ConnectionInfo & SinkContext,
  options: ServeOptions,
  { target, contexts }: Aims,
): Promise<Sink> {
  const { to = process.stdout } = options
  if (target) return addressSink(target, whileOpen(connection), from, options, contexts.target)
  if (typeof to !== 'function') return sharedSink(toWritable(to as Writable | WebWritable, 'to'))
  const output = await to(connection.info('forward'))
  if (!isAddressInput(output)) return toSink(output)
  const address = toAddress(output)
  return addressSink(address, whileOpen(connection), from, options, await targetContext(address, undefined))
}

/** Opens further sinks: with the TLS defaults of Node.js, and without a header that is for the target. */
function dialler(options: ServeOptions, from: SinkContext) {
  const own = { ...options, sendProxyProtocol: undefined }
  return async (address: Address, signal: AbortSignal) =>
    addressSink(address, signal, from, own, await targetContext(address, undefined))
}

function addressSink(
  address: Address,
  signal: AbortSignal,
  from: SinkContext,
  { connectTimeout, handshakeTimeout, window, giveUpAfter, linkTimeout, sendProxyProtocol }: ServeOptions,
  tls: ClientContext | undefined,
): Promise<Sink> {
  const session = { name: from.name, window, giveUpAfter, linkTimeout } // of an address of sessions
  const preamble = preambleFor(sendProxyProtocol, from)
  return sinkTo(address, from, { connectTimeout, handshakeTimeout, signal, tls, session, preamble })
}

function ignore(): void {}

function checkServeOptions(options: ServeOptions, handler: unknown): void {
  const { to, also, reply, from, replyTransforms, transforms, connectTimeout, sendProxyProtocol } = options
  checkValues(options, { reply: 'flag', connectTimeout: 'time', targetTls: 'clientTls' })
  checkValues({ handler }, { handler: 'function' })
  for (const [name, value] of Object.entries({ transforms, replyTransforms, from })) checkFunction(name, value)
  if (handler && (to !== undefined || also || reply || from || transforms))
    fault('a handler has the connection to itself; it goes with none of to, also, reply, from, transforms')
  if (to !== undefined && reply) fault('to and reply exclude each other')
  if (also !== undefined && reply) fault('also and reply exclude each other: a client is no sink beside others')
  if (reply && from) fault('reply and from exclude each other: both would write to the client')
  if (replyTransforms && !from) fault('replyTransforms needs from')
  checkEnds(options)
  if (isAddressInput(to)) checkSink(toAddress(to))
  else if (to !== undefined && typeof to !== 'function') toWritable(to, 'to')
  checkSending(sendProxyProtocol, isAddressInput(to) ? toAddress(to) : undefined)
  const mayDial = isAddressInput(to) || typeof to === 'function'
  if (sendProxyProtocol !== undefined && !mayDial) fault('sendProxyProtocol needs to: an address')
  const dials = mayDial || also?.some(each => isAddressInput(each?.to))
  if (connectTimeout !== undefined && !dials) fault('connectTimeout needs to: an address')
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
