/** `tcp-pipe send`. */

import { isIP } from 'node:net'
import { isatty, ReadStream } from 'node:tty'
import { Command } from 'commander'
import { type Address, defaultPort, formatAddress } from '../lib/endpoints/address.js'
import type { Source } from '../lib/endpoints/endpoint.js'
import { concatenate } from '../lib/endpoints/file/file-source.js'
import { openSource, sourceAt } from '../lib/endpoints/open.js'
import type { Connection } from '../lib/index.js'
import { checkSendOptions } from '../lib/send/options.js'
import { send } from '../lib/send.js'
import { TcpPipeError } from '../lib/text/errors.js'
import { notePeerEnd, noteTyped } from './chat.js'
import { withExamples, withNote } from './help.js'
import { isReported, openLog } from './log.js'
import { checkInputs, commonOptions, effectiveOptions, fileOrStdio } from './options.js'
import { checkPage, pageOptions } from './page-options.js'
import { type Act, type Plan, run as runPlan } from './plan.js'
import { onClosedStdout, onSignals } from './process.js'
import { checkSessions, isReliable, sendReliableOptions } from './reliable-options.js'
import { report } from './report.js'
import { type Given, type Options, ownOptions, timeoutOptions } from './send-options.js'
import { openPage } from './send-page.js'
import { loadStages, terminalStages } from './stages.js'
import { withStats } from './stats.js'
import { readSendTls, warnIfInsecure } from './tls.js'
import { sendTlsOptions } from './tls-options.js'

const note =
  "Exit code 0 after the line 'the peer ended after it', or with --reliable: tcp-pipe at the other end has taken " +
  'everything. Another program has only closed the connection without an error.'

export function sendCommand(act: Act = runPlan): Command {
  const command = new Command('send')
    .description(
      'Sends files or stdin through transforms to an address, prints the reply, and exits when both sides have ended.',
    )
    .argument('[files...]', "files to send in turn; '-' is stdin (default)")
    .action(async (files: string[]) => act(await resolve(command, files)))
  const options = [
    ...ownOptions(),
    ...timeoutOptions(),
    ...sendReliableOptions(),
    ...pageOptions(),
    ...sendTlsOptions(),
  ]
  for (const option of options) command.addOption(option)
  withExamples(commonOptions(command), [
    ['cat file | tcp-pipe send', `stdin to port ${defaultPort}`],
    ['tcp-pipe send a.bin b.bin --to 127.0.0.1:4000 -t gzip', 'one after the other'],
    ['echo hello | tcp-pipe send --to example:7', 'print the reply'],
    ['tcp-pipe send --reliable photos/ a.tar', 'with a receipt each'],
    ['tcp-pipe send file --to tls://host:4000 --pin sha256//…', 'only to this server'],
  ])
  return withNote(command, note)
}

async function resolve(command: Command, files: string[]): Promise<Plan> {
  const options = effectiveOptions<Options>(command)
  if (options.from || options.follow) return (await import('./send-from.js')).sendFrom(command, options, files)
  check(options, files)
  const transforms = await loadStages(options.transform)
  const replyTransforms = await loadStages(options.replyTransform)
  const tls = await readSendTls(options, options.to)
  const { to, bind, connectTimeout, handshakeTimeout, idleTimeout, maxDuration } = options
  const { retry, retryInterval, onEof = options.receiveOnly ? 'keep' : undefined, onPeerEnd, wait, maxRecord } = options
  const given: Given = {
    ...{ to, bind, connectTimeout, handshakeTimeout, idleTimeout, maxDuration, retry, retryInterval, onEof, onPeerEnd },
    ...{ wait, maxRecord, tls },
    ...(options.transform && { transforms }), // without any, the size of a file is the size of the transfer
    replyTransforms: () => [...replyTransforms(), ...terminalStages(options.raw)],
    family: options[4] ? 4 : options[6] ? 6 : undefined,
  }
  if (isReliable(options, to)) return (await import('./send-reliable.js')).reliablePlan(command, options, given, files)
  const known = await totalSize(files)
  const address = checkSendOptions(given)
  return {
    command,
    facts: async () => (await import('./send-explanation.js')).sendFacts(command, options, given, address, files),
    run: () => run(options, given, files, options.size ?? known),
  }
}

