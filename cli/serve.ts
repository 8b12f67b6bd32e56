/** `tcp-pipe serve`. */

import { isatty } from 'node:tty'
import { Command } from 'commander'
import { type Address, addressForms, defaultHost, defaultPort } from '../lib/endpoints/address.js'
import { sourceAt } from '../lib/endpoints/open.js'
import type { Connection, Observer, Server } from '../lib/index.js'
import { resolveServe, type ServeOptions, serve } from '../lib/serve.js'
import type { ConnectionInfo } from '../lib/stages/context.js'
import { eachLine, type Stage } from '../lib/stages/stage.js'
import { errorCode, errorMessage } from '../lib/text/errors.js'
import { formatRemote } from '../lib/text/remote.js'
import { alsoSinks } from './also-options.js'
import { type Chat, notePeerEnd, openChat } from './chat.js'
import { withExamples } from './help.js'
import { isReported, type Logger, openLog } from './log.js'
import {
  addressFor,
  checkInputs,
  checkOutputFile,
  commonOptions,
  effectiveOptions,
  fileOrStdio,
  targetOf,
} from './options.js'
import { type Act, type Plan, run as runPlan } from './plan.js'
import { closedPipe, onStdoutError } from './process.js'
import { check, type Options, ownOptions } from './serve-options.js'
import { type Run, runServer } from './server.js'
import { type Aims, type CommonOptions, resolveServer, serverOptions } from './server-options.js'
import { escapedStdout, loadStages, terminalStages } from './stages.js'
import { withStats } from './stats.js'
import { spread } from './workers.js'

export function serveCommand(act: Act = runPlan): Command {
  const command = new Command('serve')
    .description(
      'Accepts connections and pipes their data through transforms to stdout, files, an address or back to the client.',
    )
    .argument('[address]', `${addressForms('listen')} (default: ${defaultHost}:${defaultPort})`, addressFor('listen'))
    .action(async (listen: Address | undefined) => act(await resolve(command, listen)))
  for (const option of [...ownOptions(), ...serverOptions()]) command.addOption(option)
  return withExamples(commonOptions(command), [
    ['tcp-pipe serve', `${defaultHost}:${defaultPort} to stdout`],
    ['tcp-pipe serve 0.0.0.0:4000 --transform hex', 'on all interfaces; a hex dump'],
    ["tcp-pipe serve -t 'gunzip | grep ERROR' -o 'logs/{remote}-{id}.log'"],
    ["tcp-pipe serve --reliable -o 'in/{name}'", 'whole files, with receipts'],
    ['tcp-pipe serve --chat', 'talk to the client, as nc -l does'],
    ['tcp-pipe serve --tls auto', 'encrypted; logs a pin for send'],
  ])
}

async function resolve(command: Command, listen: Address | undefined): Promise<Plan> {
  const options = effectiveOptions<Options>(command)
  check(options, listen)
  await checkOutputFile(targetOf(options))
  const transforms = await loadStages(options.transform)
  const replyTransforms = await loadStages(options.replyTransform)
  const size = await sizeOf(options.from)
  const aims = { listen, target: options.to }
  const common = await resolveServer(options, aims)
  const given: Given = {
    ...(listen && { listen }),
    ...common,
    ...(options.chat && { maxConnections: 1, idleTimeout: options.idleTimeout ?? 0 }),
    ...sinkOptions(options),
    transforms: info => [
      ...transforms(),
      ...labelStages(options, info),
      ...(writesToStdout(options) && !options.also ? terminalStages(options.raw) : []),
    ],
    ...fromOptions(options, replyTransforms),
  }
  const plan = await resolveServe(given)
  return {
    command,
    facts: async () => (await import('./serve-explanation.js')).serveFacts(command, options, given, plan),
    run: () => spread({ options, aims, given, plan }, (options, given) => run(options, aims, given, size)),
  }
}

/** The library options, all but those of a run. */
type Given = Omit<ServeOptions, 'transforms'> &
  CommonOptions & { readonly transforms: (info: ConnectionInfo) => Stage[] }

