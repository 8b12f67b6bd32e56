/** `tcp-pipe check`: whether addresses can be connected to. */
import { Command, Option } from 'commander'
import { type Address, addressForms, bindAddress, formatAddress } from '../lib/endpoints/address.js'
import type { DialOptions } from '../lib/endpoints/endpoint.js'
import { targetContext, usesTls } from '../lib/endpoints/tls/contexts.js'
import { TcpPipeError } from '../lib/text/errors.js'
import { escapeJson, escapeLine } from '../lib/text/escape.js'
import { formatDuration } from '../lib/text/quantities.js'
import { inWords } from './advice.js'
import { frequent, group, withExamples } from './help.js'
import { addressFor, duration, effectiveOptions, value } from './options.js'
import { type Finding, probe, type TlsFinding } from './probe.js'
import { readSendTls } from './tls.js'
import { type SendTlsOptions, sendTlsOptions } from './tls-options.js'
import { wrap } from './wrap.js'

interface Options extends SendTlsOptions {
  bind?: Address
  4?: boolean
  6?: boolean
  connectTimeout?: number
  banner?: boolean
  wait?: number
  json?: boolean
  quiet?: boolean
}

/** Maximum number of ports in one call. */
const maxPorts = 256

/** The number of addresses that are tried at the same time. */
const atOnce = 32

/** Milliseconds to wait for a banner. */
const bannerTime = 2000

export function checkCommand(): Command {
  const command = new Command('check')
    .description('Connects to each address and closes. Sends no data. Exits with 0 if all are open, otherwise with 1.')
    .argument('<addresses...>', `${addressForms('dial')}; the port may be a range, such as 8000-8010`)
    .action((texts: string[]) => run(command, texts))
  for (const option of [...ownOptions(), ...sendTlsOptions().filter(({ long }) => long !== '--tls')])
    command.addOption(option)
  return withExamples(command, [
    ['tcp-pipe check db:5432 cache:6379', 'exit 0 if both are open, otherwise 1'],
    ['tcp-pipe check localhost:8000-8010', 'a range of ports of one host'],
    ['tcp-pipe check tls://example:443', 'the certificate, whether it verifies'],
    ['tcp-pipe check --banner mail:25', 'the first bytes that the server sends'],
  ])
}

function ownOptions(): Option[] {
  return [
    frequent(new Option('--banner', 'print the first bytes that the server sends')),
    frequent(new Option('--json', 'print one JSON object per address')),
    frequent(new Option('-q, --quiet', 'print nothing; the exit code tells')),
    ...group('Connecting:', [
      value('--bind <address>', "source address, such as '127.0.0.2' or '127.0.0.2:4000'", bindAddress),
      frequent(new Option('-4', 'IPv4 only').conflicts('6')),
      frequent(new Option('-6', 'IPv6 only')),
    ]),
    ...group('Timeouts (off disables one):', [
      frequent(duration('--connect-timeout <time>', 'to connect (default: 10s)')),
      duration('--handshake-timeout <time>', 'for the whole TLS handshake (default: 10s)'),
      frequent(duration('--wait <time>', 'for the first bytes, with --banner (default: 2s)')),
    ]),
  ]
}

async function run(command: Command, texts: string[]): Promise<void> {
  const options = effectiveOptions<Options>(command)
  const addresses = texts.flatMap(expand).map(addressFor('dial'))
  check(options, addresses)
  const settings = await dialOptions(options, addresses)
  const form = {
    width: Math.max(...addresses.map(each => formatAddress(each).length)),
    wait: options.wait ?? bannerTime,
  }
  let isOpen = true
  let isClosed = false
  process.stdout.on('error', () => {
    isClosed = true // `main` sets the exit code at the first error; later writes fail, too
  })
  for await (const finding of inOrder(addresses, settings, options)) {
    if (isClosed) break
    isOpen &&= finding.state === 'open'
    if (!options.quiet)
      process.stdout.write(
        options.json ? json(finding) : text(finding, options.banner ? form : { ...form, wait: undefined }),
      )
  }
  if (!isOpen) process.exitCode ??= 1
}

/** `host:8000-8010` → one text per port. Throws `ERR_OPTION`. */
function expand(text: string): string[] {
  const [, before, first, last] = /^(|(?!.*unix:).*:)(\d+)-(\d+)$/.exec(text) ?? []
  if (before === undefined) return [text]
  const [low, high] = [Number(first), Number(last)]
  if (low > high || low < 1 || high > 65_535)
    fault(`'${text}' is not a range of ports; expected one such as ${before}8000-8010, from 1 to 65535`)
  const size = high - low + 1
  const why = 'check is for services that you know, not to scan a network'
  if (size > maxPorts) fault(`'${text}' has ${size} ports; at most ${maxPorts} are allowed: ${why}`)
  return Array.from({ length: size }, (_, i) => `${before}${low + i}`)
}