async function run(options: Options, given: Given, files: string[], size: number | undefined): Promise<void> {
  const logging = openLog(options, { sender: { ending: endingOf(options) } })
  const { log, mute, observer } = logging
  const { page, connected } = await openPage(options, logging) // before stdin is read: it would keep the process alive
  const from = options.receiveOnly ? openSource('') : sourceOf(files)
  const figures = await withStats(options, observer)
  const progress = await openProgress(options, files, from, size)
  warnIfInsecure(log, options)
  const isTyped = from instanceof ReadStream
  const abort = new AbortController()
  let connection: Connection | undefined
  onClosedStdout(log, mute)
  const sent = send({
    ...{ ...given, from, signal: abort.signal, log, ...figures },
    replyTransforms: () => [...(isTyped ? [notePeerEnd(log)] : []), ...given.replyTransforms()],
    onConnect(opened) {
      connection = opened
      connected(opened)
      noteTyped(log, from)
      progress?.start()
    },
  })
  const over = report(sent, log, abort.signal).then(summary => {
    progress?.stop(summary !== undefined && isReported(log, summary))
    from.destroy()
    page?.close()
  })
  // An interrupted send resets: a clean end would tell the peer that it has everything.
  const stop = onSignals({
    reset(signal) {
      if (connection) connection.reset(`interrupted by ${signal}`)
      else abort.abort()
      return over
    },
  })
  await over
  stop()
}

/** How a transfer ended that succeeded. Only an end after ours can mean that the peer has taken everything. */
function endingOf({ onEof, receiveOnly }: Options): (closedBy: unknown) => string {
  if (onEof === 'close') return () => "closed without waiting for the peer's end"
  if (receiveOnly || onEof === 'keep') return () => 'the peer ended it'
  return closedBy => `the peer ended ${closedBy === 'peer' ? 'first' : 'after it'}`
}

function sourceOf(files: string[]): Source {
  const sources = (files.length > 0 ? files : ['-']).map(file => () => sourceAt(fileOrStdio(file)))
  return sources.length === 1 ? (sources[0] as () => Source)() : concatenate(sources)
}

/** The total size of the input, if known. */
async function totalSize(files: string[]): Promise<number | undefined> {
  const stats = await checkInputs(files.filter(file => file !== '-'))
  const known = files.length > 0 && !files.includes('-') && stats.every(stat => stat.isFile())
  return known ? stats.reduce((sum, stat) => sum + stat.size, 0) : undefined
}

async function openProgress(
  { progress, quiet, receiveOnly }: Options,
  files: string[],
  source: Source,
  size: number | undefined,
) {
  const isTyped = isatty(0) && (files.length === 0 || files.includes('-')) // it would mix with the line
  const wanted = progress ?? !(quiet || receiveOnly || isTyped)
  if (!process.stderr.isTTY || !wanted) return undefined
  const { createProgress } = await import('./progress.js')
  return createProgress({ bytes: () => source.bytesRead ?? 0, size: () => size })
}

function check(options: Options, files: string[]): void {
  const { to, bind } = options
  checkPage(options)
  checkSessions(options, [to])
  checkReceiveOnly(options, files)
  if (files.filter(file => file === '-').length > 1) fault("'-' is given twice; stdin can be read only once")
  if (bind && bind.scheme !== 'tcp') fault(`--bind: ${formatAddress(bind)} is not allowed; expected host or host:port`)
  for (const [name, address] of Object.entries({ '--to': to, '--bind': bind })) {
    const version = address && 'host' in address ? isIP(address.host) : 0
    const asked = options[4] ? 4 : options[6] ? 6 : version
    if (version > 0 && asked !== version)
      fault(
        `-${asked} and ${name} ${formatAddress(address as Address)} exclude each other: the address is IPv${version}`,
      )
  }
}

/** Rejects what concerns the input: its user would rely on it. */
function checkReceiveOnly({ receiveOnly, transform, size, onEof, onPeerEnd }: Options, [file]: string[]): void {
  if (!receiveOnly) return
  const given = { [`file '${file}'`]: file, '--transform': transform, '--size': size, '--on-peer-end': onPeerEnd }
  const [name] = Object.entries(given).find(([, value]) => value !== undefined) ?? []
  if (name) fault(`--receive-only and ${name} exclude each other: it sends nothing`)
  if (onEof !== undefined && onEof !== 'keep')
    fault(`--receive-only and --on-eof ${onEof} exclude each other: it ends after the peer; expected keep`)
}

function fault(message: string): never {
  throw new TcpPipeError('ERR_OPTION', message)
}
