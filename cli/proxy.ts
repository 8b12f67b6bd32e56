/** `tcp-pipe proxy`. */
import { Command, Option } from 'commander'
import { type Address, addressForms } from '../lib/endpoints/address.js'
import { type ProxyOptions, proxy, resolveProxy } from '../lib/proxy.js'
import { TcpPipeError } from '../lib/text/errors.js'
import { frequent, withExamples } from './help.js'
import { type LogOptions, openLog } from './log.js'
import { addressFor, commonOptions, effectiveOptions, value } from './options.js'
import { type Act, type Plan, run as runPlan } from './plan.js'
import { type Run, runServer } from './server.js'
import { type Aims, type CommonOptions, resolveServer, type ServerOptions, serverOptions } from './server-options.js'
import { loadStages } from './stages.js'
import { withStats } from './stats.js'
import { spread } from './workers.js'

interface Options extends LogOptions, ServerOptions {}

/** Stages and their directions. */
interface Stages {
  readonly spec: string
  readonly isFor: 'forward' | 'reply' | 'both'
}

export function proxyCommand(act: Act = runPlan): Command {
  const stages: Stages[] = []
  const command = new Command('proxy')
    .description(
      'Connects each client to the target and pipes both directions through transforms. Passes on half-closes and resets.',
    )
    .usage('[options] <listen> <target>')
    .argument('[listen]', `where to listen: ${addressForms('listen')}`)
    .argument('[target]', 'the server to connect to, in the same forms')
    .action(async (listen?: string, target?: string) => act(await resolve(command, listen, target, stages)))
  const own = [
    stagesOption('-t, --transform <spec>', "client to target: stages joined by '|'; may be repeated", 'forward'),
    stagesOption('-r, --reply-transform <spec>', 'target to client, in the same way', 'reply'),
    stagesOption('-b, --both <spec>', 'both directions; -t, -r and -b stages run in the order given', 'both'),
    new Option('--once', 'stop after the first connection'),
  ]
  for (const option of [...own.map(frequent), ...serverOptions()]) command.addOption(option)
  return withExamples(commonOptions(command), [
    ['tcp-pipe proxy 6380 127.0.0.1:6379 --both dump', 'watch Redis'],
    ["tcp-pipe proxy 8080 example:80 -t 'throttle rate=64k' -r 'delay latency=200ms jitter=50ms'"],
    ['tcp-pipe proxy 5432 reliable://far:3099', 'a connection that survives its link'],
    ["tcp-pipe proxy 5433 db:5432 -r 'cut on=COMMIT nth=3'"],
  ])

  function stagesOption(flags: string, description: string, isFor: Stages['isFor']): Option {
    return value(flags, description, spec => {
      stages.push({ spec, isFor })
      return spec
    })
  }
}

async function resolve(
  command: Command,
  listen: string | undefined,
  target: string | undefined,
  stages: readonly Stages[],
): Promise<Plan> {
  const options = effectiveOptions<Options>(command)
  const [address, to] = addresses(listen, target)
  const specs = (direction: Stages['isFor']) =>
    stages.filter(({ isFor }) => isFor === direction || isFor === 'both').map(({ spec }) => spec)
  const transforms = await loadStages(specs('forward'))
  const replyTransforms = await loadStages(specs('reply'))
  const aims = { listen: address, target: to, sessions: 'an address reliable://…' }
  const common = await resolveServer(options, aims)
  const given = { listen: address, ...common, to, transforms, replyTransforms }
  const plan = await resolveProxy(given)
  return {
    command,
    facts: async () => (await import('./proxy-explanation.js')).proxyFacts(command, options, given, plan),
    run: () => spread({ options, aims, given, plan }, (options, given) => run(options, aims, given)),
  }
}

async function run(options: Options, aims: Aims, given: CommonOptions & ProxyOptions): Promise<void> {
  const log = openLog(options)
  const figures = await withStats(options, log.observer)
  const faults = options.ui && (await import('./faults.js')).faults
  const start: Run['start'] = more => proxy({ ...given, ...more, ...figures })
  const { closed } = await runServer({ options, aims, common: given, log, start, ...(faults && { faults }) })
  await closed
}

/** Requires both: a single address would be ambiguous. */
function addresses(listen: string | undefined, target: string | undefined): [Address, Address] {
  if (listen !== undefined && target !== undefined) return [addressFor('listen')(listen), addressFor('dial')(target)]
  const given = listen === undefined ? 'got none' : `got only '${listen}'`
  const expected = 'LISTEN and TARGET, such as: tcp-pipe proxy 6380 127.0.0.1:6379'
  throw new TcpPipeError('ERR_OPTION', `proxy needs two addresses, ${given}; expected ${expected}`)
}
