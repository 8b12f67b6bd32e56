/** proxy: client → transforms → target, and target → reply transforms → client. */

import { type Chain, type Ends, openChain } from './connection/chain.js'
import { type OpenConnection, whileOpen } from './connection/connection.js'
import { isTransfer, keptOpen } from './connection/linger.js'
import { type Address, type AddressInput, endpointFor, formatAddress, toAddress } from './endpoints/address.js'
import type { Leg } from './endpoints/endpoint.js'
import { dial, loadFor } from './endpoints/open.js'
import { checkOwnAddress } from './endpoints/own-address.js'
import type { ProxyVersion } from './endpoints/proxy-protocol/header.js'
import { checkSending, preambleFor } from './endpoints/proxy-protocol/sending.js'
import type { DialSession } from './endpoints/session/options.js'
import { openTlsContexts } from './endpoints/tls/contexts.js'
import type { ClientTls } from './endpoints/tls/secure-context.js'
import { type Limits, type ListenOptions, limitsOf, listenAddress, withDefaults } from './server/listen-options.js'
import { openServer, type Server, type Work } from './server/server.js'
import type { Stage } from './stages/stage.js'
import { checkFunction, type Stages, type Transforms } from './stages/transforms.js'
import { errorMessage, TcpPipeError } from './text/errors.js'
import { checkValues } from './text/values.js'

/** The options of `proxy`. */
export interface ProxyOptions<S = readonly Stage[], R = readonly Stage[]> extends ListenOptions {
  /** The address of the target: each client is connected to it. Required. */
  to: AddressInput
  /** The transforms from the client to the target. Default: none. */
  transforms?: Transforms<S> | undefined
  /** The transforms from the target to the client. Default: none. */
  replyTransforms?: Transforms<R> | undefined
  /** TLS options for a target `tls://…`. Default: verifies it with the authorities of Node.js. */
  targetTls?: ClientTls | undefined
  /** Milliseconds to wait for the connection to the target; 0 is no limit. Default: 10 seconds. */
  connectTimeout?: number | undefined
  /** Tells the target who the client is, by a header of the PROXY protocol before everything else. Default: no. */
  sendProxyProtocol?: ProxyVersion | undefined
}

/** A running proxy. */
export interface ProxyServer extends Server {
  /** The transforms from the client to the target. */
  readonly forward: Chain
  /** The transforms from the target to the client. */
  readonly reply: Chain
  /** Stops listening and resets the connections, as if the server were down. Resolves when both are complete. */
  disable(): Promise<void>
  /** Resumes listening on the same port. Rejects with the system error if another program uses the port. */
  enable(): Promise<void>
}

/**
 * Starts a proxy. Resolves when it listens. Connects to the target for each client, and resets the client if the
 * connection fails. Forwards a half-close. A failure on one side resets the other side.
 *
 * @throws `ERR_OPTION` or `ERR_ADDRESS` before anything is opened; the system error if it cannot listen
 */
export function proxy<A, B, C, D, E, F, G, H, I, J, K, L, M, N, O, P>(
  options: ProxyOptions<Stages<A, B, C, D, E, F, G, H>, Stages<I, J, K, L, M, N, O, P>>,
): Promise<ProxyServer>
export async function proxy(options: ProxyOptions): Promise<ProxyServer> {
  const { address, to } = await resolveProxy(options)
  const { transforms, replyTransforms, connectTimeout, handshakeTimeout, window, giveUpAfter, linkTimeout } = options
  const sessionOf = ({ log }: OpenConnection): DialSession => ({
    ...{ kind: 'tunnel', window, giveUpAfter, linkTimeout },
    onLost: error => log?.warn({ error: errorMessage(error) }, 'the connection is lost, connecting again'),
    onResumed: () => log?.info('connected again'),
  })
  const contexts = await openTlsContexts(address, to, options)
  await loadFor(to)
  const about = { to: formatAddress(to) }
  const forward = openChain('forward', transforms)
  const reply = openChain('reply', replyTransforms)

  const relay: Work = async (connection, client) => {
    const signal = whileOpen(connection)
    const alpn = protocolsFor(client, options)
    const session = sessionOf(connection)
    const preamble = preambleFor(options.sendProxyProtocol, client)
    const times = { connectTimeout, handshakeTimeout }
    const target = await dial(to, { ...times, signal, tls: contexts.target, alpn, session, preamble })
    connection.join(target, about.to)
    const there = forward.run(connection, between(client, target, 'client', 'target'))
    const back = between(target, client, 'target', 'client')
    const sink = isTransfer(client) ? keptOpen(client, there).sink : client.stream
    await Promise.all([there, reply.run(connection, { ...back, sink })])
  }

  const server = await openServer(address, { ...withDefaults(options, descriptors, contexts), about }, relay)
  return Object.assign(server, { forward: forward.chain, reply: reply.chain })
}

/** File descriptors per connection. */
const descriptors = 2

/** What a proxy does with its options: it listens at `address`, and connects each client to `to`. */
export interface ProxyPlan {
  readonly address: Address
  readonly to: Address
  readonly limits: Limits
}

/**
 * Checks the options and resolves them, as `proxy` does. Opens nothing.
 *
 * @throws `ERR_OPTION` or `ERR_ADDRESS`
 */
export async function resolveProxy(options: ProxyOptions): Promise<ProxyPlan> {
  const address = listenAddress(options)
  const to = dialAddress(options.to)
  const { transforms, replyTransforms } = options
  for (const [name, value] of Object.entries({ transforms, replyTransforms })) checkFunction(name, value)
  checkValues(options, { connectTimeout: 'time', targetTls: 'clientTls' })
  checkSending(options.sendProxyProtocol, to)
  await checkOwnAddress(address, to)
  return { address, to, limits: limitsOf(options, descriptors) }
}

/** The target must speak the protocol that the client was promised; one that has chosen none speaks none of them. */
function protocolsFor({ facts }: Leg, { tls }: ProxyOptions): readonly string[] | undefined {
  if (typeof tls !== 'object' || !tls.alpn) return undefined
  return facts.tls?.alpn === undefined ? [] : [facts.tls.alpn]
}

function between(sourceLeg: Leg, sinkLeg: Leg, source: string, sink: string): Ends {
  return { source: sourceLeg.stream, sink: sinkLeg.stream, sourceLeg, sinkLeg, names: { source, sink } }
}

function dialAddress(input: AddressInput | undefined): Address {
  if (input === undefined) throw new TcpPipeError('ERR_ADDRESS', 'proxy needs to: the address of the target')
  const address = toAddress(input)
  endpointFor('dial', address)
  if (!('port' in address) || address.port > 0) return address
  const text = formatAddress(address)
  throw new TcpPipeError('ERR_ADDRESS', `'${text}': port 0 cannot be dialled; expected a port from 1 to 65535`)
}
