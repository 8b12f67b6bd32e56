/** Faults: transforms that a page switches on and off. Each is a segment of its own, behind all others. */
import { quoted } from '../faults/trigger.js'
import { lazyStream } from '../stages/compose.js'
import type { ConnectionInfo } from '../stages/context.js'
import type { TransformEntry } from '../stages/define.js'
import type { Recipe, Stage } from '../stages/stage.js'
import type { Direction } from '../stats/snapshot.js'
import type { FaultNote } from '../stats/summary.js'
import { errorMessage, TcpPipeError } from '../text/errors.js'
import type { Option, OptionSchema } from '../text/option.js'
import { type Chains, chainOf, directions, made } from './chains.js'
import { integer, membersOf, object, text, word } from './members.js'
import { Refusal } from './refusal.js'

/** A fault that can be switched on. */
export interface FaultKind {
  readonly name: string
  readonly summary: string
  readonly options: readonly FaultOption[]
}

/** An option of a fault; its value is a text, as on the command line. */
export interface FaultOption {
  readonly name: string
  readonly summary: string
  readonly required: boolean
  readonly positional: boolean
  readonly default: string | null
  /** What is allowed, in words. */
  readonly allowed: string
  /** All texts that are allowed, if they are few and fixed. */
  readonly words?: readonly string[]
}

/** A fault that is switched on. */
export interface FaultInfo {
  readonly id: string
  readonly name: string
  readonly direction: Direction
  readonly options: Readonly<Record<string, string>>
  /** The number of the only connection that it applies to. */
  readonly connection: number | null
  /** The same as text. */
  readonly spec: string
  /** How often it has fired. */
  readonly fired: number
}

/** Each method throws or rejects with a Refusal, or with the error of the transform, if the request cannot be done. */
export interface Faults {
  available(): readonly FaultKind[]
  on(): readonly FaultInfo[]
  /** Without an id, it gets the next one. */
  switchOn(request: unknown, id?: string): Promise<FaultInfo>
  switchOff(id: string): Promise<void>
  /** Switches all off. */
  close(): Promise<void>
}

/** The most faults at the same time. */
const most = 32

/** Offers these transforms as faults. */
export function openFaults(chains: Chains, entries: readonly TransformEntry[]): Faults {
  const state: State = {
    chains,
    entries: new Map(entries.map(entry => [entry.definition.name, entry])),
    on: new Map(),
    lastId: 0,
  }
  return {
    available: () => entries.map(kindOf),
    on: () => [...state.on.values()].map(infoOf),
    switchOn: (request, id) => switchOn(state, request, id),
    switchOff: id => switchOff(state, id),
    async close() {
      await Promise.allSettled([...state.on.keys()].map(id => switchOff(state, id)))
    },
  }
}

interface State {
  readonly chains: Chains
  readonly entries: ReadonlyMap<string, TransformEntry>
  readonly on: Map<string, Fault>
  lastId: number
}

interface Fault {
  readonly info: FaultInfo
  readonly segment: string
  fired: number
}

function kindOf({ definition: { name, summary, options } }: TransformEntry): FaultKind {
  return { name, summary, options: Object.entries(offered(options)).map(describeOption) }
}

/** A fault has a connection of its own. */
function offered({ connection, ...options }: OptionSchema = {}): OptionSchema {
  return options
}

function describeOption([name, option]: [string, Option]): FaultOption {
  const { summary, required, positional, default: value, allowed, words } = option
  const text = value === undefined ? null : option.format(value)
  return { name, summary, required, positional, default: text, allowed, ...(words && { words }) }
}

function infoOf({ info, fired }: Fault): FaultInfo {
  return { ...info, fired }
}

async function switchOn(state: State, request: unknown, id = String(state.lastId + 1)): Promise<FaultInfo> {
  const { entries, chains, on } = state
  const names = [...entries.keys()]
  const members = { name: word(names), direction: word(directions), options: object, connection: integer(1) }
  const { name, direction, options = {}, connection = null } = membersOf(request, members)
  if (name === undefined) throw new Refusal(400, `name is missing; expected ${names.join(', ')}`)
  const chain = chainOf(chains, direction)
  const entry = entries.get(name) as TransformEntry
  const texts = textsOf(entry, options)
  const recipe = entry.recipe(valuesOf(entry, texts))
  if (on.size >= most) throw new Refusal(409, `${most} faults are on; switch one off first`)
  state.lastId++
  const spec = specOf(entry, texts)
  const info = { id, name, direction: direction as Direction, options: texts, connection, spec, fired: 0 }
  const fault: Fault = { info, segment: `fault-${id}-${name}`, fired: 0 }
  on.set(id, fault)
  try {
    await made(chain.set(fault.segment, stagesOf(fault, recipe)))
  } catch (error) {
    on.delete(id)
    throw error
  }
  return infoOf(fault)
}

/** The options that are given; null counts as not given. */
function textsOf({ definition }: TransformEntry, options: Readonly<Record<string, unknown>>): Record<string, string> {
  const schema = offered(definition.options)
  const members = Object.fromEntries(Object.keys(schema).map(key => [key, text('a text')]))
  return membersOf(options, members, 'option') as Record<string, string>
}

/** Throws as `spec` does for the same texts. */
function valuesOf({ definition: { name, options = {} } }: TransformEntry, texts: Readonly<Record<string, string>>) {
  return Object.fromEntries(
    Object.entries(texts).map(([key, value]) => {
      try {
        return [key, (options[key] as Option).parse(value)]
      } catch (error) {
        throw new TcpPipeError('ERR_OPTION', `${name} ${key}: ${errorMessage(error)}`)
      }
    }),
  )
}

function specOf(
  { definition: { name, options = {} } }: TransformEntry,
  texts: Readonly<Record<string, string>>,
): string {
  const words = Object.entries(texts).map(([key, value]) =>
    options[key]?.rest ? quoted(value) : `${key}=${quoted(value)}`,
  )
  return [quoted(name), ...words].join(' ')
}

/** In other connections than its own it is no stage at all. */
function stagesOf(fault: Fault, recipe: Recipe): (info: ConnectionInfo) => Stage[] {
  const { connection } = fault.info
  return info => (connection === null || connection === info.number ? [lazyStream([counted(fault, recipe)])] : [])
}

/** Counts how often it fires. */
function counted(fault: Fault, recipe: Recipe): Recipe {
  return {
    ...recipe,
    create(context) {
      const noteFault = (note: FaultNote) => {
        fault.fired++
        context.noteFault(note)
      }
      return recipe.create(Object.create(context, { noteFault: { value: noteFault } }))
    },
  }
}

async function switchOff({ chains, on }: State, id: string): Promise<void> {
  const fault = on.get(id)
  if (!fault) throw new Refusal(404, `there is no fault '${id.slice(0, 100)}'`)
  const chain = chainOf(chains, fault.info.direction)
  if (chain.list().includes(fault.segment)) await made(chain.remove(fault.segment))
  on.delete(id)
}
