/** The chains whose stages a page may change. */
import { setImmediate } from 'node:timers/promises'
import type { Chain } from '../connection/chain.js'
import type { Direction } from '../stats/snapshot.js'
import { Refusal } from './refusal.js'

/** Those of a proxy, for example. */
export type Chains = Readonly<Partial<Record<Direction, Chain>>>

export const directions = ['forward', 'reply'] as const

/** The chain of a direction, which a request names. */
export function chainOf(chains: Chains, direction: Direction | undefined): Chain {
  const chain = direction && chains[direction]
  if (chain) return chain
  const names = directions.filter(each => chains[each])
  const given = direction === undefined ? 'direction is missing' : `direction: '${direction}' is not allowed`
  throw new Refusal(400, `${given}; ${names.length > 0 ? `expected ${names.join(', ')}` : 'no stages can be changed'}`)
}

/**
 * Resolves when a change is made; rejects if it is refused. Does not wait until the stages that it removes have delivered
 * what they hold: a peer that does not read would keep them from it.
 */
export async function made(change: Promise<unknown>): Promise<void> {
  await Promise.race([change, setImmediate()])
}
