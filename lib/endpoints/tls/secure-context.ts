/** TLS options: the certificate that a server presents, and the certificates that a client accepts. */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { createSecureContext, type SecureContext, type TlsOptions as TlsServerOptions } from 'node:tls'
import { didYouMean, errorMessage, TcpPipeError } from '../../text/errors.js'
import { pinOf } from './certificate.js'
import { parsePins } from './pin.js'

/** The content of a PEM file. */
export type Pem = string | Buffer

interface TlsOptions {
  /** The certificate to present, followed by its intermediate certificates; PEM. Default: none. */
  cert?: Pem | undefined
  /** The private key of `cert`; PEM. */
  key?: Pem | undefined
  /** The passphrase of `key`, if the key is encrypted. */
  passphrase?: string | undefined
  /** The minimum version of TLS. Default: 1.2. */
  minVersion?: '1.2' | '1.3' | undefined
  /** Application protocols (ALPN) to offer or to accept, the preferred one first: `['h2', 'http/1.1']`. Default: none. */
  alpn?: readonly string[] | undefined
  /** Treats a close without close_notify as a normal end, although data may be missing. Default: false. */
  ignoreUnexpectedEof?: boolean | undefined
}

/** TLS options of a server. Requires `cert` and `key`, or `auto`. */
export interface ServerTls extends TlsOptions {
  /** Generates a self-signed certificate, for clients that know its pin. Default: false. */
  auto?: boolean | undefined
  /** Authorities that must have signed the certificate of a client; PEM. Default: requests no client certificate. */
  clientCa?: Pem | undefined
}

/** TLS options of a client. */
export interface ClientTls extends TlsOptions {
  /** Authorities that may have signed the server certificate; PEM. Default: the authorities of Node.js. */
  ca?: Pem | undefined
  /** Accepted public keys of the server: `sha256//…`, joined by `;`. Without `ca`, nothing else is checked. */
  pin?: string | undefined
  /** The name to request (SNI) and to expect in the server certificate. Default: the host. */
  serverName?: string | undefined
  /** Accepts any certificate. An attacker on the path can then read and change all data. Default: false. */
  insecure?: boolean | undefined
}

/** The options of `tls.createServer`, and facts about the certificate. */
export interface ServerContext {
  readonly options: TlsServerOptions
  readonly pin: string
  /** The expiry date of the certificate. */
  readonly validTo: Date
  readonly ignoreUnexpectedEof: boolean
}

export interface ClientContext {
  readonly secureContext: SecureContext
  readonly pins: readonly string[] | undefined
  /** Whether Node verifies the certificate. If false, only the pin is checked, if any. */
  readonly verify: boolean
  readonly serverName: string | undefined
  readonly alpn: readonly string[] | undefined
  readonly ignoreUnexpectedEof: boolean
}

/** Checks the options. Returns the certificate, which `auto` does not have yet. Throws `ERR_OPTION`. */
export function checkServerTls(given: ServerTls): X509Certificate | undefined {
  const tls = withoutBom(given)
  checkNames(tls, ['auto', 'clientCa'])
  const certificate = checkIdentity(tls)
  if (tls.auto && certificate) fault('auto and cert exclude each other: auto makes a certificate itself')
  if (!tls.auto && !certificate) fault('tls needs cert and key, or auto')
  checkCertificate('clientCa', tls.clientCa)
  checkAlpn(tls)
  tryContext(contextOptions(tls))
  return certificate
}

/** Returns the context of a server with `cert` and `key`. Throws `ERR_OPTION`. */
export function serverContext(given: ServerTls): ServerContext {
  const tls = withoutBom(given)
  const certificate = checkServerTls(tls) as X509Certificate
  const { clientCa, alpn, ignoreUnexpectedEof = false } = tls
  const verify = {
    ...(clientCa !== undefined && { requestCert: true, rejectUnauthorized: true }),
    ...(alpn && { ALPNProtocols: [...alpn] }),
  }
  const validTo = new Date(certificate.validTo)
  return { options: { ...contextOptions(tls), ...verify }, pin: pinOf(certificate), validTo, ignoreUnexpectedEof }
}

function contextOptions({ cert, key, passphrase, clientCa, minVersion }: ServerTls) {
  return { ...versions(minVersion), cert, key, passphrase, ca: clientCa }
}

/** Throws `ERR_OPTION`. */
export function clientContext(given: ClientTls): ClientContext {
  const tls = withoutBom(given)
  const { ca, cert, key, passphrase, pin, insecure = false, serverName, minVersion } = tls
  const { alpn, ignoreUnexpectedEof = false } = tls
  checkNames(tls, ['ca', 'pin', 'serverName', 'insecure'])
  checkIdentity(tls)
  checkCertificate('ca', ca)
  checkAlpn(tls)
  if (insecure && (pin ?? ca) !== undefined)
    fault(`insecure and ${pin === undefined ? 'ca' : 'pin'} exclude each other: insecure verifies nothing`)
  if (serverName === '') fault("serverName: '' is not allowed; expected a name")
  const pins = pin === undefined ? undefined : parsePins(pin)
  const secureContext = tryContext({ ...versions(minVersion), ca, cert, key, passphrase })
  const verify = !insecure && (!pins || ca !== undefined)
  return { secureContext, pins, verify, serverName, alpn, ignoreUnexpectedEof }
}

