/** The list of connections: those that are open, and the last ones that have ended. */
import type { ConnectionStats, Direction } from '../stats/snapshot.js'
import { formatRemote } from '../text/remote.js'
import { anyText, choice, type ValuesOf, whole } from './parameters.js'
import type { Conversation, Ended, PageRecord } from './record.js'
import { Refusal } from './refusal.js'
import type { Snapshot } from './snapshots.js'

/** The parameters that choose connections. */
export const listParameters = {
  state: choice(['open', 'ended', 'all'], 'all'),
  sort: choice(['number', 'remote', 'age', 'bytesIn', 'bytesOut', 'rate', 'state'], 'number'),
  order: choice(['asc', 'desc'], 'desc'),
  filter: anyText(''),
  offset: whole(0, 1e9, 0),
  limit: whole(1, 500, 50),
}

export type ListQuery = ValuesOf<typeof listParameters>

/** A connection of the list. */
export interface Row extends Partial<Omit<Ended, 'duration' | 'bytesIn' | 'bytesOut' | 'tls'>> {
  readonly id: string
  readonly number: number
  readonly remote: string
  readonly port: number | undefined
  readonly state: 'open' | 'ended'
  /** Milliseconds since 1970. */
  readonly opened: number
  /** Milliseconds; of one that has ended, until then. */
  readonly age: number
  readonly bytesIn: number
  readonly bytesOut: number
  /** Bytes per second. */
  readonly rateIn: number
  readonly rateOut: number
  readonly tls: boolean
  readonly kept: number
  readonly dropped: number
  /** The directions that a breakpoint holds. */
  readonly held: readonly Direction[]
}

export interface List {
  readonly open: number
  readonly ended: number
  readonly matching: number
  readonly offset: number
  readonly connections: readonly Row[]
}

type Held = (id: string) => readonly Direction[]

/** Sorts and pages here, so that a page with thousands of connections stays fast. */
export function listConnections(record: PageRecord, snapshot: Snapshot, held: Held, query: ListQuery): List {
  const { state } = query
  const found: Row[] = []
  const matches = filterOf(query.filter)
  const add = (conversation: Conversation, stats?: ConnectionStats) => {
    if (matches(conversation)) found.push(rowOf(conversation, stats, snapshot, held))
  }
  if (state !== 'ended') for (const stats of snapshot.stats.connections) withConversation(record, stats.id, add, stats)
  if (state !== 'open') for (const id of record.ended) withConversation(record, id, add)
  return {
    open: snapshot.stats.connections.length,
    ended: record.ended.size,
    matching: found.length,
    ...pageOf(found, query),
  }
}

/** Makes one list of those that several processes have returned, each from its beginning. */
export function mergeLists(lists: readonly List[], query: ListQuery): List {
  const sum = (count: (list: List) => number) => lists.reduce((all, list) => all + count(list), 0)
  return {
    open: sum(({ open }) => open),
    ended: sum(({ ended }) => ended),
    matching: sum(({ matching }) => matching),
    ...pageOf(
      lists.flatMap(({ connections }) => connections),
      query,
    ),
  }
}

function pageOf(
  found: readonly Row[],
  { sort, order, offset, limit }: ListQuery,
): Pick<List, 'offset' | 'connections'> {
  const sign = order === 'asc' ? 1 : -1
  const compare = comparisons[sort]
  const sorted = found.toSorted((one, other) => sign * (compare(one, other) || one.number - other.number))
  return { offset, connections: sorted.slice(offset, offset + limit) }
}

/** One connection. Refuses one that is not known. */
export function connectionOf(record: PageRecord, snapshot: Snapshot, held: Held, id: string): Row {
  const conversation = record.conversations.get(id)
  if (!conversation) throw unknownConnection(id)
  return rowOf(conversation, snapshot.byId.get(id), snapshot, held)
}

export function unknownConnection(id: string): Refusal {
  return new Refusal(404, `connection: '${id.slice(0, 100)}' is unknown, or ended too long ago`)
}

function withConversation(
  { conversations }: PageRecord,
  id: string,
  use: (conversation: Conversation, stats?: ConnectionStats) => void,
  stats?: ConnectionStats,
): void {
  const conversation = conversations.get(id)
  if (conversation) use(conversation, stats)
}

function rowOf(conversation: Conversation, stats: ConnectionStats | undefined, snapshot: Snapshot, held: Held): Row {
  const { identity, opened, kept, ended } = conversation
  const { in: droppedIn, out: droppedOut } = kept.dropped
  const own = { ...identity, opened, kept: kept.bytes, dropped: droppedIn + droppedOut, held: held(identity.id) }
  if (ended) {
    const { duration, ...rest } = ended
    return { ...own, state: 'ended', age: duration, rateIn: 0, rateOut: 0, ...rest }
  }
  const { age = Date.now() - opened, bytesIn = 0, bytesOut = 0, tls, target, via } = stats ?? {}
  const rates = stats ? snapshot.ratesOf(stats) : { rateIn: 0, rateOut: 0 }
  return {
    ...own,
    state: 'open',
    age: Math.round(age),
    bytesIn,
    bytesOut,
    ...rates,
    tls: tls !== undefined,
    ...(target && { target }),
    ...(via !== undefined && { via }),
  }
}

/** Whether what is known of a connection contains the text, in any case. */
function filterOf(filter: string): (conversation: Conversation) => boolean {
  const wanted = filter.trim().toLowerCase()
  if (wanted === '') return () => true
  return ({ identity, ended }) => {
    const { id, number } = identity
    const texts = [formatRemote(identity), id, String(number), ended?.closedBy, ended?.reason, ended?.error]
    return texts.some(text => text?.toLowerCase().includes(wanted))
  }
}

const comparisons: { readonly [K in ListQuery['sort']]: (one: Row, other: Row) => number } = {
  number: (one, other) => one.number - other.number,
  remote: (one, other) => compareTexts(one.remote, other.remote) || (one.port ?? 0) - (other.port ?? 0),
  age: (one, other) => one.age - other.age,
  bytesIn: (one, other) => one.bytesIn - other.bytesIn,
  bytesOut: (one, other) => one.bytesOut - other.bytesOut,
  rate: (one, other) => one.rateIn + one.rateOut - other.rateIn - other.rateOut,
  state: (one, other) => compareTexts(one.closedBy ?? '', other.closedBy ?? ''),
}

/** By code units: comparing by the rules of a language takes fifty times as long. */
function compareTexts(one: string, other: string): number {
  return one < other ? -1 : Number(one > other)
}
