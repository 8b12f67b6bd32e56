/** TLS on both sides of a server. Imports all that a handshake needs before a server listens: a failed import stays failed. */

import { TcpPipeError } from '../../text/errors.js'
import type { Accept } from '../endpoint.js'
import type { ClientContext, ClientTls, ServerTls } from './secure-context.js'

/** Certificates, keys and authorities that replace the current ones. */
export interface SecureContexts {
  /** For connections from clients. */
  tls?: ServerTls | 'auto' | undefined
  /** For connections to the target. */
  targetTls?: ClientTls | undefined
}

/** The current TLS settings of both sides of a server. */
export interface TlsContexts {
  /** Runs the handshake with a client; undefined without TLS. */
  readonly accept: Accept | undefined
  /** The pin of the server certificate, which clients may check. */
  readonly pin: string | undefined
  /** The expiry date of the server certificate. */
  readonly validTo: Date | undefined
  /** The settings for the target; undefined without TLS. */
  readonly target: ClientContext | undefined
  /** Sets new contexts. Rejects with `ERR_OPTION` and changes nothing if one is invalid or its side has no TLS. */
  setSecureContext(next: SecureContexts): Promise<void>
}

/** The part of an address that matters here. */
interface Schemed {
  readonly scheme: string
  readonly tls?: boolean | undefined
}

/** Returns whether connections to the address use TLS. */
export function usesTls({ scheme, tls }: Schemed): boolean {
  return scheme === 'tls' || tls === true
}

/** Throws `ERR_OPTION`. */
export async function openTlsContexts(
  listen: Schemed,
  to: Schemed | undefined,
  { tls, targetTls }: { tls?: ServerTls | 'auto' | boolean | undefined; targetTls?: ClientTls | undefined },
): Promise<TlsContexts> {
  const own = lazy(async () => (await import('./self-signed.js')).selfSigned())
  let server = usesTls(listen) ? await openServerSide(tls, own) : undefined
  let target = await targetContext(to, targetTls)
  return {
    get accept() {
      return server?.accept
    },
    get pin() {
      return server?.pin
    },
    get validTo() {
      return server?.validTo
    },
    get target() {
      return target
    },
    async setSecureContext(next) {
      if (!next.tls && !next.targetTls) throw new TcpPipeError('ERR_OPTION', 'setSecureContext needs tls or targetTls')
      if (next.tls && !server) throw new TcpPipeError('ERR_OPTION', 'tls: the server listens without TLS')
      const nextServer = next.tls ? await openServerSide(next.tls, own) : server
      target = next.targetTls ? await targetContext(to, next.targetTls) : target
      server = nextServer
    },
  }
}

/** Returns the context for dialling the address, or undefined without TLS. Throws `ERR_OPTION`. */
export async function targetContext(
  to: Schemed | undefined,
  tls: ClientTls | undefined,
  name = 'targetTls',
): Promise<ClientContext | undefined> {
  if (!to || !usesTls(to)) {
    if (tls) throw new TcpPipeError('ERR_OPTION', `${name} needs an address with TLS to connect to, as tls://host:port`)
    return undefined
  }
  const { clientContext } = await tlsModules()
  return clientContext(tls ?? {})
}

async function openServerSide(
  tls: ServerTls | 'auto' | boolean | undefined,
  own: () => Promise<Identity>,
): Promise<{ accept: Accept; pin: string; validTo: Date }> {
  const { checkServerTls, serverContext, tlsAcceptor } = await tlsModules()
  const { auto = false, ...given } = tls === 'auto' ? { auto: true } : typeof tls === 'object' ? tls : {}
  if (auto) checkServerTls({ ...given, auto })
  const context = serverContext(auto ? { ...given, ...(await own()) } : given)
  const { pin, validTo } = context
  return { accept: tlsAcceptor(context), pin, validTo }
}

async function tlsModules() {
  const [contexts, handshake] = await Promise.all([import('./secure-context.js'), import('./handshake.js')])
  return { ...contexts, ...handshake }
}

type Identity = { cert: string; key: string }

/** Generates the certificate once, so that new options keep the pin. */
function lazy<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined
  return () => {
    made ??= make()
    return made
  }
}
