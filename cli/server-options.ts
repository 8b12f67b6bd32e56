/** The options of the commands that listen: their checks and defaults. */
import { Option } from 'commander'
import { type Address, defaultPort, formatAddress } from '../lib/endpoints/address.js'
import { defaultTimes } from '../lib/endpoints/endpoint.js'
import { parseIp } from '../lib/endpoints/ip.js'
import type { SessionKind } from '../lib/endpoints/session/hello.js'
import { usesTls } from '../lib/endpoints/tls/contexts.js'
import type { ClientTls, ListenOptions } from '../lib/index.js'
import type { Limits } from '../lib/serve.js'
import { TcpPipeError } from '../lib/text/errors.js'
import { readRules } from './access.js'
import { type ControlChoice, controlOption } from './control-option.js'
import { frequent, group } from './help.js'
import { bytes, count, duration, httpAddress, repeatable, value } from './options.js'
import { checkPage, type PageOptions, pageOptions } from './page-options.js'
import { type ProxyProtocolOptions, proxyProtocolOptions, readProxyProtocol } from './proxy-protocol-options.js'
import { checkSessions, type ReliableOptions, sessionDefaultsOf, sessionOptions } from './reliable-options.js'
import { readServerTls } from './tls.js'
import { type ServerTlsOptions, serverTlsOptions } from './tls-options.js'
import { checkWorkers, type WorkersOptions, workersOption } from './workers-options.js'

export interface ServerOptions
  extends ServerTlsOptions,
    PageOptions,
    ReliableOptions,
    ProxyProtocolOptions,
    WorkersOptions {
  once?: boolean
  chat?: boolean
  socketMode?: number
  ipv6Only?: boolean
  allow?: string[]
  deny?: string[]
  maxConnections?: number
  maxPerIp?: number
  maxBytes?: number
  maxDuration?: number
  connectTimeout?: number
  firstByteTimeout?: number
  idleTimeout?: number
  halfClosedTimeout?: number
  drainTimeout?: number
  maxRecord?: number
  metrics?: Address
  control?: ControlChoice
}

export function serverOptions(): Option[] {
  return [
    ...group('Where to listen:', [
      value('--socket-mode <mode>', 'permissions of a unix socket, such as 660 (default: from the umask)', readMode),
      new Option('--ipv6-only', 'do not accept IPv4 connections on [::]'),
    ]),
    ...group('Who may connect:', [
      frequent(
        repeatable('--allow <rule>', 'allow only these: an address, a CIDR, a range a-b or @file; may be repeated'),
      ),
      repeatable('--deny <rule>', 'deny these, even if --allow lists them; may be repeated'),
    ]),
    ...proxyProtocolOptions(),
    ...group('Limits:', [
      count('--max-connections <n>', 'reset further connections (default: from the limit of open files)', 1),
      count('--max-per-ip <n>', 'reset further connections from one address (default: no limit)', 1),
      bytes('--max-bytes <bytes>', 'reset a connection if a side sends more (default: no limit)', 1),
      duration('--max-duration <time>', 'reset a connection that lasts longer (default: off)'),
    ]),
    ...group('Timeouts (off disables one):', [
      duration('--connect-timeout <time>', 'to connect to the target (default: 10s)'),
      duration('--handshake-timeout <time>', 'for the whole TLS handshake (default: 10s)'),
      duration('--first-byte-timeout <time>', "for a client's first byte (default: off)"),
      frequent(duration('--idle-timeout <time>', 'without a byte (default: 10m)')),
      duration(
        '--half-closed-timeout <time>',
        'without a byte after one side has ended (default: that of --idle-timeout)',
      ),
      duration('--drain-timeout <time>', 'for connections to finish after SIGINT or SIGTERM (default: 10s)', Infinity),
    ]),
    ...sessionOptions(),
    ...group('Processes:', [workersOption()]),
    ...pageOptions(),
    ...group('Watching:', [controlOption()]),
    ...serverTlsOptions(),
    ...group('Metrics:', [
      httpAddress(
        '--metrics [address]',
        'serve metrics for Prometheus by HTTP: /metrics, /healthz and /readyz',
        '127.0.0.1:9464',
      ),
    ]),
  ]
}