const commonNames = ['cert', 'key', 'passphrase', 'minVersion', 'alpn', 'ignoreUnexpectedEof']

/** Rejects unknown options: a mistyped option would give no protection. */
function checkNames(tls: object, own: readonly string[]): void {
  const names = [...own, ...commonNames]
  const unknown = Object.keys(tls).find(name => !names.includes(name))
  if (unknown)
    fault(`tls: unknown option '${unknown}'${didYouMean(unknown, names) || `; expected ${names.join(', ')}`}`)
}

/** RFC 7301: a list of names of 1 to 255 bytes. */
function checkAlpn({ alpn }: TlsOptions): void {
  if (alpn === undefined) return
  const isList = Array.isArray(alpn) && alpn.length > 0
  if (!isList)
    fault(`alpn: ${alpn === null ? 'null' : `'${alpn}'`} is not allowed; expected a list, such as ['h2', 'http/1.1']`)
  const wrong = alpn.find(name => typeof name !== 'string' || name === '' || Buffer.byteLength(name) > 255)
  if (wrong !== undefined) fault(`alpn: '${wrong}' is not allowed; expected names of 1 to 255 bytes, such as h2`)
}

/** OpenSSL does not recognize a first line that begins with a byte order mark. */
function withoutBom<T extends object>(tls: T): T {
  const entries = Object.entries(tls).map(([name, value]) => {
    const isPem = ['cert', 'key', 'ca', 'clientCa'].includes(name) && value !== undefined
    return [name, isPem ? String(value).replace(/^\uFEFF/, '') : value]
  })
  return Object.fromEntries(entries) as T
}

function versions(minVersion: '1.2' | '1.3' = '1.2') {
  if (minVersion === '1.2' || minVersion === '1.3') return { minVersion: `TLSv${minVersion}` as const }
  return fault(`minVersion: ${minVersion} is not allowed; expected 1.2 or 1.3`)
}

/** Returns the certificate, if any. Checks that the key belongs to it. */
function checkIdentity({ cert, key, passphrase }: TlsOptions): X509Certificate | undefined {
  if (cert === undefined && key === undefined) {
    if (passphrase !== undefined) fault('passphrase needs key')
    return undefined
  }
  if (cert === undefined) return fault('key needs cert')
  if (key === undefined) return fault('cert needs key')
  const certificate = checkCertificate('cert', cert) as X509Certificate
  if (!certificate.checkPrivateKey(readKey(key, passphrase))) fault('key: it is not the key of cert')
  return certificate
}

function readKey(key: Pem, passphrase: string | undefined): KeyObject {
  try {
    return createPrivateKey({ key, passphrase })
  } catch (error) {
    const isLocked = passphrase === undefined && String(key).includes('ENCRYPTED')
    const reason = isLocked
      ? 'it is encrypted; expected its passphrase, too'
      : `it cannot be read (${errorMessage(error)})`
    return fault(`key: ${reason}${passphrase === undefined ? '' : '; is the passphrase right?'}`, error)
  }
}

/**
 * Checks all certificates of a file and returns the first. Like OpenSSL, passes over other text and over blocks such as
 * keys and parameters. Unlike OpenSSL, does not ignore an invalid certificate after the first.
 */
function checkCertificate(name: string, pem: Pem | undefined): X509Certificate | undefined {
  if (pem === undefined) return undefined
  const blocks = String(pem).split(/^(?=-----BEGIN )/m)
  const certificates = blocks.filter(block => /^-----BEGIN (X509 |TRUSTED )?CERTIFICATE-----/.test(block))
  if (certificates.length === 0) return fault(`${name}: this is no certificate (${contentOf(blocks)}); expected PEM`)
  try {
    return certificates.map(block => new X509Certificate(block))[0]
  } catch (error) {
    return fault(`${name}: this is no certificate (${errorMessage(error)}); expected PEM`, error)
  }
}

function contentOf(blocks: readonly string[]): string {
  const labels = blocks.flatMap(block => /^-----BEGIN ([A-Z0-9 ]+)-----/.exec(block)?.[1] ?? [])
  return labels.length > 0 ? `it contains ${labels.join(', ')}` : 'it has no line -----BEGIN CERTIFICATE-----'
}

/** Reports what OpenSSL rejects after the checks of each part, such as a key that is too short. */
function tryContext(options: Parameters<typeof createSecureContext>[0]): SecureContext {
  try {
    return createSecureContext(options)
  } catch (error) {
    return fault(`tls: ${errorMessage(error)}`, error)
  }
}

function fault(message: string, cause?: unknown): never {
  throw new TcpPipeError('ERR_OPTION', message, { cause })
}
