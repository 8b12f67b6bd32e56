/** proxy: client → transforms → target, and target → reply transforms → client. */

import { type Chain, type Ends, openChain } from './connection/chain.js'
import { whileOpen } from './connection/connection.js'
import { type Address, type AddressInput, endpointFor, formatAddress, toAddress } from './endpoints/address.js'
import type { Leg } from './endpoints/endpoint.js'
import { dial } from './endpoints/open.js'
import { checkOwnAddress } from './endpoints/own-address.js'
import { openTlsContexts } from './endpoints/tls/contexts.js'
import type { ClientTls } from './endpoints/tls/secure-context.js'
import { type ListenOptions, listenAddress, withDefaults } from './server/listen-options.js'
import { openServer, type Server, type Work } from './server/server.js'
import type { Stage } from './stages/stage.js'
import { checkFunction, type Stages, type Transforms } from './stages/transforms.js'
import { TcpPipeError } from './text/errors.js'
import { checkTime } from './text/quantities.js'

export interface ProxyOptions<S = readonly Stage[], R = readonly Stage[]> extends ListenOptions {
  /** The server that each client is connected to. */
  to: AddressInput
  /** From the client to the target. Default: none. */
  transforms?: Transforms<S> | undefined
  /** From the target to the client. Default: none. */
  replyTransforms?: Transforms<R> | undefined
  /** TLS to the target, whose address is `tls://…` then. Default: it is verified by the authorities that Node knows. */
  targetTls?: ClientTls | undefined
  /** Milliseconds for the target to be reached; 0 is without limit. Default: 10 seconds. */
  connectTimeout?: number | undefined
}

/** A proxy that is running. */
export interface ProxyServer extends Server {
  /** The transforms from the client to the target. */
  readonly forward: Chain
  /** The transforms from the target to the client. */
  readonly reply: Chain
  /** Stops listening and resets the connections, as if the server were down. Resolves when that is done. */
  disable(): Promise<void>
  /** Listens again on the same port; rejects with the system's error if that is somebody else's by then. */
  enable(): Promise<void>
}

/**
 * Listens, and resolves when it does. The target is dialled when a client has come; if it cannot be reached, the client
 * is reset. A half-close is passed on, a failure on one side resets the other.
 *
 * @throws `ERR_OPTION` or `ERR_ADDRESS` before anything is opened; the system's error if it cannot listen
 */
export function proxy<A, B, C, D, E, F, G, H, I, J, K, L, M, N, O, P>(
  options: ProxyOptions<Stages<A, B, C, D, E, F, G, H>, Stages<I, J, K, L, M, N, O, P>>,
): Promise<ProxyServer>
export async function proxy(options: ProxyOptions): Promise<ProxyServer> {
  const { to: target, transforms, replyTransforms, connectTimeout, handshakeTimeout } = options
  const address = listenAddress(options)
  const to = dialAddress(target)
  for (const [name, value] of Object.entries({ transforms, replyTransforms })) checkFunction(name, value)
  checkTime('connectTimeout', connectTimeout)
  const contexts = await openTlsContexts(address, to, options)
  await checkOwnAddress(address, to)
  const about = { to: formatAddress(to) }
  const forward = openChain('forward', transforms)
  const reply = openChain('reply', replyTransforms)

  const relay: Work = async (connection, client) => {
    const signal = whileOpen(connection)
    const target = await dial(to, { connectTimeout, handshakeTimeout, signal, tls: contexts.target })
    connection.join(target, about.to)
    const [there, back] = [between(client, target), between(target, client)]
    await Promise.all([forward.run(connection, there), reply.run(connection, back)])
  }

  const server = await openServer(address, { ...withDefaults(options, 2, contexts), about }, relay)
  return Object.assign(server, { forward: forward.chain, reply: reply.chain })
}

function between(sourceLeg: Leg, sinkLeg: Leg): Ends {
  return { source: sourceLeg.stream, sink: sinkLeg.stream, sourceLeg, sinkLeg }
}

function dialAddress(input: AddressInput | undefined): Address {
  if (input === undefined) throw new TcpPipeError('ERR_ADDRESS', 'proxy needs to: the address of the target')
  const address = toAddress(input)
  endpointFor('dial', address)
  if (!('port' in address) || address.port > 0) return address
  const text = formatAddress(address)
  throw new TcpPipeError('ERR_ADDRESS', `'${text}': port 0 cannot be dialled; expected a port from 1 to 65535`)
}
