/** `tcp-pipe send`. */

import { isIP } from 'node:net'
import { ReadStream } from 'node:tty'
import { Command, Option } from 'commander'
import { type Address, addressForms, defaultHost, defaultPort, formatAddress } from '../lib/endpoints/address.js'
import type { Source } from '../lib/endpoints/endpoint.js'
import { checkFiles, concatenate } from '../lib/endpoints/file/file-source.js'
import { sourceAt } from '../lib/endpoints/open.js'
import { send } from '../lib/send.js'
import { errorCode, errorMessage, TcpPipeError } from '../lib/text/errors.js'
import { type Logger, type LogOptions, openLog } from './log.js'
import {
  address,
  bytes,
  choice,
  commonOptions,
  count,
  duration,
  effectiveOptions,
  fileOrStdio,
  group,
  rawOption,
  repeatable,
} from './options.js'
import { closedPipe, dieOf, onSignals, onStdoutError } from './process.js'
import { loadStages } from './stages.js'
import { terminalStages } from './terminal.js'
import { readSendTls, type SendTlsOptions, sendTlsOptions, warnIfInsecure } from './tls.js'

interface Options extends LogOptions, SendTlsOptions {
  to?: Address
  transform?: string[]
  replyTransform?: string[]
  bind?: Address
  4?: boolean
  6?: boolean
  connectTimeout?: number
  idleTimeout?: number
  maxDuration?: number
  retry?: number
  onEof?: 'half-close' | 'close'
  wait?: number
  size?: number
  progress?: boolean
  raw?: boolean
  maxRecord?: number
}

const examples = `Examples:
  cat file | tcp-pipe send                                   stdin to ${defaultHost}:${defaultPort}
  tcp-pipe send a.bin b.bin --to 127.0.0.1:4000 -t gzip      one after the other, as cat does
  echo hello | tcp-pipe send --to example:7                  the reply is printed
  tcp-pipe send file --to tls://host:4000 --pin sha256//…    encrypted, to the server with this key
`

export function sendCommand(): Command {
  const command = new Command('send')
    .summary('connect and send: files or stdin, transforms, socket; the reply goes to stdout')
    .description(
      'Sends files or stdin through transforms to an address, prints the reply, and ends when the peer has taken all of it.',
    )
    .argument('[files...]', "sent one after the other; '-' is stdin (default)")
    .addHelpText('before', examples)
    .addOption(address('--to <address>', `${addressForms('dial')} (default: ${defaultHost}:${defaultPort})`, 'dial'))
    .addOption(repeatable('-t, --transform <spec>', "stages joined by '|'; may be repeated"))
    .addOption(repeatable('-r, --reply-transform <spec>', 'stages between the peer and stdout'))
    .addOption(address('--bind <address>', "source address, as '127.0.0.2:0'", 'dial'))
    .addOption(new Option('-4', 'IPv4 only').conflicts('6'))
    .addOption(new Option('-6', 'IPv6 only'))
    .addOption(count('--retry <n>', 'further attempts to connect, with growing waits (default: 0)', 0))
    .addOption(
      choice(
        '--on-eof <action>',
        "at the end of the input: half-close and wait for the peer's end, or close (default: half-close)",
        ['half-close', 'close'],
      ),
    )
    .addOption(bytes('--size <bytes>', 'of what a pipe will give, for the progress line'))
    .addOption(new Option('--progress', 'show progress on stderr (default: if it is a terminal)'))
    .addOption(new Option('--no-progress', 'show none'))
    .addOption(rawOption())
    .action((files: string[]) => run(command, files))
  const options = [
    ...group('Timeouts; off turns one off:', [
      duration('--connect-timeout <time>', 'for each attempt (default: 10s)'),
      duration('--handshake-timeout <time>', 'for a TLS handshake, all of it (default: 10s)'),
      duration('--idle-timeout <time>', 'without a byte in either direction (default: off)'),
      duration('--wait <time>', "for the peer's end after ours (default: off)"),
      duration('--max-duration <time>', 'cut a connection that lasts longer (default: off)'),
    ]),
    ...sendTlsOptions(),
  ]
  for (const option of options) command.addOption(option)
  return commonOptions(command)
}

