/** The TLS options of commands, and the files they name. */
import { readFileSync } from 'node:fs'
import { Option } from 'commander'
import type { Address } from '../lib/endpoints/address.js'
import { parsePins } from '../lib/endpoints/tls/pin.js'
import type { ClientTls, ServerTls } from '../lib/endpoints/tls/secure-context.js'
import { errorMessage, TcpPipeError } from '../lib/text/errors.js'
import { frequent, group } from './help.js'
import type { Logger } from './log.js'
import { choice, single, value } from './options.js'

/** Options for the peer we connect to, and for both sides. */
interface PeerOptions {
  ca?: string
  pin?: string
  serverName?: string
  insecure?: boolean
  minVersion?: '1.2' | '1.3'
  alpn?: string[]
  ignoreUnexpectedEof?: boolean
}

interface Identity {
  cert?: string
  key?: string
  passphraseFile?: string
}

export interface SendTlsOptions extends PeerOptions, Identity {
  tls?: boolean
  handshakeTimeout?: number
}

/** Options of a server and of its target. */
export interface ServerTlsOptions extends PeerOptions, Identity {
  tls?: 'auto' | boolean
  handshakeTimeout?: number
  clientCa?: string
  targetCert?: string
  targetKey?: string
  targetPassphraseFile?: string
}

export interface ServerSideTls {
  tls?: ServerTls
  targetTls?: ClientTls
}

export function sendTlsOptions(): Option[] {
  return group('TLS:', [
    frequent(new Option('--tls', 'use TLS, same as --to tls://…')),
    ...peerOptions(frequent),
    ...identityOptions('--', 'our certificate, if the server requests one'),
    ...commonTlsOptions(),
  ])
}

export function serverTlsOptions(): Option[] {
  return [
    ...group('TLS with clients:', [
      frequent(tlsOption()),
      ...identityOptions('--', 'our certificate, then any intermediates', frequent),
      single('--client-ca <file>', 'PEM: require client certificates signed by one of these'),
    ]),
    ...group('TLS to a tls:// target:', [
      ...peerOptions(),
      ...identityOptions('--target-', 'our certificate, if the target requests one'),
    ]),
    ...group('TLS on both sides:', commonTlsOptions()),
  ]
}

function tlsOption(): Option {
  const what = 'use TLS, same as tls://…; auto generates a certificate and logs its pin'
  const option = value('--tls [auto]', what, readTls)
  option.argChoices = ['auto']
  return option
}

function readTls(text: string): 'auto' | boolean {
  if (text === 'auto') return 'auto'
  if (text === 'true' || text === '1') return true
  if (text === 'false' || text === '0') return false
  throw new TcpPipeError('ERR_OPTION', `'${text}' is not allowed; expected auto, or no value with --cert and --key`)
}

function readNames(text: string): string[] {
  const names = text.split(',')
  if (names.every(name => name !== '' && Buffer.byteLength(name) <= 255)) return names
  throw new TcpPipeError(
    'ERR_OPTION',
    `'${text}' is not allowed; expected names of 1 to 255 bytes, such as h2,http/1.1`,
  )
}

/** `mark` marks those that most users of TLS need. */
function peerOptions(mark = (option: Option) => option): Option[] {
  return [
    mark(single('--ca <file>', "PEM: trusted authorities (default: Node's)")),
    mark(
      single('--pin <pins>', "sha256//…, several joined by ';': require one of these public keys", text => {
        parsePins(text)
        return text
      }),
    ),
    single('--server-name <name>', 'name to request and to verify (default: the host)'),
    new Option('--insecure', 'accept any certificate, without verification'),
  ]
}

function identityOptions(prefix: '--' | '--target-', what: string, mark = (option: Option) => option): Option[] {
  return [
    mark(single(`${prefix}cert <file>`, `PEM: ${what}`)),
    mark(single(`${prefix}key <file>`, 'PEM: its private key')),
    single(`${prefix}passphrase-file <file>`, 'the passphrase of an encrypted key'),
  ]
}

function commonTlsOptions(): Option[] {
  return [
    choice('--min-version <version>', 'minimum TLS version: 1.2 or 1.3 (default: 1.2)', ['1.2', '1.3']),
    value('--alpn <names>', 'application protocols, the preferred one first, such as h2,http/1.1', readNames),
    new Option('--ignore-unexpected-eof', 'accept a TLS connection that ends without close_notify (ncat)'),
  ]
}

/** Reads the files and returns the TLS options of `send`. Without TLS, the options need `needs`. Throws `ERR_OPTION`. */
export async function readSendTls(
  options: SendTlsOptions,
  to: Address | undefined,
  needs = '--tls or --to tls://…',
): Promise<ClientTls | boolean> {
  const isOn = options.tls || to?.scheme === 'tls'
  if (!isOn) refuse(options, [...peerNames, ...identityNames, ...commonNames], needs)
  return isOn && readPeer(options, identityFiles(options, '--'))
}

