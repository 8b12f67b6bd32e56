/** The options of the PROXY protocol: of the balancers in front of a server, and of the target behind it. */
import type { Option } from 'commander'
import { defaultTimes } from '../lib/endpoints/endpoint.js'
import type { ProxyProtocol } from '../lib/index.js'
import { TcpPipeError } from '../lib/text/errors.js'
import { readRules } from './access.js'
import { group } from './help.js'
import { choice, limit, repeatable } from './options.js'

export interface ProxyProtocolOptions {
  proxyProtocol?: string[]
  proxyProtocolTimeout?: number
  sendProxyProtocol?: 'v1' | 'v2'
}

export function proxyProtocolOptions(): Option[] {
  return group('Balancers (PROXY protocol):', [
    repeatable(
      '--proxy-protocol <rule>',
      "only these balancers connect, and name their clients: rules as for --allow, or 'unix'; may be repeated",
    ),
    limit('--proxy-protocol-timeout <time>', 'for the whole header of a balancer (default: 5s)'),
    choice('--send-proxy-protocol <version>', 'tell the target who the client is: v1 (text) or v2 (binary)', [
      'v1',
      'v2',
    ]),
  ])
}

/** Reads the rules and their files. Throws `ERR_OPTION`. */
export async function readProxyProtocol({
  proxyProtocol,
  proxyProtocolTimeout: timeout,
}: ProxyProtocolOptions): Promise<ProxyProtocol | undefined> {
  if (proxyProtocol) return { from: await readRules('--proxy-protocol', proxyProtocol), timeout }
  if (timeout !== undefined)
    throw new TcpPipeError('ERR_OPTION', '--proxy-protocol-timeout needs --proxy-protocol: the addresses of balancers')
  return undefined
}

/** The default of the timeout, where it has an effect. */
export function proxyProtocolDefaults({ proxyProtocol }: ProxyProtocolOptions) {
  return proxyProtocol && { proxyProtocolTimeout: defaultTimes.header }
}