async function run(command: Command, files: string[]): Promise<void> {
  const options = effectiveOptions<Options>(command)
  check(options, files)
  const transforms = await loadStages(options.transform)
  const replyTransforms = await loadStages(options.replyTransform)
  const tls = await readSendTls(options, options.to)
  const known = await totalSize(files)
  const size = options.size ?? known
  const from = sourceOf(files)
  const { log, mute } = openLog(options, () => progress?.clear())
  const progress = await openProgress(options, from, size)
  warnIfInsecure(log, options)
  const abort = new AbortController()
  let killedBy: NodeJS.Signals | undefined

  // A clean end would make the peer believe that it has everything: an interrupted send is a reset.
  const stop = onSignals(
    signal => {
      killedBy = signal
      abort.abort()
    },
    () => abort.abort(),
  )
  onStdoutError(
    () => {
      process.exitCode = closedPipe
      log.info('stdout was closed by its reader')
      mute()
    },
    () => {},
  )
  try {
    const { to, bind, connectTimeout, handshakeTimeout, idleTimeout, maxDuration } = options
    const { retry, onEof, wait, maxRecord } = options
    const { warnings } = await send({
      ...{ to, bind, connectTimeout, handshakeTimeout, idleTimeout, maxDuration, retry, onEof, wait, maxRecord },
      tls,
      from,
      transforms,
      replyTransforms: () => [...replyTransforms(), ...terminalStages(options.raw, () => progress?.clear())],
      family: options[4] ? 4 : options[6] ? 6 : undefined,
      signal: abort.signal,
      log,
      onConnect: () => progress?.start(),
    })
    if (warnings.length > 0) process.exitCode = 1
  } catch (error) {
    // What ended a connection is in its own line already.
    if (!killedBy && !hasSummary(error)) logFailure(log, error)
    process.exitCode ??= 1
  } finally {
    progress?.stop()
    from.destroy()
    stop()
  }
  if (killedBy) dieOf(killedBy)
}

function logFailure(log: Logger, error: unknown): void {
  log.error({ error: errorMessage(error), code: errorCode(error) }, 'cannot connect')
}

function hasSummary(error: unknown): boolean {
  return error instanceof Error && 'summary' in error
}

function sourceOf(files: string[]): Source {
  const sources = (files.length > 0 ? files : ['-']).map(file => () => sourceAt(fileOrStdio(file)))
  return sources.length === 1 ? (sources[0] as () => Source)() : concatenate(sources)
}

/** The size of all that will be sent, if it is known. */
async function totalSize(files: string[]): Promise<number | undefined> {
  const stats = await checkFiles(files.filter(file => file !== '-'))
  const known = files.length > 0 && !files.includes('-') && stats.every(stat => stat.isFile())
  return known ? stats.reduce((sum, stat) => sum + stat.size, 0) : undefined
}

async function openProgress({ progress, quiet }: Options, source: Source, size: number | undefined) {
  const wanted = progress ?? !(quiet || source instanceof ReadStream) // what is typed would stand in the line
  if (!process.stderr.isTTY || !wanted) return undefined
  const { createProgress } = await import('./progress.js')
  return createProgress(source, size)
}

function check(options: Options, files: string[]): void {
  const { to, bind } = options
  if (files.filter(file => file === '-').length > 1) fault("'-' is given twice: stdin can be read once")
  if (bind && bind.scheme !== 'tcp') fault(`--bind: ${formatAddress(bind)} is not allowed; expected host:port`)
  for (const [name, address] of Object.entries({ '--to': to, '--bind': bind })) {
    const version = address && 'host' in address ? isIP(address.host) : 0
    const asked = options[4] ? 4 : options[6] ? 6 : version
    if (version > 0 && asked !== version)
      fault(`-${asked} and ${name} ${formatAddress(address as Address)} exclude each other: that is IPv${version}`)
  }
}

function fault(message: string): never {
  throw new TcpPipeError('ERR_OPTION', message)
}
