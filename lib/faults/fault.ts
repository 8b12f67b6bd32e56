/** A deliberate fault of a stage: in which connection it occurs, with which chance, and how it is reported. */

import type { Context } from '../stages/context.js'
import { TcpPipeError } from '../text/errors.js'
import { chance } from './chance.js'
import { openTrigger, type Trigger, type TriggerValues, triggerText } from './trigger.js'

/** The options of `faultStage`. */
export interface FaultOptions {
  /** The name of the transform. */
  readonly name: string
  /** The values of the trigger options, which `create` of the transform receives. */
  readonly values: TriggerValues
  /** The second argument of `create`. */
  readonly context: Context
  /** Whether the fault needs the byte at its place. It then waits for that byte, also with `at`. */
  readonly needsByte: boolean
}

/** A fault in one stream: its places and its reports. */
export interface Fault extends Pick<Trigger, 'places' | 'position'> {
  /** Reports that the fault occurred after `offset` bytes. */
  fire(offset: number): void
  /** Returns the error of a stage that fails after `offset` bytes (`ERR_FAULT`). */
  error(offset: number): TcpPipeError
  /** Returns a number from 0 to 1 (exclusive) for a block or match, a different one for each `use`. */
  chance(index: number, use: number): number
  /** Ends the fault; may be called repeatedly. Warns if the fault never occurred. */
  over(): void
}

/**
 * Returns the stage that `make` creates for the fault. With the option `connection`, other connections get a stage that
 * passes all data unchanged. Chance depends only on the seed, the number of the connection, the direction, and the
 * number of the block or match.
 */
export function faultStage<Stage>(
  options: FaultOptions,
  make: (fault: Fault) => Stage,
): Stage | ((chunk: Buffer) => Buffer) {
  const { values, context } = options
  const { number = 1 } = context.connection ?? {}
  return values.connection === undefined || values.connection === number ? make(openFault(options)) : chunk => chunk
}

function openFault({ name, values, context, needsByte }: FaultOptions): Fault {
  const { probability, seed = Math.floor(Math.random() * 2 ** 32) } = values
  const { number = 1, direction } = context.connection ?? {}
  const text = triggerText(name, values)
  let fired = false
  let isOver = false
  let isRandom = false

  function throwOf(index: number, use: number): number {
    isRandom = true
    return chance(seed, number, direction === 'reply' ? 1 : 0, index, use)
  }

  const isChosen = (index: number) => throwOf(index, 0) < (probability as number)
  const { places, position, missing } = openTrigger(values, { needsByte, isChosen })

  function fire(offset: number): void {
    fired = true
    context.noteFault({ fault: name, offset, direction, ...(isRandom && { seed }) })
  }

  function error(offset: number): TcpPipeError {
    const where = direction === undefined ? '' : ` in the ${direction} direction`
    return new TcpPipeError('ERR_FAULT', `fault${where}: ${text} at byte ${offset}${isRandom ? `, seed=${seed}` : ''}`)
  }

  function over(): void {
    const isMissed = !isOver && !fired && probability === undefined && !context.replaced.aborted
    isOver = true
    if (isMissed) context.warn(`${direction === undefined ? '' : `${direction}: `}${text} never fired: ${missing()}`)
  }

  return { places, position, fire, error, chance: throwOf, over }
}
