/** A plan: what a command does, resolved from its words and its environment, but not begun. It opens nothing. */
import type { Command } from 'commander'
import type { Transforms } from '../lib/stages/transforms.js'

/** Where a value comes from. */
export type Origin = 'line' | 'environment' | 'default'

export interface Fact {
  readonly name: string
  readonly value: string
  readonly origin: Origin
}

export interface DirectionPlan {
  readonly name: 'forward' | 'reply'
  readonly from: string
  readonly to: string
  readonly transforms: Transforms | undefined
  readonly maxRecord: number | undefined
  readonly origin: Origin
}

/** What a command does, for a reader. */
export interface Facts {
  readonly endpoints: readonly Fact[]
  readonly directions: readonly DirectionPlan[]
  /** By attribute name, the values of options that are not given and have an effect. */
  readonly defaults: Readonly<Record<string, unknown>>
}

/** What `explain` shows and `run` does: both from the same values. */
export interface Plan {
  /** With its parsed options, which know their origin. */
  readonly command: Command
  facts(): Promise<Facts>
  run(): Promise<void>
}

/** What to do with the plan of a command. */
export type Act = (plan: Plan) => Promise<void>

export const run: Act = plan => plan.run()

/** Returns the origin of the first of these options that is given. */
export function originOf(command: Command, ...names: readonly string[]): Origin {
  const sources = names.map(name => command.getOptionValueSource(name))
  return sources.includes('cli') ? 'line' : sources.includes('env') ? 'environment' : 'default'
}
