/** The desks of several processes as one. */
import type { Way } from '../stats/observer.js'
import type { BreakpointInfo, HeldInfo } from './breakpoints.js'
import { type List, type ListQuery, mergeLists, type Row } from './connections.js'
import { addCounts, type Counts, noCounts } from './counts.js'
import type { Desk, DeskState, HeldBytes, KeptBytes, Later, RawBytes } from './desk.js'
import type { FaultInfo, FaultKind } from './faults.js'
import { Refusal } from './refusal.js'

/** What is known of one desk. */
interface Seat {
  readonly desk: Desk
  /** No other one has had it: what is held has it in front of its id. */
  readonly number: number
  /** The last ones that are known. */
  counts: Counts
  state: DeskState | undefined
}

/** Asks a desk. */
type Ask<T> = (desk: Desk) => Later<T>

/** Answers with what those know that answer. */
export class Desks implements Desk {
  readonly #seats = new Map<Desk, Seat>()
  /** What a further one is asked, by the id that it has everywhere. */
  readonly #faults = new Map<string, unknown>()
  readonly #breakpoints = new Map<string, unknown>()
  #past = noCounts
  #lastSeat = 0
  #lastId = 0

  /** Adds that of a process that has begun: it gets the faults and breakpoints of the others. */
  join(desk: Desk): void {
    this.#seats.set(desk, { desk, number: ++this.#lastSeat, counts: noCounts, state: undefined })
    for (const [id, request] of this.#faults) quietly(desk.switchOn(request, id))
    for (const [id, request] of this.#breakpoints) quietly(desk.addBreakpoint(request, id))
  }

  /** Removes that of a process that has ended. */
  leave(desk: Desk): void {
    const seat = this.#seats.get(desk)
    if (!seat) return
    this.#seats.delete(desk)
    this.#past = addCounts(this.#past, { ...seat.counts, open: 0 })
  }

  /** A breakpoint of this desk holds: one that holds once is removed from the others. */
  hit(desk: Desk, id: string): void {
    const request = this.#breakpoints.get(id) as { once?: unknown } | undefined
    if (request?.once !== true) return
    this.#breakpoints.delete(id)
    for (const each of this.#seats.keys()) if (each !== desk) quietly(each.removeBreakpoint(id))
  }

  /** That of one that does not answer is what it was. */
  async state(): Promise<DeskState> {
    for (const { seat, value } of await this.#gather(desk => desk.state())) seat.state = value
    const states = [...this.#seats.values()].flatMap(seat => (seat.state ? { seat, value: seat.state } : []))
    return mergeStates(
      states.map(({ seat, value }) => ({ ...value, held: value.held.map(held => inSeat(seat, held)) })),
    )
  }

  /** Those of one that does not answer are what they were. */
  async counts(): Promise<Counts> {
    for (const { seat, value } of await this.#gather(desk => desk.counts())) seat.counts = value
    return [...this.#seats.values()].reduce((sum, { counts }) => addCounts(sum, counts), this.#past)
  }

  async list(query: ListQuery): Promise<List> {
    const { offset, limit } = query
    const lists = await this.#gather(desk => desk.list({ ...query, offset: 0, limit: offset + limit }))
    return mergeLists(
      lists.map(({ value }) => value),
      query,
    )
  }

  connection(id: string): Promise<Row> {
    return this.#askOne(desk => desk.connection(id))
  }

  bytes(id: string, after: number): Promise<KeptBytes> {
    return this.#askOne(desk => desk.bytes(id, after))
  }

  raw(id: string, way: Way): Promise<RawBytes> {
    return this.#askOne(desk => desk.raw(id, way))
  }

  end(id: string, how: 'close' | 'reset'): Promise<void> {
    return this.#askOne(desk => desk.end(id, how))
  }

  faultKinds(): Promise<readonly FaultKind[]> {
    return this.#askOne(desk => desk.faultKinds())
  }

  switchOn(request: unknown): Promise<FaultInfo> {
    return this.#change(this.#faults, request, {
      make: (desk, id) => desk.switchOn(request, id),
      undo: (desk, id) => desk.switchOff(id),
    })
  }

  switchOff(id: string): Promise<void> {
    return this.#takeBack(this.#faults, id, desk => desk.switchOff(id))
  }

  addBreakpoint(request: unknown): Promise<BreakpointInfo> {
    return this.#change(this.#breakpoints, request, {
      make: (desk, id) => desk.addBreakpoint(request, id),
      undo: (desk, id) => desk.removeBreakpoint(id),
    })
  }

  removeBreakpoint(id: string): Promise<void> {
    return this.#takeBack(this.#breakpoints, id, desk => desk.removeBreakpoint(id))
  }

  async held(id: string): Promise<HeldBytes> {
    return { ...(await this.#askHolder(id, (desk, own) => desk.held(own))), id }
  }

  release(id: string, request: unknown): Promise<void> {
    return this.#askHolder(id, (desk, own) => desk.release(own, request))
  }

  drop(id: string): Promise<void> {
    return this.#askHolder(id, (desk, own) => desk.drop(own))
  }

  reset(id: string): Promise<void> {
    return this.#askHolder(id, (desk, own) => desk.reset(own))
  }

  #ask<T>(ask: Ask<T>) {
    return [...this.#seats.values()].map(async seat => ({ seat, value: await ask(seat.desk) }))
  }

  /** The answers of those that can answer. */
  async #gather<T>(ask: Ask<T>) {
    const results = await Promise.allSettled(this.#ask(ask))
    return results.flatMap(result => (result.status === 'fulfilled' ? [result.value] : []))
  }

  /** The answer of the one that knows what is asked for: nobody waits for the others. */
  async #askOne<T>(ask: Ask<T>): Promise<T> {
    try {
      return (await Promise.any(this.#ask(ask))).value
    } catch (error) {
      throw refusalOf((error as AggregateError).errors)
    }
  }

  /** All do the same, or none does. It is wanted at once: what joins meanwhile gets it, too. */
  async #change<T>(wanted: Map<string, unknown>, request: unknown, { make, undo }: Change<T>): Promise<T> {
    const id = String(++this.#lastId)
    wanted.set(id, request)
    const results = await Promise.allSettled(this.#ask(desk => make(desk, id)))
    const made = results.find(result => result.status === 'fulfilled')
    const refused = results.find(result => result.status === 'rejected')
    if (made && !refused) return made.value.value
    wanted.delete(id)
    await Promise.allSettled(this.#ask(desk => undo(desk, id))) // also one that has not answered: it is done in order
    throw refused?.reason ?? new Refusal(409, silence)
  }

  async #takeBack(wanted: Map<string, unknown>, id: string, ask: Ask<void>): Promise<void> {
    const request = wanted.get(id)
    if (wanted.delete(id) && this.#seats.size === 0) return
    const results = await Promise.allSettled(this.#ask(ask))
    if (results.some(({ status }) => status === 'fulfilled')) return
    const reason = refusalOf(results.map(result => (result as PromiseRejectedResult).reason))
    if (!(reason instanceof Refusal)) wanted.set(id, request) // its stages cannot be changed now
    throw reason
  }

  /** Asks the one that holds. */
  async #askHolder<T>(id: string, ask: (desk: Desk, id: string) => Later<T>): Promise<T> {
    const [, number, own = ''] = /^(\d+)-(\d+)$/.exec(id) ?? []
    const seat = [...this.#seats.values()].find(each => String(each.number) === number)
    if (!seat) throw new Refusal(404, `there is no held direction '${id.slice(0, 100)}'`)
    return ask(seat.desk, own)
  }
}

interface Change<T> {
  make(desk: Desk, id: string): Later<T>
  undo(desk: Desk, id: string): Later<void>
}

const silence = 'no process answers'

/** One that dies now needs no answer. */
function quietly(answer: Later<unknown>): void {
  void Promise.resolve(answer).catch(() => {})
}

/** What one says against it, if it is more than that it knows nothing. */
function refusalOf(reasons: readonly unknown[]): unknown {
  const isUnknown = (reason: unknown) => reason instanceof Refusal && reason.status === 404
  return reasons.find(reason => !isUnknown(reason)) ?? reasons[0] ?? new Refusal(409, silence)
}

function inSeat({ number }: Seat, held: HeldInfo): HeldInfo {
  return { ...held, id: `${number}-${held.id}` }
}

function mergeStates(states: readonly DeskState[]): DeskState {
  const all = <T>(part: (state: DeskState) => readonly T[]) => states.flatMap(part)
  return {
    used: states.reduce((sum, { used }) => sum + used, 0),
    segments: states[0]?.segments ?? { forward: [], reply: [] },
    faults: byId(
      all(({ faults }) => faults),
      (one: FaultInfo, other) => ({ ...one, fired: one.fired + other.fired }),
    ),
    breakpoints: byId(
      all(({ breakpoints }) => breakpoints),
      (one: BreakpointInfo, other) => ({ ...one, hits: one.hits + other.hits }),
    ),
    held: all(({ held }) => held),
  }
}

function byId<T extends { readonly id: string }>(items: readonly T[], merge: (one: T, other: T) => T): T[] {
  const merged = new Map<string, T>()
  for (const item of items) {
    const known = merged.get(item.id)
    merged.set(item.id, known ? merge(known, item) : item)
  }
  return [...merged.values()].sort((one, other) => Number(one.id) - Number(other.id))
}
