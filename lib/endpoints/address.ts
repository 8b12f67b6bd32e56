/** Address text ⇄ Address. Without an explicit host everything is on loopback. */
import { TcpPipeError } from '../text/errors.js'

export interface TcpAddress {
  readonly host: string
  readonly port: number
  /** TLS is spoken there. */
  readonly tls?: true
}

export interface UnixAddress {
  readonly path: string
  readonly tls?: true
}

export type Address = TcpAddress | UnixAddress

/** An address as code writes it: its text, or its parts; the host is loopback unless it is given. */
export type AddressInput =
  | string
  | { readonly host?: string | undefined; readonly port: number; readonly tls?: boolean | undefined }
  | { readonly path: string; readonly tls?: boolean | undefined }

export const defaultHost = '127.0.0.1'
export const defaultPort = 3099

/** The kernel's limit for the path of a unix socket, in bytes (sun_path, unix(7)). */
const maxPath = 107

const forms = "'host:port', ':port', 'port', '[::1]:port', 'tcp://host:port', 'tls://host:port' or 'unix:path'"

/** Any input → an Address that is complete and in range. Throws `ERR_ADDRESS`. */
export function toAddress(input: AddressInput): Address {
  if (typeof input === 'string') return parseAddress(input)
  if (typeof input !== 'object' || input === null)
    throw new TcpPipeError('ERR_ADDRESS', `${input} is not an address; expected ${forms}`)
  const address =
    'path' in input
      ? unixAddress(input.path)
      : { host: input.host || defaultHost, port: checkPort(input.port, String(input.port)) }
  return input.tls ? withTls(address) : address
}

/** The same with TLS on it. */
export function withTls(address: Address): Address {
  return { ...address, tls: true }
}

/** `host:port`, `:port`, `port`, `[::1]:port`, `tcp://…`, `tls://…`, `unix:path` → Address. Throws `ERR_ADDRESS`. */
export function parseAddress(text: string): Address {
  if (text.startsWith('unix:')) return unixAddress(text.slice('unix:'.length))
  if (text.startsWith('tls://')) return withTls(hostAndPort(text.slice('tls://'.length), text))
  return hostAndPort(text.startsWith('tcp://') ? text.slice('tcp://'.length) : text, text)
}

function hostAndPort(rest: string, text: string): TcpAddress {
  const match = /^(?:\[([^[\]]*)\]:|([^:[\]]*):)?([^:]*)$/.exec(rest)
  if (!match || /^tls:(?!\/\/)/.test(text))
    throw new TcpPipeError('ERR_ADDRESS', `'${text}' is not an address; expected ${forms}`)
  const [, bracketed, plain, port = ''] = match
  if (bracketed === '')
    throw new TcpPipeError('ERR_ADDRESS', `'${text}' is not an address: nothing stands in the brackets`)
  return {
    host: bracketed || plain || defaultHost,
    port: checkPort(/^\d+$/.test(port) ? Number(port) : Number.NaN, text),
  }
}

/** `127.0.0.1:80`, `[::1]:80`, `unix:/run/x.sock`, `tls://127.0.0.1:443`. */
export function formatAddress({ tls, ...address }: Address): string {
  if (tls) return `tls://${formatAddress(address).replace('tcp://', '')}`
  if ('path' in address) return `unix:${address.path}`
  const text = address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`
  return /^(unix|tls):/.test(text) ? `tcp://${text}` : text // hosts of these names
}

function checkPort(port: number, text: string): number {
  if (Number.isInteger(port) && port >= 0 && port <= 65535) return port
  throw new TcpPipeError('ERR_ADDRESS', `'${text}': the port must be a whole number from 0 to 65535; expected ${forms}`)
}

function unixAddress(path: string): UnixAddress {
  const length = Buffer.byteLength(path)
  if (length > 0 && length <= maxPath && !path.includes('\0')) return { path }
  throw new TcpPipeError(
    'ERR_ADDRESS',
    `'unix:${path}': the path of a unix socket has 1 to ${maxPath} bytes, not ${length}`,
  )
}
