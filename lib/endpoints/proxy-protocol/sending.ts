/** Tells a target who the client is, by a header of the PROXY protocol. */
import { describe, TcpPipeError } from '../../text/errors.js'
import { optionName } from '../../text/option-name.js'
import { type Address, formatAddress, isOfSockets } from '../address.js'
import type { LocalAddress } from '../endpoint.js'
import { type ProxyVersion, proxyVersions, writeProxyHeader } from './header.js'

/** The client of a leg. */
export interface Client {
  readonly remote: string
  readonly port: number | undefined
  readonly local?: LocalAddress | undefined
}

/** The header that goes before everything else. */
export function preambleFor(version: ProxyVersion | undefined, client: Client): Buffer | undefined {
  if (!version) return undefined
  const { remote, port, local } = client
  const destination = local ?? { address: remote, port: undefined }
  return writeProxyHeader(version, { source: { address: remote, port }, destination })
}

/** Checks the option `sendProxyProtocol`. Throws `ERR_OPTION`. Undefined for a target that is not known yet. */
export function checkSending(version: unknown, target: Address | undefined): void {
  if (version === undefined) return
  if (!(proxyVersions as readonly unknown[]).includes(version))
    throw fault(
      `${typeof version === 'string' ? version : describe(version)} is not allowed; expected ${proxyVersions.join(' or ')}`,
    )
  if (target && !isOfSockets(target)) throw fault(`${formatAddress(target)} is not an address of sockets`)
}

function fault(why: string): TcpPipeError {
  return new TcpPipeError('ERR_OPTION', `${optionName('sendProxyProtocol')}: ${why}`)
}
