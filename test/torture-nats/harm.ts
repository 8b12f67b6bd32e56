/** Kills and halts processes, as its chance has it, until it is told to stop. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Chance } from '../torture/chance.js'
import type { Cluster } from './cluster.js'
import type { Program } from './program.js'

/**
 * What is done to whom: kills of processes; `election`: another server leads the stream; `halt`: a process stands still for some seconds. Those that
 * come more than once come more often.
 */
export const allKinds: readonly Kind[] = [
  ...(['ingest', 'drain', 'drain', 'leader', 'leader', 'leader', 'server', 'election', 'halt'] as const),
]

/** Without kills and halts of servers: before 2.10, nats-server can have other messages on each of them after that. */
export const mildKinds: readonly Kind[] = ['ingest', 'drain', 'drain', 'election', 'halt']

export type Kind = 'ingest' | 'drain' | 'leader' | 'server' | 'election' | 'halt'

export interface Victims {
  readonly cluster: Cluster
  readonly ingests: readonly Program[]
  readonly drains: readonly Program[]
  readonly kinds: readonly Kind[]
}

export class Harm {
  readonly counts: Record<Kind, number> = { ingest: 0, drain: 0, leader: 0, server: 0, election: 0, halt: 0 }
  readonly #victims: Victims
  readonly #chance: Chance
  readonly #isOver: AbortSignal
  /** What is still to be repaired. */
  readonly #repairs = new Set<Promise<void>>()
  #isClusterHarmed = false

  constructor(victims: Victims, chance: Chance, isOver: AbortSignal) {
    this.#victims = victims
    this.#chance = chance
    this.#isOver = isOver
  }

  /** `count`: of kills and halts, at most. Resolves when everything runs again. */
  async run(count: number): Promise<void> {
    for (let i = 0; i < count && !this.#isOver.aborted; i++) {
      await delay(500 + this.#chance.below(5000), undefined, { signal: this.#isOver }).catch(() => {})
      if (!this.#isOver.aborted) await this.#harm(this.#chance.of(this.#victims.kinds))
    }
    await Promise.all(this.#repairs)
  }

  async #harm(kind: Kind): Promise<void> {
    const { ingests, drains, cluster, kinds } = this.#victims
    const servers = kinds.includes('server') ? cluster.servers : []
    const all = [...ingests, ...drains, ...servers]
    if (kind === 'ingest') return this.#kill(kind, this.#chance.of(ingests))
    if (kind === 'drain') return this.#kill(kind, this.#chance.of(drains))
    const victim = kind === 'halt' ? this.#chance.of(all) : this.#chance.of(cluster.servers)
    if (!cluster.servers.includes(victim)) return this.#halt(victim)
    if (this.#isClusterHarmed) return // only one at a time
    this.#isClusterHarmed = true
    const leader = kind === 'leader' ? await cluster.leader() : undefined
    if (kind === 'halt') this.#halt(victim)
    else if (kind === 'election') this.#elect()
    else this.#kill(leader ? 'leader' : 'server', leader ?? victim)
    const repaired = Promise.all(this.#repairs).then(() => cluster.whole())
    this.#repair(
      repaired.then(() => {
        this.#isClusterHarmed = false
      }),
    )
  }

  #kill(kind: Kind, victim: Program): void {
    if (!victim.isUp) return
    this.counts[kind]++
    const pause = this.#chance.below(kind === 'server' || kind === 'leader' ? 5000 : 1500)
    const again = victim
      .kill()
      .then(() => delay(pause))
      .then(() => victim.start())
    this.#repair(again)
  }

  #elect(): void {
    this.counts.election++
    this.#repair(this.#victims.cluster.elect())
  }

  #halt(victim: Program): void {
    this.counts.halt++
    this.#repair(victim.halt(500 + this.#chance.below(7000)))
  }

  #repair(repair: Promise<void>): void {
    this.#repairs.add(repair)
    void repair.then(() => this.#repairs.delete(repair))
  }
}