async function run(options: Options, aims: Aims, given: Given, size: number | undefined): Promise<void> {
  const logging = openLog(options)
  const { log, mute, observer } = logging
  const figures = await withStats(options, observer)
  const progress = await openProgress(options, size, log)
  if ((options.seat?.number ?? 1) === 1) warnOfCollisions(log, options)
  const chat = options.chat
    ? openChat(log, options.once, () => void listening.then(({ server }) => server.close({ drain: Infinity })))
    : undefined
  const start: Run['start'] = more =>
    serve({
      ...given,
      ...more,
      ...figures,
      ...(chat && { observer: greeting(chat, figures.observer) }),
      onConnection(connection) {
        more.onConnection?.(connection)
        progress?.watch(connection)
        chat?.watch(connection)
      },
      ...(chat && { from: chat.source, transforms: info => [notePeerEnd(log), ...given.transforms(info)] }),
    })
  const listening = runServer({ options, aims, common: given, log: logging, start })
  const over = () => chat?.close()
  listening.then(({ closed }) => closed).then(over, over)
  const { server, closed } = await listening
  await untilClosed(server, closed, log, mute)
}

/** After the line that a client has connected. */
function greeting(chat: Chat, observer: Observer): Observer {
  return {
    ...observer,
    opened(connection) {
      observer.opened?.(connection)
      chat.greet()
    },
  }
}

async function untilClosed(
  server: Pick<Server, 'close'>,
  closed: Promise<void>,
  log: Logger,
  mute: () => void,
): Promise<void> {
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
  const [stat] = await checkInputs(from === undefined || from === '-' ? [] : [from], '--from')
  return stat?.isFile() ? stat.size : undefined
}

/**
 * What goes to a client from --from, otherwise what comes. A terminal that shows the data needs no progress line, and one
 * that is typed at would mix it with what is typed.
 */
async function openProgress(options: Options, size: number | undefined, log: Logger) {
  const { progress, quiet, once, from, chat } = options
  const shows = writesToStdout(options) && process.stdout.isTTY
  const isTyped = chat || (from === '-' && isatty(0))
  const wanted = progress ?? (!quiet && !isTyped && (from !== undefined || (once && !shows)))
  if (!process.stderr.isTTY || !wanted) return undefined
  const { connectionsProgress } = await import('./progress.js')
  const direction = from === undefined ? 'forward' : 'reply'
  const bytes = (connection: Connection) =>
    connection.stats().directions.find(each => each.direction === direction)?.bytesIn ?? 0
  return connectionsProgress(bytes, size, summary => isReported(log, summary))
}

function writesToStdout({ reply, to, output = '-' }: Options): boolean {
  return !reply && !to && output === '-'
}

function sinkOptions(options: Options): Pick<ServeOptions, 'to' | 'also' | 'reply'> {
  const { also, raw, reply, append, force } = options
  // The further sinks get the bytes as they are.
  const isEscaped = also && writesToStdout(options) && process.stdout.isTTY && !raw
  const to = isEscaped ? escapedStdout : targetOf(options)
  return { ...(reply && { reply }), ...(to && { to }), ...alsoSinks(options, { append, force }) }
}

type FromOptions = Pick<ServeOptions, 'from' | 'replyTransforms' | 'onEof' | 'onPeerEnd'>

/** With --chat, a run opens stdin. */
function fromOptions({ from, chat, onEof, onPeerEnd }: Options, replyTransforms: () => Stage[]): FromOptions {
  if (chat) return { from: () => '', replyTransforms }
  return from ? { from: () => sourceAt(fileOrStdio(from)), replyTransforms, onEof, onPeerEnd } : {}
}

function labelStages({ label }: Options, info: ConnectionInfo): Stage[] {
  return label ? [eachLine(line => `${formatRemote(info)} ${line}`)] : []
}

function warnOfCollisions(log: Logger, { output = '', once, append }: Options): void {
  if (once || append || !output.includes('{remote}') || output.includes('{id}')) return
  const advice = 'add {id} to the name, or use --append'
  log.warn({ output }, `--output: connections from one address can get the same file name; ${advice}`)
}
