/** The TLS options of commands. */
import { Option } from 'commander'
import { parsePins } from '../lib/endpoints/tls/pin.js'
import { TcpPipeError } from '../lib/text/errors.js'
import { frequent, group } from './help.js'
import { choice, single, value } from './options.js'

/** Options for the peer we connect to, and for both sides. */
export interface PeerOptions {
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

export function sendTlsOptions(): Option[] {
  return group('TLS:', [
    frequent(new Option('--tls', 'use TLS, same as --to tls://…')),
    ...peerOptions(frequent),
    ...ownTlsOptions(),
  ])
}

/** For a command whose addresses say whether they use TLS. */
export function dialTlsOptions(): Option[] {
  return group('TLS:', [...peerOptions(), ...ownTlsOptions()])
}

function ownTlsOptions(): Option[] {
  return [...identityOptions('--', 'our certificate, if the server requests one'), ...commonTlsOptions()]
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
  const what = 'use TLS; auto generates a certificate, logs its pin'
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
      single('--pin <pins>', 'sha256//…[;…]: require one of these public keys', text => {
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
