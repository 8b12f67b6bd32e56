/** `tcp-pipe serve`. */

import { statSync } from 'node:fs'
import { Command, Option } from 'commander'
import { type Address, addressForms, defaultHost, defaultPort } from '../lib/endpoints/address.js'
import { checkFiles } from '../lib/endpoints/file/file-source.js'
import { checkOutput, sourceAt } from '../lib/endpoints/open.js'
import type { Connection } from '../lib/index.js'
import { type ServeOptions, serve } from '../lib/serve.js'
import type { ConnectionInfo } from '../lib/stages/context.js'
import { eachLine, type Stage } from '../lib/stages/stage.js'
import { errorCode, errorMessage, TcpPipeError } from '../lib/text/errors.js'
import { formatRemote } from '../lib/text/remote.js'
import { isTemplate } from '../lib/text/template.js'
import { notePeerEnd, openChat } from './chat.js'
import { type Logger, type LogOptions, openLog } from './log.js'
import {
  address,
  addressFor,
  choice,
  commonOptions,
  effectiveOptions,
  fileOrStdio,
  rawOption,
  repeatable,
} from './options.js'
import { closedPipe, onStdoutError } from './process.js'
import { runServer, type ServerOptions, serverOptions } from './server.js'
import { loadStages } from './stages.js'
import { terminalStages } from './terminal.js'

interface Options extends LogOptions, ServerOptions {
  transform?: string[]
  output?: string
  to?: Address
  reply?: boolean
  from?: string
  replyTransform?: string[]
  onEof?: 'half-close' | 'keep'
  onPeerEnd?: 'send' | 'stop'
  append?: boolean
  force?: boolean
  label?: boolean
  raw?: boolean
  progress?: boolean
}

const examples = `Examples:
  tcp-pipe serve                                   listen on 127.0.0.1:${defaultPort}, write to stdout
  tcp-pipe serve 0.0.0.0:4000 --transform hex      listen on all interfaces, write a hex dump
  tcp-pipe serve -t 'gunzip | grep ERROR' -o 'logs/{remote}-{id}.log'
  tcp-pipe serve --reply -t 'hex plain=true'       send the result back to the client
  tcp-pipe serve --from file                       send the file to each client
  tcp-pipe serve --chat                            talk to the client, as nc -l does
  tcp-pipe serve --tls auto                        encrypted; logs a pin for send --pin
`

export function serveCommand(): Command {
  const command = new Command('serve')
    .summary('accept connections and pipe them through transforms to stdout, files, an address or back')
    .description(
      'Accepts connections and pipes their data through transforms to stdout, files, an address or back to the client.',
    )
    .argument('[address]', `${addressForms('listen')} (default: ${defaultHost}:${defaultPort})`, addressFor('listen'))
    .addHelpText('before', examples)
    .addOption(repeatable('-t, --transform <spec>', "stages joined by '|'; may be repeated"))
    .option(
      '-o, --output <file>',
      "write to a file; {id} {remote} {port} {time} in its name are replaced; '-' is stdout (default)",
    )
    .addOption(address('--to <address>', 'send the result to an address, one way', 'dial'))
    .option('--reply', 'send the result back to the client')
    .option('--from <file>', "send this file to each client; '-' is stdin, with --once")
    .addOption(
      repeatable(
        '-r, --reply-transform <spec>',
        "stages between --from and the client, joined by '|'; may be repeated",
      ),
    )
    .addOption(
      choice(
        '--on-eof <action>',
        'at the end of --from: half-close, or keep our side open until the client ends (default: half-close)',
        ['half-close', 'keep'],
      ),
    )
    .addOption(
      choice('--on-peer-end <action>', 'at the end of the client: send the rest of --from, or stop (default: send)', [
        'send',
        'stop',
      ]),
    )
    .option('--chat', 'send stdin to the client, write what it sends to stdout; one client at a time')
    .option('--once', 'stop after the first connection')
    .option('--append', 'append to existing output files')
    .option('--force', 'replace existing output files')
    .option('--label', 'put the connection before each line')
    .addOption(new Option('--progress', 'show progress after a second (default: with --once or --from, on a terminal)'))
    .addOption(new Option('--no-progress', 'do not show progress'))
    .addOption(rawOption())
    .action((listen: Address | undefined) => run(command, listen))
  for (const option of serverOptions()) command.addOption(option)
  return commonOptions(command)
}

async function run(command: Command, listen: Address | undefined): Promise<void> {
  const options = effectiveOptions<Options>(command)
  check(options)
  await checkFile(options)
  const transforms = await loadStages(options.transform)
  const replyTransforms = await loadStages(options.replyTransform)
  const size = await sizeOf(options.from)
  const toStdout = !options.reply && !options.to && (options.output ?? '-') === '-'
  const progress = await openProgress(options, toStdout, size)
  const { log, mute, observer } = openLog(options, progress?.clear)
  warnOfCollisions(log, options)
  const chat = options.chat
    ? openChat(log, options.once, () => void listening.then(({ server }) => server.close({ drain: Infinity })))
    : undefined
  const listening = runServer(options, { listen, target: options.to }, log, common =>
    serve({
      ...(listen && { listen }),
      ...common,
      observer,
      ...(chat && { maxConnections: 1, idleTimeout: options.idleTimeout ?? 0 }),
      onConnection(connection) {
        common.onConnection?.(connection)
        progress?.watch(connection)
        chat?.watch(connection)
      },
      ...sinkOptions(options),
      transforms: info => [
        ...(chat ? [notePeerEnd(log)] : []),
        ...transforms(),
        ...labelStages(options, info),
        ...(toStdout ? terminalStages(options.raw) : []),
      ],
      ...fromOptions(options, replyTransforms),
      ...(chat && { from: chat.source, replyTransforms }),
    }),
  )
  const over = () => chat?.close()
  listening.then(({ closed }) => closed).then(over, over)
  const { server, closed } = await listening
  const stopAt = (code: number) => {
    process.exitCode = code
    mute()
    void server.close({ drain: 0 })
  }
  onStdoutError(
    () => {
      log.info('stdout was closed by its reader')
      stopAt(closedPipe)
    },
    error => {
      log.error({ error: errorMessage(error), code: errorCode(error) }, 'stdout failed')
      stopAt(1)
    },
  )
  await closed
}

