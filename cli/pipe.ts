/** `tcp-pipe pipe`. */
import { isatty } from 'node:tty'
import { Command } from 'commander'
import type { Address } from '../lib/endpoints/address.js'
import { usesTls } from '../lib/endpoints/tls/contexts.js'
import type { Connection, PipeOptions } from '../lib/index.js'
import { type PipePlan, resolvePipe } from '../lib/pipe/options.js'
import { pipe } from '../lib/pipe.js'
import { withExamples, withNote } from './help.js'
import { isReported, openLog } from './log.js'
import { checkInputs, checkOutputFile, commonOptions, effectiveOptions, targetOf } from './options.js'
import { check, fromAddress, fromForms, type Options, ownOptions, secureEnd } from './pipe-options.js'
import { type Act, type Plan, run as runPlan } from './plan.js'
import { onClosedStdout, onSignals } from './process.js'
import { report } from './report.js'
import { loadStages, terminalStages } from './stages.js'
import { withStats } from './stats.js'
import { readSendTls, warnIfInsecure } from './tls.js'

const note =
  'Both directions run if both ends are given and have two: connections, and - as stdin with stdout. ' +
  'A signal ends a pipe that would go on for ever (--follow, --rotate, nats://) after what was read; any other is reset.'

export function pipeCommand(act: Act = runPlan): Command {
  const command = new Command('pipe')
    .description('Moves data from any end to any other, through transforms, and exits when both have ended.')
    .argument('<from>', `where it comes from: ${fromForms}`, fromAddress)
    .action(async (from: Address) => act(await resolve(command, from)))
  for (const option of ownOptions()) command.addOption(option)
  withExamples(commonOptions(command), [
    ['tcp-pipe pipe file:a.log --to 10.0.0.7:4000 -t gzip', 'a file to an address'],
    ['tcp-pipe pipe - --to tls://example:443', 'stdin and stdout, as nc does'],
    ['tcp-pipe pipe listen:4000 --to listen:4001', 'joins two clients'],
    ["tcp-pipe pipe file:app.log --follow -o 'app-{time}.gz' -t gzip --rotate 1h"],
  ])
  return withNote(command, note)
}

async function resolve(command: Command, given: Address): Promise<Plan> {
  const options = effectiveOptions<Options>(command)
  check(options, given)
  const from = given.scheme === 'file' ? { ...given, follow: options.follow } : given
  if (from.scheme === 'file' && !options.follow) await checkInputs([from.path])
  const to = targetOf(options)
  await checkOutputFile(to)
  const transforms = await loadStages(options.transform)
  const replyTransforms = await loadStages(options.replyTransform)
  const { rotate, rotateSize, oneWay, connectTimeout, handshakeTimeout, idleTimeout } = options
  const { retry, retryInterval, maxRecord } = options
  const tls = await readSendTls(options, secureEnd(from, to), 'an end tls://…')
  const isShown = to === undefined || to.scheme === 'stdio'
  const own: PipeOptions = {
    ...{ from, to, rotate, rotateSize, oneWay, connectTimeout, handshakeTimeout, idleTimeout, retry, retryInterval },
    ...{ maxRecord, transforms: () => [...transforms(), ...(isShown ? terminalStages(options.raw) : [])] },
    ...(options.replyTransform && { replyTransforms }),
    ...(typeof tls === 'object' && usesTls(from) && { tls }),
    ...(typeof tls === 'object' && to && usesTls(to) && { targetTls: tls }),
  }
  return pipePlan(command, options, own)
}

/** The plan of a command that is a pipe. */
export async function pipePlan(command: Command, options: Options, own: PipeOptions): Promise<Plan> {
  const plan = await resolvePipe(own)
  return {
    command,
    facts: async () => (await import('./pipe-explanation.js')).pipeFacts(command, options, own, plan),
    run: () => run(options, own, plan),
  }
}

async function run(options: Options, own: PipeOptions, { from, isBothWays }: PipePlan): Promise<void> {
  const { log, mute, observer } = openLog(options, { isMover: !isBothWays })
  warnIfInsecure(log, options)
  const { measure, observer: observed } = await withStats(options, isBothWays ? observer : {})
  const [stop, abort] = [new AbortController(), new AbortController()]
  const connections = new Set<Connection>()
  let hasConnected = false
  let before = 0 // the bytes of the parts that have ended
  const moved = () => sum([before, ...[...connections].map(each => each.stats().bytesIn)])
  const progress = await openProgress(options, from, moved)
  onClosedStdout(log, mute)
  const piped = pipe({
    ...{ ...own, log, measure, observer: observed, stop: stop.signal, signal: abort.signal },
    onConnection(connection) {
      if (!hasConnected) progress?.start()
      hasConnected = true
      connections.add(connection)
      void connection.closed.then(({ warnings, bytesIn }) => {
        connections.delete(connection)
        before += bytesIn
        if (warnings.length > 0) process.exitCode = 1 // of any part; the summary is that of the last one
      })
    },
  })
  const over = report(piped, log, abort.signal, () => hasConnected).then(summary => {
    progress?.stop(summary !== undefined && isReported(log, summary))
  })
  const drain = (signal: string) => {
    log.info({ signal }, 'ending after what was read')
    stop.abort()
  }
  const reset = (signal: string) => {
    for (const connection of connections) connection.reset(`interrupted by ${signal}`)
    abort.abort()
    return over
  }
  const release = onSignals({ ...(isEndless(own) && { drain }), reset })
  await over
  release()
}

/** It would go on for ever: a signal is its ordinary end. */
function isEndless({ from, rotate, rotateSize }: PipeOptions): boolean {
  const { scheme, follow } = from as { scheme: string; follow?: boolean }
  return scheme === 'nats' || follow === true || rotate !== undefined || rotateSize !== undefined
}

async function openProgress({ progress, quiet }: Options, from: Address, bytes: () => number) {
  const isTyped = from.scheme === 'stdio' && isatty(0) // it would mix with the line
  const wanted = progress ?? !(quiet || isTyped || process.stdout.isTTY)
  if (!process.stderr.isTTY || !wanted) return undefined
  const { createProgress } = await import('./progress.js')
  return createProgress({ bytes, size: () => undefined })
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0)
}
