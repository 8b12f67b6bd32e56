/** What happens in one transfer of the torture, as its chance has it. */
import type { Chance } from './chance.js'
import type { Entrance, Piece } from './orders.js'
import type { Fault } from './relay.js'

export interface Plan {
  readonly number: number
  readonly kind: 'file' | 'stream' | 'folder' | 'rivals'
  readonly pieces: readonly Piece[]
  readonly entrance: Entrance
  readonly isMasked: boolean
  readonly faults: Fault[]
  /** Milliseconds from one to the next. */
  readonly kills: readonly { readonly who: 'receiver' | 'sender'; readonly after: number; readonly damages: boolean }[]
  /** Digests that are wrong. */
  readonly wrong: number
}

/** Bytes of the file that all pieces are of. */
export function baseSize(most: number): number {
  return most + 1024 * 1024
}

export function planOf(number: number, chance: Chance, most: number): Plan {
  const kind = chance.of(['file', 'file', 'file', 'stream', 'stream', 'folder', 'rivals'] as const)
  const entrance = chance.of(['plain', 'plain', 'plain', 'plain', 'tls', 'tls', 'unmasks'] as const)
  const pieces = piecesOf(number, kind, chance, most)
  const flips = entrance === 'tls' ? [] : (['flip', 'flip'] as const)
  const faults = several(chance.below(5), () => chance.of<Fault>(['reset', 'reset', 'end', 'freeze', ...flips]))
  const kills = several(kind === 'rivals' ? 0 : chance.of([0, 0, 1, 2]), () => ({
    who: kind !== 'stream' && chance.is(0.4) ? ('sender' as const) : ('receiver' as const),
    after: chance.below(kind === 'folder' ? 300 : 150),
    damages: chance.is(0.3),
  }))
  const wrong = chance.is(0.1) ? chance.of([1, 1, 2, 1000]) : 0
  return { number, kind, pieces, entrance, isMasked: chance.is(0.15), faults, kills, wrong }
}

function piecesOf(number: number, kind: Plan['kind'], chance: Chance, most: number): Piece[] {
  const piece = (name: string, limit: number): Piece => {
    const size = chance.of([0, 1, chance.below(70_000), ...several(5, () => Math.floor(limit * chance.next() ** 2))])
    return { name, size, offset: chance.below(baseSize(most) - size) }
  }
  const name = `transfer-${number}`
  if (kind === 'folder')
    return several(2 + chance.below(6), i => piece(`${name}/${chance.of(['', 'deep/er/'])}${i}`, most / 8))
  return several(kind === 'rivals' ? 2 : 1, () => piece(name, most))
}

function several<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index))
}

/** Whether it may fail, though both ends and the network do what they can. Of rivals, one may not. */
export function mayFail({
  kind,
  entrance,
  faults,
  kills,
  wrong,
}: Omit<Plan, 'number' | 'pieces' | 'isMasked'>): boolean {
  const receiverKills = kills.filter(({ who }) => who === 'receiver')
  const cannotGoBack = entrance === 'unmasks' && (wrong > 0 || kills.length > 0) // it compares nothing with what is there
  const hasLost = kind === 'stream' && receiverKills.some(({ damages }) => damages)
  const runs = 1 + kills.filter(({ who }) => who === 'sender').length // each one sends wrong digests anew
  const mismatches = wrong * runs + faults.filter(fault => fault === 'flip').length
  return cannotGoBack || hasLost || mismatches >= 3
}
