/** What TLS does on each side, in words. */
import type { Command } from 'commander'
import type { Address } from '../lib/endpoints/address.js'
import { usesTls } from '../lib/endpoints/tls/contexts.js'
import { type Fact, originOf } from './plan.js'
import type { ServerTlsOptions } from './tls-options.js'

/** Of the side of the clients, if there is one, and of the side of the target. */
export function tlsFacts(command: Command, options: ServerTlsOptions, listen?: Address, target?: Address): Fact[] {
  const sides: Fact[] = []
  if (listen && usesTls(listen)) sides.push({ name: 'TLS with clients', ...listenerFact(command, options) })
  if (target && usesTls(target)) sides.push({ name: 'TLS with the target', ...targetFact(command, options) })
  return sides.length > 0 ? sides : [{ name: 'TLS', value: 'none', origin: originOf(command, 'tls') }]
}

function listenerFact(command: Command, { tls, cert, clientCa }: ServerTlsOptions): Omit<Fact, 'name'> {
  const identity = tls === 'auto' ? 'a generated certificate' : `the certificate of ${cert}`
  const clients = clientCa ? `clients need a certificate of ${clientCa}` : 'any client'
  return { value: `${identity}; ${clients}`, origin: originOf(command, 'cert', 'tls') }
}

function targetFact(command: Command, { insecure, pin, ca }: ServerTlsOptions): Omit<Fact, 'name'> {
  const trust = pin ? `pin ${pin}` : ca ? `the authorities of ${ca}` : "Node's authorities"
  const value = insecure ? 'not verified' : `verified by ${trust}`
  return { value, origin: originOf(command, 'insecure', 'pin', 'ca') }
}
