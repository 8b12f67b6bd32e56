/** The workers of a server: begins them, replaces those that die, and ends them. */
import { EventEmitter, once } from 'node:events'
import type { SecureContexts, Server } from '../../lib/index.js'
import { longestTime } from '../../lib/text/quantities.js'
import type { Logger } from '../log.js'
import { openBackoff } from './backoff.js'
import { type LimitValues, openLimits } from './limits.js'
import { type Relay, relayLines } from './lines.js'
import { Member, type WorkerProcess } from './member.js'
import type { Common, FromWorker } from './protocol.js'

export interface TeamOptions {
  readonly count: number
  readonly common: Common
  readonly limits: LimitValues
  readonly log: Logger
  readonly relay: Relay
  fork(): WorkerProcess
  /** Called when the first worker is about to listen. Resolves when it may. */
  begin(): Promise<unknown>
  /** A member listens. */
  came(member: Member): void
  /** A breakpoint of the page holds there. */
  hit(member: Member, breakpoint: string): void
  /** A member has died. `lost` is the number of connections that have died with it. */
  gone(member: Member, lost: number): void
}

/** Milliseconds for workers to end after the deadline for their connections. */
const patience = 2000

export class Team {
  /** Where all listen, and their pin. */
  address: Server['address'] | undefined
  pin: string | undefined
  /** The connections that were reset at the end, or have died with a worker then. */
  cut = 0
  readonly #options: TeamOptions
  readonly #members = new Map<number, Member>()
  readonly #guestsOf: ReturnType<typeof openLimits>
  readonly #replacements = new Set<NodeJS.Timeout>()
  readonly #backoff = openBackoff()
  /** `change`: a member has another state. */
  readonly #events = new EventEmitter()
  /** By number: the connections that earlier workers have had. */
  readonly #had = new Map<number, number>()
  #contexts: SecureContexts
  #begun: Promise<unknown> | undefined
  #isMeasured = false
  #isClosing = false
  #failure: Error | undefined

  constructor(options: TeamOptions) {
    this.#options = options
    this.#guestsOf = openLimits(options.limits)
    this.#contexts = options.common.contexts
    for (let number = 1; number <= options.count; number++) this.#fork(number)
  }

  get members(): readonly Member[] {
    return [...this.#members.values()]
  }

  /** Resolves when all listen. Rejects if one cannot. */
  async listening(): Promise<void> {
    await this.#until(() => this.#failure !== undefined || this.members.every(({ isListening }) => isListening))
    if (this.#failure) await this.closed()
  }

  /** Resolves when no worker listens, and none will. */
  stopped(): Promise<void> {
    return this.#until(
      () => this.#isClosing && this.members.every(({ state }) => ['stopped', 'closed', 'dead'].includes(state)),
    )
  }

  /** Resolves when all have ended. Rejects with the reason if they could not go on. */
  async closed(): Promise<void> {
    await this.#until(() => this.#isClosing && this.members.every(({ state }) => state === 'dead'))
    if (this.#failure) throw this.#failure
  }

  close(drain: number): void {
    this.#isClosing = true
    for (const timer of this.#replacements) clearTimeout(timer)
    for (const member of this.members) {
      if (member.hasListened) member.tell({ tell: 'close', drain })
      else member.kill()
    }
    if (Number.isFinite(drain)) this.#killAfter(drain + patience)
    this.#changed()
  }

  measure(on: boolean): void {
    this.#isMeasured = on
    for (const member of this.members) member.tell({ tell: 'measure', on })
  }

  /** All of them, and those that come. If one cannot, the others take the old ones back; rejects with its error. */
  async secure(contexts: SecureContexts): Promise<void> {
    const listeners = this.members.filter(({ isListening }) => isListening)
    const answers = await Promise.all(listeners.map(member => member.secure(contexts)))
    const error = answers.find(answer => answer?.error)?.error
    if (error) {
      const taken = listeners.filter((_, i) => answers[i] && !answers[i].error)
      await Promise.all(taken.map(member => member.secure(this.#contexts)))
      throw Object.assign(new Error(error.message), { code: error.code })
    }
    this.#contexts = contexts
    this.pin = answers.find(answer => answer?.pin !== undefined)?.pin
  }

  #fork(number: number): void {
    const { fork, relay, hit } = this.#options
    const member = new Member(number, fork(), this.#guestsOf(), {
      ready: () => void this.#start(member),
      listening: told => this.#listens(member, told),
      changed: () => this.#changed(),
      hit: breakpoint => hit(member, breakpoint),
      dead: (code, signal) => this.#died(member, code, signal),
    })
    if (member.stderr) relayLines(member.stderr, number, relay)
    this.#members.set(number, member)
  }

  async #start(member: Member): Promise<void> {
    const { count: of, common, begin } = this.#options
    this.#begun ??= begin()
    try {
      await this.#begun
    } catch (error) {
      return this.#fail(error as Error)
    }
    const share = { number: member.number, of, after: this.#had.get(member.number) ?? 0 }
    member.contexts = this.#contexts
    member.tell({ tell: 'start', share, ...common, contexts: member.contexts })
  }

  #listens(member: Member, { address, pin }: Extract<FromWorker, { tell: 'listening' }>): void {
    this.address ??= address
    this.pin ??= pin
    if (this.#isMeasured) member.tell({ tell: 'measure', on: true })
    this.#options.came(member)
    if (member.contexts !== this.#contexts) void member.secure(this.#contexts)
    this.#changed()
  }

  #died(member: Member, code: number | null, signal: NodeJS.Signals | null): void {
    const { log, gone } = this.#options
    const { number, open, cut, stats, hasClosed, hasListened } = member
    const lost = hasClosed ? 0 : open
    this.#had.set(number, (this.#had.get(number) ?? 0) + (stats?.accepted ?? 0))
    if (this.#isClosing) this.cut += cut + lost
    gone(member, lost)
    this.#changed()
    if (hasClosed || (this.#isClosing && lost === 0)) {
      if (code) process.exitCode ??= code
      return
    }
    const how = signal === null ? { code } : { signal }
    const cannotStart = signal === null && !hasListened
    if (!cannotStart) log.error({ worker: number, ...how, connections: lost }, 'worker died')
    if (this.#isClosing) return
    if (cannotStart) this.#fail(new Error(`worker ${number} cannot start: it ended with exit code ${code}`))
    else this.#replace(member)
  }

  #replace({ number, lived }: Member): void {
    const wait = this.#backoff(lived)
    if (wait === undefined) {
      this.#fail(new Error('the workers die again and again'))
      return
    }
    const timer = setTimeout(() => {
      this.#replacements.delete(timer)
      this.#fork(number)
    }, wait)
    this.#replacements.add(timer)
  }

  /** One that hangs would keep all waiting. */
  #killAfter(time: number): void {
    const kill = () => {
      for (const member of this.members) if (member.state !== 'dead') member.kill()
    }
    const timer = setTimeout(kill, Math.min(time, longestTime))
    this.closed().then(
      () => clearTimeout(timer),
      () => clearTimeout(timer),
    )
  }

  #fail(error: Error): void {
    this.#failure ??= error
    this.close(0)
  }

  #changed(): void {
    this.#events.emit('change')
  }

  async #until(condition: () => boolean): Promise<void> {
    while (!condition()) await once(this.#events, 'change')
  }
}
