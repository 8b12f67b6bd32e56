/** What `explain proxy` shows. */
import type { Command } from 'commander'
import { formatAddress } from '../lib/endpoints/address.js'
import type { ProxyOptions, ProxyPlan } from '../lib/proxy.js'
import { defaultKeep } from '../lib/ui.js'
import { type Facts, originOf } from './plan.js'
import { proxyProtocolDefaults } from './proxy-protocol-options.js'
import { type ServerOptions, serverDefaults } from './server-options.js'
import { tlsFacts } from './tls-facts.js'

export function proxyFacts(
  command: Command,
  options: ServerOptions,
  { transforms, replyTransforms }: ProxyOptions,
  { address, to, limits }: ProxyPlan,
): Facts {
  const { maxRecord } = options
  return {
    endpoints: [
      { name: 'listen', value: formatAddress(address), origin: 'line' },
      { name: 'target', value: formatAddress(to), origin: 'line' },
      {
        name: 'end of input',
        value: 'an end of one side ends the other side; a failure resets both',
        origin: 'default',
      },
      ...tlsFacts(command, options, address, to),
    ],
    directions: [
      {
        ...{ name: 'forward', from: 'client', to: 'target', transforms, maxRecord },
        origin: originOf(command, 'transform', 'both'),
      },
      {
        ...{ name: 'reply', from: 'target', to: 'client', transforms: replyTransforms, maxRecord },
        origin: originOf(command, 'replyTransform', 'both'),
      },
    ],
    defaults: {
      ...serverDefaults(limits, address, to, 'tunnel'),
      ...(options.ui && defaultKeep),
      ...proxyProtocolDefaults(options),
    },
  }
}
