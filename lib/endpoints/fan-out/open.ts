/** Opens the sinks of a fan-out for one connection. */
import { Writable } from 'node:stream'
import type { Logger } from '../../stages/context.js'
import type { Address } from '../address.js'
import type { Sink, SinkContext } from '../endpoint.js'
import { type FurtherSink, fanOut } from '../fan-out.js'
import { sharedSink } from '../stdio.js'
import { DropSink } from './drop-sink.js'
import type { OpenSink } from './late-sink.js'
import type { AlsoPlan } from './options.js'
import { openSpool, type Spool } from './spool/spool.js'

export interface Opening {
  readonly id: string
  readonly spools: Spools
  readonly log?: Logger | undefined
  /** Aborts when the connection is over. */
  readonly signal: AbortSignal
  /** Opens an address as a sink of the connection. */
  open(address: Address, signal: AbortSignal): Promise<Sink>
}

/** By the sinks that have them. */
export type Spools = ReadonlyMap<AlsoPlan, Spool>

/** The connection of a spool may be over when the spool is delivered. */
const nobody: SinkContext = { id: 'spool', remote: 'spool', port: undefined }

/** Opens the spools of a server. `openFor` returns how to open an address as a sink. */
export async function openSpools(
  plans: readonly AlsoPlan[],
  openFor: (from: SinkContext) => Opening['open'],
  log: Logger | undefined,
): Promise<Spools> {
  const spools = new Map<AlsoPlan, Spool>()
  const open = openFor(nobody)
  try {
    for (const plan of plans)
      if (plan.spool) {
        const settings = {
          to: plan.name,
          totals: plan.totals,
          dial: (signal: AbortSignal) => open(plan.to as Address, signal),
          log,
        }
        spools.set(plan, await openSpool({ ...plan.spool, ...settings }))
      }
  } catch (error) {
    await closeSpools(spools)
    throw error
  }
  return spools
}

export async function closeSpools(spools: Spools): Promise<void> {
  await Promise.all([...spools.values()].map(spool => spool.close()))
}

/**
 * Opens the further sinks beside the main one, at the same time. Waits for those that may slow down the connection, since
 * data must not come before they are open. If one fails that ends the connection, what opens is destroyed.
 */
export async function openFanOut(main: Promise<Sink>, plans: readonly AlsoPlan[], opening: Opening): Promise<Sink> {
  const further = plans.map(plan => openFurther(plan, opening))
  const sinks = [main, ...further.map(each => each.then(({ sink }) => sink))].map(watched)
  try {
    await Promise.all(sinks)
    return fanOut(await main, await Promise.all(further), opening.log)
  } catch (error) {
    for (const sink of sinks)
      sink.then(
        each => each.destroy(error as Error),
        () => {},
      )
    throw error
  }
}

/** A sink that fails while others open is found by the fan-out. */
async function watched(sink: Promise<Sink>): Promise<Sink> {
  return (await sink).on('error', () => {})
}

async function openFurther(plan: AlsoPlan, opening: Opening): Promise<FurtherSink> {
  const { name: to, slow, fail, totals } = plan
  const spool = opening.spools.get(plan)
  if (spool) return { to, fail, sink: spool.sink(opening.id, opening.log) }
  const open: OpenSink = signal => openOne(plan.to, opening, signal)
  if (slow === 'drop') return { to, fail, sink: new DropSink(open, { to, totals, log: opening.log }) }
  const sink = open(opening.signal)
  return { to, fail, sink: fail === 'end' ? await sink : await sink.catch(failedSink) }
}

async function openOne(to: Address | Writable, { open }: Opening, signal: AbortSignal): Promise<Sink> {
  return 'scheme' in to ? open(to, signal) : sharedSink(to)
}

function failedSink(error: Error): Sink {
  return new Writable().on('error', () => {}).destroy(error)
}