function readMode(text: string): number {
  if (/^0?[0-7]{3}$/.test(text)) return Number.parseInt(text, 8)
  throw new TcpPipeError('ERR_OPTION', `'${text}' is not allowed; expected three octal digits, such as 660`)
}

/** The library options common to all servers. */
export type CommonOptions = ListenOptions & {
  connectTimeout?: number | undefined
  targetTls?: ClientTls | undefined
  sendProxyProtocol?: 'v1' | 'v2' | undefined
}

export interface Aims {
  listen: Address | undefined
  /** Where connections are forwarded. */
  target: Address | undefined
  /** How the command asks for sessions, if not by `--reliable`. */
  sessions?: string
}

/** Checks the options, reads their files, and returns the library options. Opens nothing. Throws `ERR_OPTION`. */
export async function resolveServer(
  options: ServerOptions,
  { listen, target, sessions }: Aims,
): Promise<CommonOptions> {
  const { once, socketMode, ipv6Only, maxConnections, maxPerIp, maxBytes, maxDuration, maxRecord } = options
  const { connectTimeout, handshakeTimeout, firstByteTimeout, idleTimeout, halfClosedTimeout } = options
  const { reliable, window, giveUpAfter, linkTimeout, sendProxyProtocol } = options
  const allow = options.allow && (await readRules('--allow', options.allow))
  const deny = options.deny && (await readRules('--deny', options.deny))
  const proxyProtocol = await readProxyProtocol(options)
  if (listen && !('host' in listen) && !proxyProtocol && (allow ?? deny ?? maxPerIp))
    throw new TcpPipeError(
      'ERR_OPTION',
      '--allow, --deny and --max-per-ip do not apply to a unix socket: its clients have no address',
    )
  checkListen(options, listen)
  checkSessions(options, [listen, target], sessions)
  checkPage(options)
  checkWorkers(options, listen)
  return {
    ...{ once, socketMode, ipv6Only, allow, deny, maxConnections, maxPerIp, maxBytes, maxDuration, maxRecord },
    ...{ connectTimeout, handshakeTimeout, firstByteTimeout, idleTimeout, halfClosedTimeout },
    ...{ reliable, window, giveUpAfter, linkTimeout, proxyProtocol, sendProxyProtocol },
    ...(await readServerTls(options, listen, target)),
  }
}

function checkListen({ socketMode, ipv6Only }: ServerOptions, listen: Address | undefined): void {
  const where = listen ? `; ${formatAddress(listen)} is another` : ''
  if (socketMode !== undefined && !(listen && 'path' in listen))
    throw new TcpPipeError(
      'ERR_OPTION',
      `--socket-mode needs the address of a unix socket, such as unix:/run/x${where}`,
    )
  if (ipv6Only && !(listen && 'host' in listen && parseIp(listen.host)?.family !== 4))
    throw new TcpPipeError('ERR_OPTION', `--ipv6-only needs an IPv6 address, such as [::]:${defaultPort}${where}`)
}

/** Milliseconds. */
export const defaultDrain = 10_000

/** The values of options that are not given, where they have an effect. */
export function serverDefaults(
  { idleTimeout, maxConnections }: Limits,
  listen: Address,
  target?: Address,
  kind: SessionKind = 'transfer',
) {
  const isTls = usesTls(listen) || (target !== undefined && usesTls(target))
  return {
    ...{ maxConnections, maxPerIp: 'no limit', maxBytes: 'no limit', maxDuration: 0 },
    ...{ firstByteTimeout: 0, idleTimeout, halfClosedTimeout: idleTimeout, drainTimeout: defaultDrain },
    ...(target && { connectTimeout: defaultTimes.connect }),
    ...(isTls && { handshakeTimeout: defaultTimes.handshake }),
    ...sessionDefaultsOf([listen, target], kind),
  }
}
