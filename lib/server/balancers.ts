/** The balancers in front of a server: who is believed, and for how long a header of the PROXY protocol is awaited. */
import { type Address, formatAddress, isOfSockets } from '../endpoints/address.js'
import { type Balancers, defaultTimes } from '../endpoints/endpoint.js'
import { parseIp } from '../endpoints/ip.js'
import { describe, TcpPipeError } from '../text/errors.js'
import { optionName } from '../text/option-name.js'
import { checkTime } from '../text/quantities.js'
import { checkValues } from '../text/values.js'
import { listCheck } from './access.js'

/** The balancers that say who their clients are, by the PROXY protocol, version 1 or 2. */
export interface ProxyProtocol {
  /**
   * The addresses of the balancers: rules as in `allow`, or `unix` for the clients of a unix socket. They must send a
   * header; all others are refused.
   */
  readonly from: readonly string[]
  /** Milliseconds to wait for a whole header. Default: 5 seconds. */
  readonly timeout?: number | undefined
}

/** Throws `ERR_OPTION` if the balancers can be none of a server at the address. */
export function checkBalancers(option: ProxyProtocol | undefined, address: Address): void {
  if (option === undefined) return
  const name = optionName('proxyProtocol')
  checkValues({ proxyProtocol: option }, { proxyProtocol: 'object' })
  checkTime('proxyProtocol.timeout', option.timeout)
  if (option.timeout === 0) throw fault('proxyProtocol.timeout: 0 is not allowed; expected more than 0')
  believes(option)
  const [where, isUnix] = [formatAddress(address), 'path' in address]
  if (!isOfSockets(address)) throw fault(`${name}: ${where} is not an address of sockets`)
  if (isUnix && !option.from.includes(unix))
    throw fault(`${name}: the clients of ${where} have no IP address; expected ${unix}`)
  if (!isUnix && option.from.every(rule => rule === unix))
    throw fault(`${name}: the clients of ${where} have IP addresses; expected more than ${unix}`)
}

/** What a listener needs to know of them. */
export function balancersOf(
  option: ProxyProtocol | undefined,
  max: number,
  refused: Balancers['refused'],
): Balancers | undefined {
  if (!option) return undefined
  return { believes: believes(option), timeout: option.timeout ?? defaultTimes.header, max, refused }
}

/** What stands for the clients of a unix socket. */
const unix = 'unix'

function believes({ from }: ProxyProtocol): (remote: string) => boolean {
  if (!Array.isArray(from))
    throw fault(`proxyProtocol.from: ${describe(from)} is not allowed; expected an array of rules`)
  if (from.length === 0) throw fault('proxyProtocol.from: an empty list would refuse everyone')
  const rules = from.filter(rule => rule !== unix)
  const isListed = listCheck('proxyProtocol.from', rules) as NonNullable<ReturnType<typeof listCheck>>
  return remote => {
    const ip = parseIp(remote)
    return ip ? isListed(ip) : remote === unix && from.includes(unix)
  }
}

function fault(message: string): TcpPipeError {
  return new TcpPipeError('ERR_OPTION', message)
}
