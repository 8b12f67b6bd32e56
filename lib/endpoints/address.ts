/** Address text ⇄ address, by the table of endpoints. Without an explicit host everything is on loopback. */
import { errorMessage, TcpPipeError } from '../text/errors.js'
import type { Endpoint } from './endpoint.js'
import { endpoints } from './index.js'
import { tcpAddress } from './tcp.js'
import { unixAddress } from './unix.js'

/** Where something listens, is dialled, read or written. `scheme` names its endpoint. */
export type Address = Parameters<(typeof endpoints)[number]['format']>[0]

/** An address as code writes it: its text, or its parts; by default, the host is loopback and nothing is encrypted. */
export type AddressInput =
  | string
  | Address
  | { readonly host?: string | undefined; readonly port: number; readonly tls?: boolean | undefined }
  | { readonly path: string; readonly tls?: boolean | undefined }

export { defaultHost } from './tcp.js'
export const defaultPort = 3099

/** What an endpoint can do. */
export type Ability = 'listen' | 'dial' | 'source' | 'sink'

/** The forms of the addresses that can do one of these things and reach other processes: `'port', … or 'unix:path'`. */
export function addressForms(...abilities: Ability[]): string {
  const forms = all
    .filter(endpoint => !endpoint.inProcess && abilities.some(ability => endpoint[ability]))
    .flatMap(({ syntax }) => syntax)
  return `${forms.slice(0, -1).join(', ')} or ${forms.at(-1)}`
}

/** In the order in which they are listed. */
const all = [...endpoints].reverse() as readonly Pick<Endpoint, 'scheme' | 'syntax' | 'inProcess' | Ability>[]

/** Text → address, such as `host:port`, `tls://host:port` or `unix:path`. Throws `ERR_ADDRESS`. */
export function parseAddress(text: string): Address {
  const endpoint = endpoints.find(each => each.accepts(text)) as (typeof endpoints)[number]
  return named(text, () => endpoint.parse(text))
}

/** What is wrong follows the address in its message. */
function named<A>(text: string, make: () => A): A {
  try {
    return make()
  } catch (error) {
    const message = errorMessage(error)
    const words = `'${text}'${message.startsWith('is ') ? ' ' : ': '}${message}`
    throw new TcpPipeError('ERR_ADDRESS', `${words}; expected ${addressForms('listen', 'dial')}`)
  }
}

/**
 * `127.0.0.1:80`, `[::1]:80`, `unix:/run/x.sock`, `tls://127.0.0.1:443`: the inverse of `parseAddress`. A host that could
 * be taken for a scheme is written with `tcp://`.
 */
export function formatAddress(address: Address): string {
  const endpoint = endpointOf(address)
  const text = endpoint.format(address)
  return endpoints.find(each => each.accepts(text))?.scheme === endpoint.scheme ? text : `${endpoint.scheme}://${text}`
}

/** Any input → an address that is complete and in range. Throws `ERR_ADDRESS`. */
export function toAddress(input: AddressInput): Address {
  if (typeof input === 'string') return parseAddress(input)
  if (typeof input !== 'object' || input === null)
    throw new TcpPipeError('ERR_ADDRESS', `${input} is not an address; expected ${addressForms('listen', 'dial')}`)
  const address = complete(input)
  return 'tls' in input && input.tls ? withTls(address) : address
}

function complete(input: Exclude<AddressInput, string>): Address {
  if ('scheme' in input) {
    const endpoint = endpointOf(input)
    return named(JSON.stringify(input), () => endpoint.complete(input))
  }
  return 'path' in input
    ? named(`unix:${input.path}`, () => unixAddress(input.path))
    : named(String(input.port), () => tcpAddress(input.host, input.port))
}

/** Whether a value is an address as code writes it, and no stream or data. */
export function isAddressInput(value: unknown): value is AddressInput {
  if (typeof value === 'string') return true
  const isObject = typeof value === 'object' && value !== null && !('write' in value || 'getWriter' in value)
  return isObject && ('scheme' in value || 'port' in value || 'path' in value)
}

/** The same address with TLS. Throws `ERR_ADDRESS` where there is no TLS. */
export function withTls(address: Address): Address {
  if (address.scheme === 'tls') return address
  if (address.scheme === 'tcp' || address.scheme === 'unix') return { ...address, scheme: 'tls' }
  throw new TcpPipeError('ERR_ADDRESS', `'${formatAddress(address)}' cannot be combined with TLS`)
}

/** Whether the endpoint of the address can do this. */
export function can(ability: Ability, address: Address): boolean {
  return endpointOf(address)[ability] !== undefined
}

/** The endpoint of an address, which must be able to do this. Throws `ERR_ADDRESS`. */
export function endpointFor<A extends Ability>(ability: A, address: Address): AbleEndpoint<A> {
  const endpoint = endpointOf(address)
  if (endpoint[ability]) return endpoint as unknown as AbleEndpoint<A>
  const what = { listen: 'listened on', dial: 'connected to', source: 'read', sink: 'written to' }[ability]
  throw new TcpPipeError(
    'ERR_ADDRESS',
    `'${formatAddress(address)}' cannot be ${what}; expected ${addressForms(ability)}`,
  )
}

/** An endpoint that can do this. */
type AbleEndpoint<A extends Ability> = Omit<Endpoint<Address>, A> & Required<Pick<Endpoint<Address>, A>>

function endpointOf({ scheme }: Address): Endpoint<Address> {
  const endpoint = endpoints.find(each => each.scheme === scheme)
  if (endpoint) return endpoint as unknown as Endpoint<Address>
  throw new TcpPipeError('ERR_ADDRESS', `scheme: '${scheme}' is not allowed; expected ${schemes()}`)
}

function schemes(): string {
  return all.map(({ scheme }) => scheme).join(', ')
}
