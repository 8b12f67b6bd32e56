/** Parses and formats addresses with the table of endpoints. The default host is loopback. */
import { either } from '../text/either.js'
import { errorMessage, TcpPipeError } from '../text/errors.js'
import type { Endpoint } from './endpoint.js'
import { endpoints } from './index.js'
import { canonicalIp } from './ip.js'
import { sessionsOver } from './reliable.js'
import { tcpAddress } from './tcp.js'
import { unixAddress } from './unix.js'

/** An address to listen on, connect to, read or write. `scheme` names its endpoint. */
export type Address = Parameters<(typeof endpoints)[number]['format']>[0]

/** An address as text or as parts. Default: the host is 127.0.0.1, without TLS. */
export type AddressInput =
  | string
  | Address
  | { readonly host?: string | undefined; readonly port: number; readonly tls?: boolean | undefined }
  | { readonly path: string; readonly tls?: boolean | undefined }

export { defaultHost } from './tcp.js'
export const defaultPort = 3099

/** The operations that an endpoint may support. */
export type Ability = 'listen' | 'dial' | 'source' | 'sink'

/** Lists the address forms with one of these abilities that reach other processes: `'port', … or 'unix:path'`. */
export function addressForms(...abilities: Ability[]): string {
  return formsOf(all.filter(endpoint => !endpoint.inProcess && abilities.some(ability => endpoint[ability])))
}

/** Lists the address forms that data can be sent to, without those of files, which have options of their own. */
export function targetForms(): string {
  return formsOf(all.filter(isTargetEndpoint))
}

/** Whether data can be sent to an address that reaches another process. */
export function isTarget(address: Address): boolean {
  return isTargetEndpoint(endpointOf(address))
}

type Abilities = Pick<Endpoint, 'inProcess' | 'hasOwnOptions' | Ability>

function isTargetEndpoint({ inProcess, hasOwnOptions, dial, sink }: Partial<Abilities>): boolean {
  return !inProcess && !hasOwnOptions && (dial ?? sink) !== undefined
}

function formsOf(endpoints: readonly Pick<Endpoint, 'syntax'>[]): string {
  const forms = endpoints.flatMap(({ syntax }) => syntax)
  return either(forms)
}

/** In listing order. */
const all = [...endpoints].reverse() as readonly Pick<Endpoint, 'scheme' | 'syntax' | keyof Abilities>[]

/**
 * Parses the text of an address, such as `host:port`, `tls://host:port` or `unix:path`. The default host is 127.0.0.1.
 *
 * @throws `ERR_ADDRESS` if the text is not an address
 */
export function parseAddress(text: string): Address {
  const endpoint = endpoints.find(each => each.accepts(text)) as (typeof endpoints)[number]
  return named(text, () => endpoint.parse(text))
}

/** Prefixes an error message with the address, without its secrets. */
function named<A>(text: string, make: () => A): A {
  try {
    return make()
  } catch (error) {
    const message = errorMessage(error)
    const words = `'${withoutSecrets(text)}'${/^(is|has) /.test(message) ? ' ' : ': '}${message}`
    throw new TcpPipeError(
      'ERR_ADDRESS',
      message.includes('expected ') ? words : `${words}; expected ${addressForms('listen')}`,
    )
  }
}

/** Hides what stands before the host of an address, and what looks like a secret in its parameters. */
export function withoutSecrets(text: string): string {
  return text.replace(/\/\/.*@/s, '//***@').replace(/([?&](?:token|user|pass|password)=)[^&]*/gi, '$1***')
}

/**
 * Formats an address as text, such as `127.0.0.1:80`, `[::1]:80`, `unix:/run/x.sock` or `tls://127.0.0.1:443`. The
 * inverse of `parseAddress`. Adds `tcp://` if the host looks like a scheme.
 */
export function formatAddress(address: Address): string {
  const endpoint = endpointOf(address)
  const text = endpoint.format(address)
  return endpoints.find(each => each.accepts(text))?.scheme === endpoint.scheme ? text : `${endpoint.scheme}://${text}`
}

/** Converts any input to a complete address with valid parts. Throws `ERR_ADDRESS`. */
export function toAddress(input: AddressInput): Address {
  if (typeof input === 'string') return parseAddress(input)
  if (typeof input !== 'object' || input === null)
    throw new TcpPipeError('ERR_ADDRESS', `${input} is not an address; expected ${addressForms('listen')}`)
  const address = complete(input)
  return 'tls' in input && input.tls ? withTls(address) : address
}

