/** Two TLS sockets that are connected to each other, and the sockets below. */
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { Test } from 'tap'
import type { EndNotice, HandshakeOptions, SecureSocket } from '../../lib/endpoints/endpoint.js'
import { sizedStarts } from '../../lib/endpoints/tls/first-bytes.js'
import { tlsAcceptor, tlsConnect } from '../../lib/endpoints/tls/handshake.js'
import { type ClientTls, clientContext, type ServerTls, serverContext } from '../../lib/endpoints/tls/secure-context.js'
import { selfSigned } from '../../lib/endpoints/tls/self-signed.js'
import type { TlsFacts } from '../../lib/stats/tls-facts.js'
import { socketPair } from './network.js'

/** A certificate for localhost and its key. */
export const identity = await selfSigned()

/** Another one. */
export const stranger = await selfSigned()

export interface TlsOptions {
  server?: Partial<ServerTls>
  client?: ClientTls
  /** The newest one that the client speaks. */
  version?: 'TLSv1.2' | 'TLSv1.3'
  handshake?: HandshakeOptions & { alpn?: readonly string[] }
  /** How many connections begin before their first bytes. */
  early?: number
}

/** Both sides of a handshake; a side that fails is a rejection. */
export async function handshakes(t: Test, options: TlsOptions = {}, sockets = socketPair(t)) {
  const [serverRaw, clientRaw] = await sockets
  const [accepted, connected] = begin(serverRaw, clientRaw, options)
  const facts: { server?: TlsFacts; client?: TlsFacts } = {}
  const notices: { server?: EndNotice; client?: EndNotice } = {}
  const socketOf = async (side: 'server' | 'client', shaken: Promise<SecureSocket>) => {
    const secure = await shaken
    facts[side] = secure.facts
    notices[side] = secure.endNotice
    return secure.socket as TLSSocket
  }
  const [server, client] = await Promise.allSettled([socketOf('server', accepted), socketOf('client', connected)])
  return { serverRaw, clientRaw, server, client, facts, notices }
}

function begin(
  serverRaw: Socket,
  clientRaw: Socket,
  { server, client = { ca: identity.cert }, version = 'TLSv1.3', handshake, early }: TlsOptions,
): [Promise<SecureSocket>, Promise<SecureSocket>] {
  const context = serverContext({ ...identity, ...server })
  const newest = { ...context, options: { ...context.options, maxVersion: version } }
  const accept = tlsAcceptor(newest, sizedStarts(early))
  const connected = tlsConnect(clientRaw, 'tls://127.0.0.1:1', '127.0.0.1', clientContext(client), handshake)
  return [accept(serverRaw, handshake), connected]
}

/** The same, when both must succeed. */
export async function tlsPair(t: Test, options?: TlsOptions, sockets = socketPair(t)) {
  const { server, client, ...raw } = await handshakes(t, options, sockets)
  if (server.status === 'rejected') throw server.reason
  if (client.status === 'rejected') throw client.reason
  return { ...raw, server: server.value, client: client.value }
}

/** With a hop between the two: `cut` closes the server's connection there, without a word of TLS. */
export async function tlsPairWithHop(t: Test, options?: TlsOptions) {
  const [serverRaw, near] = await socketPair(t)
  const [far, clientRaw] = await socketPair(t)
  near.pipe(far, { end: false }).pipe(near, { end: false })
  const pair = await tlsPair(t, options, Promise.resolve([serverRaw, clientRaw]))
  return { ...pair, cut: () => near.end() }
}