function check({ banner, wait }: Options, addresses: readonly Address[]): void {
  if (wait !== undefined && !banner) fault('--wait needs --banner: it is the time for the first bytes')
  if (addresses.length > maxPorts) fault(`${addresses.length} addresses; at most ${maxPorts} are allowed in one call`)
}

async function dialOptions(options: Options, addresses: readonly Address[]): Promise<DialOptions> {
  const { bind, connectTimeout, handshakeTimeout } = options
  if (bind && bind.scheme !== 'tcp') fault(`--bind: ${formatAddress(bind)} is not allowed; expected host or host:port`)
  const secure = addresses.find(usesTls)
  const tls = await readSendTls(options, secure, 'an address tls://…')
  const context = await targetContext(secure, typeof tls === 'object' ? tls : undefined)
  const family = options[4] ? 4 : options[6] ? 6 : undefined
  return { connectTimeout, handshakeTimeout, family, tls: context, bind }
}

/** The findings, in the order of the addresses. */
async function* inOrder(
  addresses: readonly Address[],
  { tls, ...settings }: DialOptions,
  { banner, wait = bannerTime }: Options,
): AsyncGenerator<Finding> {
  const running: Promise<Finding>[] = []
  for (const address of addresses) {
    const own = usesTls(address) ? { ...settings, tls } : settings
    running.push(probe(address, { ...own, banner: banner ? wait : undefined }))
    if (running.length === atOnce) yield running.shift() as Promise<Finding>
  }
  yield* running
}

function json(finding: Finding): string {
  return `${escapeJson(JSON.stringify(finding))}\n`
}

/** The least columns of a text beside what it is about. With fewer, it stands below. */
const narrowest = 20

interface Form {
  /** The columns of the longest address. */
  readonly width: number
  /** How long a banner was waited for; undefined if none was asked for. */
  readonly wait: number | undefined
}

function text(finding: Finding, { width, wait }: Form): string {
  const { address, state, connectTime, handshakeTime, tls, error } = finding
  const columns = process.stdout.isTTY ? process.stdout.columns || 80 : Number.POSITIVE_INFINITY
  const times = [
    connectTime === undefined ? '' : `connected in ${connectTime} ms`,
    handshakeTime === undefined ? '' : `TLS handshake in ${handshakeTime} ms`,
    error !== undefined && error === tls?.problem ? refusal(tls) : inWords(error ?? ''),
  ]
  const details = [...(tls ? tlsRows(tls) : []), ...(wait === undefined ? [] : bannerRows(finding, wait))]
  const lines = [
    ...beside(`${address.padEnd(width)}  ${state.padEnd(6)}  `, times.filter(Boolean).join(', '), columns),
    ...details.flatMap(([name = '', fact = '']) => beside(`    ${name.padEnd(8)}  `, fact, columns)),
  ]
  return lines.map(line => `${line}\n`).join('')
}

/** A text beside its start, wrapped between words. One that is a single word, such as a pin, is not broken. */
function beside(start: string, text: string, columns: number): string[] {
  const [head, body] = [escapeLine(start), escapeLine(text)]
  if (!body.includes(' ')) return [head + body]
  const isNarrow = columns - head.length < narrowest
  const indent = isNarrow ? 6 : head.length
  const lines = wrap(body, columns - indent).split('\n')
  const rest = lines.map(line => ' '.repeat(indent) + line)
  return isNarrow ? [head.trimEnd(), ...rest] : [head + lines[0], ...rest.slice(1)]
}

function bannerRows({ banner, state, ended }: Finding, wait: number): string[][] {
  if (banner !== undefined) return [['banner', banner]]
  if (state !== 'open') return []
  return [['banner', ended ? 'none: the server ended its side' : `none came in ${formatDuration(wait)}`]]
}

function refusal({ pinned }: TlsFinding): string {
  return pinned === false ? 'the pin does not match' : 'the certificate does not verify'
}

function tlsRows(facts: TlsFinding): string[][] {
  const { protocol, cipher, alpn, subject, issuer, names, validTo, pin, pinned, verified, problem } = facts
  return [
    ['protocol', [protocol, cipher, ...(alpn ? [`ALPN ${alpn}`] : [])].join(', ')],
    ['subject', subject],
    ['issuer', issuer],
    ['names', names],
    ['expires', `${validTo.toISOString().slice(0, 10)}, ${distance(validTo)}`],
    ['verified', verified ? `yes${pinned ? ', the pin matches' : ''}` : `no: ${problem}`],
    ['pin', pin],
  ]
}

function distance(date: Date): string {
  const days = Math.floor((date.getTime() - Date.now()) / 86_400_000)
  return days < 0 ? `${-days} days ago` : `in ${days} days`
}

function fault(message: string): never {
  throw new TcpPipeError('ERR_OPTION', message)
}
