/** `tcp-pipe explain`: the plan of a command, as text or JSON. It opens nothing and listens nowhere. */
import { Command, Option } from 'commander'
import { type Address, formatAddress } from '../lib/endpoints/address.js'
import { describePipeline, type PipelineDescription } from '../lib/stages/describe.js'
import { escapeLine } from '../lib/text/escape.js'
import { exactBytes, exactDuration } from '../lib/text/quantities.js'
import { items, valueName, withExamples } from './help.js'
import { ncCommand } from './nc.js'
import { pipeCommand } from './pipe.js'
import { type DirectionPlan, type Fact, type Origin, originOf, type Plan } from './plan.js'
import { proxyCommand } from './proxy.js'
import { sendCommand } from './send.js'
import { serveCommand } from './serve.js'

export function explainCommand(): Command {
  const command = new Command('explain').description(
    'Shows what serve, send, proxy, pipe or nc would do with the same words: endpoints, stages, limits, and where each value comes from.',
  )
  for (const make of [serveCommand, sendCommand, proxyCommand, pipeCommand])
    command.addCommand(make(show).addOption(jsonOption()))
  command.addCommand(ncCommand().addOption(jsonOption()))
  return withExamples(command.addOption(jsonOption()), [
    ["tcp-pipe explain serve 4000 -t 'gunzip | grep ERROR'", 'opens nothing'],
    ['tcp-pipe explain --json send --to example:7', 'for programs'],
  ])
}

const jsonOption = () => new Option('--json', 'write JSON')

async function show(plan: Plan): Promise<void> {
  const explanation = await explain(plan)
  const { json } = plan.command.optsWithGlobals<{ json?: boolean }>()
  const width = process.stdout.columns ?? 80
  process.stdout.write(json ? `${JSON.stringify(explanation, undefined, 2)}\n` : text(explanation, width))
}

interface Setting extends Fact {
  /** Milliseconds, bytes, or what else the library takes. */
  readonly given: unknown
}

export interface Explanation {
  readonly command: string
  readonly endpoints: readonly Fact[]
  readonly directions: readonly (Omit<DirectionPlan, 'transforms' | 'maxRecord'> & PipelineDescription)[]
  readonly settings: readonly Setting[]
}

/** The connection of a stage that never gets a byte. */
const nobody = { id: 'id', number: 1, remote: '127.0.0.1', port: 0 }

export async function explain({ command, facts }: Plan): Promise<Explanation> {
  const { endpoints, directions, defaults } = await facts()
  const described = directions.map(({ transforms, maxRecord, ...rest }) => ({
    ...rest,
    ...describePipeline(transforms, { ...nobody, direction: rest.name }, maxRecord),
  }))
  const record = described.find(each => each.maxRecord !== undefined)?.maxRecord
  return {
    command: command.name(),
    endpoints,
    directions: described,
    settings: settingsOf(command, { ...defaults, ...(record !== undefined && { maxRecord: record }) }),
  }
}

/** What is shown elsewhere: stages, and what only concerns this command. */
const elsewhere = [
  'json',
  'helpAll',
  'transform',
  'replyTransform',
  'both',
  'to',
  'output',
  'reply',
  'from',
  'also',
  'alsoSlow',
  'alsoFail',
]

/** What is not shown, since explanations are pasted elsewhere. */
const secret = ['uiToken']

/** Every option that is given, or has an effect without. */
function settingsOf(command: Command, defaults: Readonly<Record<string, unknown>>): Setting[] {
  return command.options.flatMap(option => {
    const name = option.attributeName()
    const origin = originOf(command, name)
    const typed = secret.includes(name) ? '…' : command.getOptionValue(name)
    const given = origin === 'default' ? defaults[name] : typed
    if (given === undefined || elsewhere.includes(name) || option.negate !== (given === false)) return []
    return [
      {
        name: option.long ?? option.flags,
        value: written(option, given),
        origin,
        given: given === Infinity ? null : given,
      },
    ]
  })
}

/** The value as the command line takes it. */
function written(option: Option, value: unknown): string {
  const name = valueName(option)
  if (name === 'time' && typeof value === 'number') return duration(option, value)
  if (name === 'bytes' && typeof value === 'number') return exactBytes(value)
  if (name === 'mode') return Number(value).toString(8)
  if (value === Infinity) return 'no limit'
  if (Array.isArray(value)) return value.join(', ')
  if (typeof value === 'object' && value !== null) return formatAddress(value as Address)
  return value === true ? 'yes' : String(value)
}

/** Every timeout but that for the drain is off at 0. */
function duration({ long }: Option, value: number): string {
  if (value === Infinity) return 'off'
  return value === 0 && long !== '--drain-timeout' ? 'off' : exactDuration(value)
}

const origins: Record<Origin, string> = { line: 'command line', environment: 'environment', default: 'default' }

/** The explanation in lines of this width. */
export function text({ command, endpoints, directions, settings }: Explanation, width: number): string {
  const facts = (list: readonly Fact[]) =>
    list.map(({ name, value, origin }) => [name, `${value} (${origins[origin]})`] as const)
  const parts = [
    `tcp-pipe ${command}\n${items(facts(endpoints), width)}`,
    ...directions.map(
      each => `${each.name}: ${each.from} → ${each.to} (${origins[each.origin]})\n${streams(each, width)}`,
    ),
    `Settings:\n${items(facts(settings), width)}`,
  ]
  return `${parts.join('\n\n').split('\n').map(escapeLine).join('\n')}\n`
}

type DirectionText = Pick<DirectionPlan, 'to'> & PipelineDescription

/** A row for each stream: the stages that are fused in it, with codecs and bounds. */
function streams({ streams, makesLines, to }: DirectionText, width: number): string {
  if (streams.length === 0) return '  bytes pass unchanged'
  const rows = streams.map(({ steps, buffers }, i) => {
    const stages = steps.filter(({ kind }) => kind === 'stage')
    const words = steps.map(({ kind, name, unit }) =>
      kind === 'stage' ? `${name} (takes ${taken[unit ?? 'bytes']})` : `${kind} ${unit}`,
    )
    const form = stages.length > 1 ? `${stages.length} stages in one stream; ` : ''
    const bound = `buffers up to ${exactBytes(buffers.input)} of input and ${exactBytes(buffers.output)} of output`
    return [`${i + 1}`, `${words.join(' → ')}; ${form}${bound}`] as const
  })
  const whole = to === 'stdout' ? ', which several connections on one stdout never split' : ''
  return items([...rows, ['=', makesLines ? `the result is lines${whole}` : 'the result is bytes']], width)
}

const taken = { bytes: 'bytes', line: 'lines', json: 'JSON values' }