/** The size of a regular file. */
async function sizeOf(from: string | undefined): Promise<number | undefined> {
  const [stat] = await checkFiles(from === undefined || from === '-' ? [] : [from])
  return stat?.isFile() ? stat.size : undefined
}

/** What goes to a client from --from, otherwise what comes. A terminal that shows the data needs no progress line. */
async function openProgress(
  { progress, quiet, once, from, chat }: Options,
  toStdout: boolean,
  size: number | undefined,
) {
  const wanted = progress ?? (!quiet && !chat && (from !== undefined || (once && !(toStdout && process.stdout.isTTY))))
  if (!process.stderr.isTTY || !wanted) return undefined
  const { connectionsProgress } = await import('./progress.js')
  const direction = from === undefined ? 'forward' : 'reply'
  const bytes = (connection: Connection) =>
    connection.stats().directions.find(each => each.direction === direction)?.bytesIn ?? 0
  return connectionsProgress(bytes, size)
}

function sinkOptions({ to, reply, output = '-', append, force }: Options): Pick<ServeOptions, 'to' | 'reply'> {
  if (reply) return { reply }
  if (to) return { to }
  return output === '-' ? {} : { to: { scheme: 'file', path: output, append, force } }
}

function fromOptions({ from, onEof, onPeerEnd }: Options, replyTransforms: () => Stage[]): Partial<ServeOptions> {
  return from ? { from: () => sourceAt(fileOrStdio(from)), replyTransforms, onEof, onPeerEnd } : {}
}

function labelStages({ label }: Options, info: ConnectionInfo): Stage[] {
  return label ? [eachLine(line => `${formatRemote(info)} ${line}`)] : []
}

function check(options: Options): void {
  const { output, to, reply, from, replyTransform, onEof, onPeerEnd, once, append, force, connectTimeout } = options
  checkChat(options)
  for (const [name, value] of Object.entries({ '--output': output, '--from': from })) {
    if (value === '') fault(`${name}: '' is not allowed; expected a file name or '-'`)
  }
  const sinks = Object.entries({ '--output': output, '--to': to, '--reply': reply }).filter(([, given]) => given)
  if (sinks.length > 1)
    fault(`${sinks.map(([name]) => name).join(' and ')} exclude each other: the result goes to one place`)
  if (reply && from) fault('--reply and --from exclude each other: both would write to the client')
  if (replyTransform && !from && !options.chat)
    fault('--reply-transform needs --from or --chat: it transforms what goes to the client')
  for (const [name, value] of Object.entries({ '--on-eof': onEof, '--on-peer-end': onPeerEnd }))
    if (value && !from) fault(`${name} needs --from: it concerns that file`)
  if (connectTimeout !== undefined && !to) fault('--connect-timeout needs --to: it applies to that address')
  if (from === '-' && !once) fault('--from - needs --once: stdin can be sent to only one client')
  const toFile = output !== undefined && output !== '-'
  if ((append || force) && !toFile) fault(`${append ? '--append' : '--force'} needs --output FILE`)
  if (append && force) fault('--append and --force exclude each other')
  if (toFile && !once && !append && !isTemplate(output) && !isDevice(output)) {
    fault(
      `--output ${output}: several connections need a placeholder ({id} {remote} {port} {time}) in the name, --once or --append`,
    )
  }
}

/** Before anything listens: a file that cannot be written would fail every connection. */
async function checkFile({ output = '-', append, force }: Options): Promise<void> {
  if (output === '-') return
  await checkOutput({ scheme: 'file', path: output, append, force }).catch(error => {
    throw new TcpPipeError('ERR_OPTION', `--output: ${errorMessage(error)}`, { cause: error })
  })
}

function warnOfCollisions(log: Logger, { output = '', once, append }: Options): void {
  if (once || append || !output.includes('{remote}') || output.includes('{id}')) return
  const advice = 'add {id} to the name, or use --append'
  log.warn({ output }, `--output: connections from one address can get the same file name; ${advice}`)
}

function checkChat({ chat, output, to, reply, from, maxConnections }: Options): void {
  const rivals = {
    '--output': output,
    '--to': to,
    '--reply': reply,
    '--from': from,
    '--max-connections': maxConnections,
  }
  const [name] = Object.entries(rivals).find(([, given]) => given) ?? []
  if (chat && name) fault(`--chat and ${name} exclude each other: it joins stdin and stdout to one client at a time`)
}

/** A device or a FIFO accepts data from all connections. */
function isDevice(path: string): boolean {
  const stat = statSync(path, { throwIfNoEntry: false })
  return stat !== undefined && !stat.isFile() && !stat.isDirectory()
}

function fault(message: string): never {
  throw new TcpPipeError('ERR_OPTION', message)
}
