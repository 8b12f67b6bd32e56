/** What the TLS options of a command say: checked, and with the files they name. */
import type { Address } from '../lib/endpoints/address.js'
import { usesTls } from '../lib/endpoints/tls/contexts.js'
import type { ClientTls, ServerTls } from '../lib/endpoints/tls/secure-context.js'
import type { Logger } from './log.js'
import { checked, type Files, fault, identityFiles } from './tls-files.js'
import type { PeerOptions, SendTlsOptions, ServerTlsOptions } from './tls-options.js'

export interface ServerSideTls {
  tls?: ServerTls
  targetTls?: ClientTls
}

/** Reads the files and returns the TLS options of `send`. Without TLS, the options need `needs`. Throws `ERR_OPTION`. */
export async function readSendTls(
  options: SendTlsOptions,
  to: Address | undefined,
  needs = '--tls or --to tls://…',
): Promise<ClientTls | boolean> {
  const isOn = options.tls || isSecure(to)
  if (!isOn) refuse(options, [...peerNames, ...identityNames, ...commonNames], needs)
  return isOn && readPeer(options, identityFiles(options, '--'))
}

/** Reads the files and returns the TLS options of a server. Throws `ERR_OPTION`. */
export async function readServerTls(
  options: ServerTlsOptions,
  listen: Address | undefined,
  target: Address | undefined,
): Promise<ServerSideTls> {
  const isOn = options.tls || isSecure(listen)
  const isTargetOn = isSecure(target)
  if (!isOn) refuse(options, [...identityNames, 'clientCa'], '--tls or a tls:// address to listen on')
  if (!isTargetOn) refuse(options, [...peerNames, ...targetNames], 'a tls:// address to connect to')
  if (!isOn && !isTargetOn) refuse(options, commonNames, '--tls or a tls:// address')
  return {
    ...(isOn && { tls: await readListener(options) }),
    ...(isTargetOn && { targetTls: await readPeer(options, identityFiles(options, '--target-')) }),
  }
}

function isSecure(address: Address | undefined): boolean {
  return address !== undefined && usesTls(address)
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

function flagOf(name: string): string {
  return `--${name.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)}`
}

export function warnIfInsecure(log: Logger, { insecure }: PeerOptions): void {
  if (insecure) log.warn('--insecure: the server is not verified; anyone on the path can read and change all data')
}