/** Reads the files and returns the TLS options of a server. Throws `ERR_OPTION`. */
export async function readServerTls(
  options: ServerTlsOptions,
  listen: Address | undefined,
  target: Address | undefined,
): Promise<ServerSideTls> {
  const isOn = options.tls || listen?.scheme === 'tls'
  if (!isOn) refuse(options, [...identityNames, 'clientCa'], '--tls or a tls:// address to listen on')
  if (target?.scheme !== 'tls') refuse(options, [...peerNames, ...targetNames], 'a tls:// address to connect to')
  if (!isOn && target?.scheme !== 'tls') refuse(options, commonNames, '--tls or a tls:// address')
  return {
    ...(isOn && { tls: await readListener(options) }),
    ...(target?.scheme === 'tls' && { targetTls: await readPeer(options, identityFiles(options, '--target-')) }),
  }
}

const identityNames = ['cert', 'key', 'passphraseFile'] as const
const targetNames = ['targetCert', 'targetKey', 'targetPassphraseFile'] as const
const commonNames = ['minVersion', 'alpn', 'ignoreUnexpectedEof', 'handshakeTimeout'] as const
const peerNames = ['ca', 'pin', 'serverName', 'insecure'] as const

/** Rejects an option without effect: its user would rely on it. A disabled timeout is accepted. */
function refuse(options: ServerTlsOptions, names: readonly (keyof ServerTlsOptions)[], needs: string): void {
  const given = names.find(name => options[name] !== undefined && options[name] !== false && options[name] !== 0)
  if (given) fault(`${flagOf(given)} needs ${needs}`)
}

async function readListener(options: ServerTlsOptions): Promise<ServerTls> {
  const { minVersion, alpn, ignoreUnexpectedEof, clientCa } = options
  const auto = options.tls === 'auto'
  const identity = identityFiles(options, '--')
  const given = Object.values(identity).find(({ path }) => path !== undefined)
  if (auto && given) fault(`--tls auto and ${given.flag} exclude each other: auto generates its own certificate`)
  if (!auto && !given) fault('--tls needs --cert FILE and --key FILE; or use --tls auto, which generates them')
  const { checkServerTls } = await import('../lib/endpoints/tls/secure-context.js')
  const files = { ...identity, clientCa: { flag: '--client-ca', path: clientCa } }
  return checked(files, pems => ({ ...pems, auto, minVersion, alpn, ignoreUnexpectedEof }), checkServerTls)
}

async function readPeer(options: PeerOptions, identity: Files<'cert' | 'key' | 'passphrase'>): Promise<ClientTls> {
  const { ca, pin, serverName, insecure, minVersion, alpn, ignoreUnexpectedEof } = options
  if (insecure && (ca ?? pin) !== undefined)
    fault(`--insecure and --${ca ? 'ca' : 'pin'} exclude each other: --insecure verifies nothing`)
  const { clientContext } = await import('../lib/endpoints/tls/secure-context.js')
  const files = { ...identity, ca: { flag: '--ca', path: ca } }
  return checked(
    files,
    pems => ({ ...pems, pin, serverName, insecure, minVersion, alpn, ignoreUnexpectedEof }),
    clientContext,
  )
}

type Files<Name extends string> = Record<Name, { flag: string; path: string | undefined }>

function identityFiles(options: ServerTlsOptions, prefix: '--' | '--target-'): Files<'cert' | 'key' | 'passphrase'> {
  const own = prefix === '--'
  return {
    cert: { flag: `${prefix}cert`, path: own ? options.cert : options.targetCert },
    key: { flag: `${prefix}key`, path: own ? options.key : options.targetKey },
    passphrase: {
      flag: `${prefix}passphrase-file`,
      path: own ? options.passphraseFile : options.targetPassphraseFile,
    },
  }
}

/** Checks the files with the library, and names the option and the file in its errors. */
function checked<T>(
  files: Files<'cert' | 'key' | 'passphrase'>,
  make: (pems: Record<string, string | undefined>) => T,
  check: (options: T) => unknown,
): T {
  const { cert, key, passphrase } = files
  if (cert.path !== undefined && key.path === undefined) fault(`${cert.flag} needs ${key.flag}`)
  if (key.path !== undefined && cert.path === undefined) fault(`${key.flag} needs ${cert.flag}`)
  if (passphrase.path !== undefined && key.path === undefined) fault(`${passphrase.flag} needs ${key.flag}`)
  const options = make(readAll(files))
  try {
    check(options)
    return options
  } catch (error) {
    const [, name = '', rest] = /^(\w+): (.*)$/s.exec(errorMessage(error)) ?? []
    const file = (files as Files<string>)[name]
    if (!file) throw error
    throw new TcpPipeError('ERR_OPTION', `${file.flag} ${file.path}: ${rest}`, { cause: error })
  }
}

function readAll(files: Files<string>): Record<string, string | undefined> {
  const texts = Object.entries(files).map(([name, { flag, path }]) => {
    const text = path === undefined ? undefined : readText(flag, path)
    return [name, name === 'passphrase' ? text?.replace(/\r?\n$/, '') : text]
  })
  return Object.fromEntries(texts)
}

function readText(flag: string, path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new TcpPipeError('ERR_OPTION', `${flag}: ${path} cannot be read: ${errorMessage(cause)}`, { cause })
  }
}

function flagOf(name: string): string {
  return `--${name.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)}`
}

export function warnIfInsecure(log: Logger, { insecure }: PeerOptions): void {
  if (insecure) log.warn('--insecure: the server is not verified; anyone on the path can read and change all data')
}

function fault(message: string): never {
  throw new TcpPipeError('ERR_OPTION', message)
}
