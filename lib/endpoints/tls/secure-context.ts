/** TLS options, checked before anything is opened: what a listening side shows, and whom a dialling side accepts. */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { createSecureContext, type SecureContext, type TlsOptions as TlsServerOptions } from 'node:tls'
import { didYouMean, errorMessage, TcpPipeError } from '../../text/errors.js'
import { parsePins, pinOf } from './pin.js'

/** The text of a PEM file. */
export type Pem = string | Buffer

interface TlsOptions {
  /** Our certificate, and those between it and the root; PEM. */
  cert?: Pem | undefined
  /** Its private key; PEM. */
  key?: Pem | undefined
  /** Of the key, if that is encrypted. */
  passphrase?: string | undefined
  /** The oldest version of TLS that is spoken. Default: 1.2. */
  minVersion?: '1.2' | '1.3' | undefined
  /** Takes a connection that is closed without close_notify for ended well, though it may be cut off. Default: false. */
  ignoreUnexpectedEof?: boolean | undefined
}

/** TLS for clients that connect: `cert` and `key` are needed, or `auto`. */
export interface ServerTls extends TlsOptions {
  /** Makes a certificate that nobody has signed, for clients that know its pin. Default: false. */
  auto?: boolean | undefined
  /** Clients must show a certificate that one of these has signed; PEM. Default: none is asked for. */
  clientCa?: Pem | undefined
}

/** TLS to a server that we connect to. */
export interface ClientTls extends TlsOptions {
  /** Who may have signed its certificate; PEM. Default: the authorities that Node knows. */
  ca?: Pem | undefined
  /** `sha256//…`, several joined by `;`: its public key must be one of these. Without `ca` nothing else is checked then. */
  pin?: string | undefined
  /** The name that is asked for (SNI) and that its certificate must have. Default: the host. */
  serverName?: string | undefined
  /** Accepts any certificate: whoever stands between can read and change everything. Default: false. */
  insecure?: boolean | undefined
}

/** What `tls.createServer` is told, and what there is to know of the certificate. */
export interface ServerContext {
  readonly options: TlsServerOptions
  readonly pin: string
  /** Until when the certificate is valid. */
  readonly validTo: Date
  readonly ignoreUnexpectedEof: boolean
}

export interface ClientContext {
  readonly secureContext: SecureContext
  readonly pins: readonly string[] | undefined
  /** Node verifies the certificate; otherwise the pin is all that is checked, or nothing. */
  readonly verify: boolean
  readonly serverName: string | undefined
  readonly ignoreUnexpectedEof: boolean
}

/** The certificate, which `auto` has none of yet. Throws `ERR_OPTION`. */
export function checkServerTls(tls: ServerTls): X509Certificate | undefined {
  checkNames(tls, ['auto', 'clientCa'])
  const certificate = checkIdentity(tls)
  if (tls.auto && certificate) fault('auto and cert exclude each other: auto makes a certificate itself')
  if (!tls.auto && !certificate) fault('tls needs cert and key, or auto')
  checkCertificate('clientCa', tls.clientCa)
  tryContext(contextOptions(tls))
  return certificate
}

/** For one with `cert` and `key`. Throws `ERR_OPTION`. */
export function serverContext(tls: ServerTls): ServerContext {
  const certificate = checkServerTls(tls) as X509Certificate
  const { clientCa, ignoreUnexpectedEof = false } = tls
  const verify = clientCa !== undefined && { requestCert: true, rejectUnauthorized: true }
  const validTo = new Date(certificate.validTo)
  return { options: { ...contextOptions(tls), ...verify }, pin: pinOf(certificate), validTo, ignoreUnexpectedEof }
}

function contextOptions({ cert, key, passphrase, clientCa, minVersion }: ServerTls) {
  return { ...versions(minVersion), cert, key, passphrase, ca: clientCa }
}

/** Throws `ERR_OPTION`. */
export function clientContext(tls: ClientTls): ClientContext {
  const { ca, cert, key, passphrase, pin, insecure = false, serverName, minVersion, ignoreUnexpectedEof = false } = tls
  checkNames(tls, ['ca', 'pin', 'serverName', 'insecure'])
  checkIdentity(tls)
  checkCertificate('ca', ca)
  if (insecure && (pin ?? ca) !== undefined)
    fault(`insecure and ${pin === undefined ? 'ca' : 'pin'} exclude each other: insecure verifies nothing`)
  if (serverName === '') fault("serverName: '' is not allowed; expected a name")
  const pins = pin === undefined ? undefined : parsePins(pin)
  const secureContext = tryContext({ ...versions(minVersion), ca, cert, key, passphrase })
  const verify = !insecure && (!pins || ca !== undefined)
  return { secureContext, pins, verify, serverName, ignoreUnexpectedEof }
}

const commonNames = ['cert', 'key', 'passphrase', 'minVersion', 'ignoreUnexpectedEof']

/** One that is mistyped would protect nobody. */
function checkNames(tls: object, own: readonly string[]): void {
  const names = [...own, ...commonNames]
  const unknown = Object.keys(tls).find(name => !names.includes(name))
  if (unknown)
    fault(`tls: unknown option '${unknown}'${didYouMean(unknown, names) || `; expected ${names.join(', ')}`}`)
}

function versions(minVersion: '1.2' | '1.3' = '1.2') {
  if (minVersion === '1.2' || minVersion === '1.3') return { minVersion: `TLSv${minVersion}` as const }
  return fault(`minVersion: ${minVersion} is not allowed; expected 1.2 or 1.3`)
}

/** The certificate, if there is one: that and the key must belong together. */
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

/** The first certificate of the file, when all of them can be read: OpenSSL would leave out the others without a word. */
function checkCertificate(name: string, pem: Pem | undefined): X509Certificate | undefined {
  if (pem === undefined) return undefined
  try {
    const blocks = String(pem).split(/(?=-----BEGIN )/)
    const all = (blocks.length > 1 ? blocks.filter(block => block.startsWith('-----BEGIN ')) : blocks).map(
      block => new X509Certificate(block),
    )
    return all[0]
  } catch (error) {
    return fault(`${name}: this is no certificate (${errorMessage(error)}); expected PEM`, error)
  }
}

/** What is wrong with the parts has been told; this is what OpenSSL thinks of the whole, such as a key that is too short. */
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