/** Converts a source address to a complete address. Without a port, the system chooses one. Throws `ERR_ADDRESS`. */
export function bindAddress(input: AddressInput): Address {
  const host = typeof input === 'string' ? input.replace(/^\[(.*)\]$/, '$1') : ''
  return canonicalIp(host) !== undefined || isName(host) ? tcpAddress(host, 0) : toAddress(input)
}

/** A number is a port, and dots between numbers are an address. */
function isName(text: string): boolean {
  return /^\w[\w-]*(\.[\w-]+)*$/.test(text) && !/(^|\.)\d+$/.test(text)
}

/** The options that name an address in parts. */
export interface AddressOptions {
  readonly host?: string | undefined
  readonly port?: number | undefined
  readonly path?: string | undefined
  readonly tls?: unknown
}

/** Returns the address of options: `input` if it is given, or else the path, or else host and port. */
export function addressOf(
  input: AddressInput | undefined,
  { host, port = defaultPort, path, tls }: AddressOptions,
): Address {
  const address = toAddress(input ?? (path === undefined ? { host, port } : { path }))
  return tls ? withTls(address) : address
}

function complete(input: Exclude<AddressInput, string>): Address {
  if ('scheme' in input) {
    const endpoint = endpointOf(input)
    return named(JSON.stringify(input, hidden), () => endpoint.complete(input))
  }
  return 'path' in input
    ? named(`unix:${input.path}`, () => unixAddress(input.path))
    : named(String(input.port), () => tcpAddress(input.host, input.port))
}

/** For `JSON.stringify`. */
function hidden(key: string, value: unknown): unknown {
  return ['user', 'password', 'token'].includes(key) ? '***' : value
}

/** Returns whether a value is an address in parts, not a stream or data. */
export function isAddressInput(value: unknown): value is AddressInput {
  if (typeof value === 'string') return true
  const isObject = typeof value === 'object' && value !== null && !('write' in value || 'getWriter' in value)
  return isObject && ('scheme' in value || 'port' in value || 'path' in value)
}

/** Returns the same address with TLS. Throws `ERR_ADDRESS` if its scheme does not support TLS. */
export function withTls(address: Address): Address {
  if (address.scheme === 'tls') return address
  if (address.scheme === 'reliable' || address.scheme === 'nats') return { ...address, tls: true }
  if (address.scheme === 'tcp' || address.scheme === 'unix') return { ...address, scheme: 'tls' }
  throw new TcpPipeError('ERR_ADDRESS', `'${formatAddress(address)}' cannot be combined with TLS`)
}

/** Returns the same address with reliable sessions. Throws `ERR_ADDRESS` if its scheme does not support them. */
export function withSessions(address: Address): Address {
  if (address.scheme === 'reliable') return address
  if (address.scheme === 'tcp' || address.scheme === 'unix' || address.scheme === 'tls') return sessionsOver(address)
  throw new TcpPipeError('ERR_ADDRESS', `'${formatAddress(address)}' cannot be combined with reliable sessions`)
}

/** Returns whether the address is one of sockets, as those of TCP are. */
export function isOfSockets({ scheme }: Address): boolean {
  return scheme === 'tcp' || scheme === 'tls' || scheme === 'unix' || scheme === 'reliable'
}

/** Returns whether the endpoint of the address has the ability. */
export function can(ability: Ability, address: Address): boolean {
  return endpointOf(address)[ability] !== undefined
}

/** Returns the endpoint of an address. Throws `ERR_ADDRESS` if it lacks the ability. */
export function endpointFor<A extends Ability>(ability: A, address: Address): AbleEndpoint<A> {
  const endpoint = endpointOf(address)
  if (endpoint[ability]) return endpoint as unknown as AbleEndpoint<A>
  const what = { listen: 'listened on', dial: 'connected to', source: 'read', sink: 'written to' }[ability]
  throw new TcpPipeError(
    'ERR_ADDRESS',
    `'${formatAddress(address)}' cannot be ${what}; expected ${addressForms(ability)}`,
  )
}

/** An endpoint with the ability. */
type AbleEndpoint<A extends Ability> = Omit<Endpoint<Address>, A> & Required<Pick<Endpoint<Address>, A>>

/** Returns the endpoint of an address. Throws `ERR_ADDRESS` if there is no such scheme. */
export function endpointOf({ scheme }: Address): Endpoint<Address> {
  const endpoint = endpoints.find(each => each.scheme === scheme)
  if (endpoint) return endpoint as unknown as Endpoint<Address>
  throw new TcpPipeError('ERR_ADDRESS', `scheme: '${scheme}' is not allowed; expected ${schemes()}`)
}

function schemes(): string {
  return all.map(({ scheme }) => scheme).join(', ')
}
