/** The answers about figures and bytes, as plain JSON. */
import { pipelineOf } from '../stats/pipeline.js'
import type { ConnectionStats, Direction } from '../stats/snapshot.js'
import { type List, type ListQuery, listConnections, unknownConnection } from './connections.js'
import type { Entry } from './keep.js'
import type { Page } from './page.js'
import { perSecond, type Snapshot } from './snapshots.js'

/** The figures of the server. With a connection, its pipeline. */
export function statsOf(page: Page, connection: string | undefined, mayChange: boolean): object {
  const { shown, about, record, breakpoints, faults, snapshots } = page
  const snapshot = snapshots.now()
  const { connections, ...stats } = snapshot.stats
  const { perConnection, total, tls } = record.keeps
  const { target = shown.target, ...program } = about
  return {
    about: program,
    ...(shown.address !== undefined && { address: shown.address }),
    ...(target !== undefined && { target }),
    time: Date.now(),
    changes: page.changes,
    mayChange,
    keep: { perConnection, total, tls, used: record.keep.used },
    stats: { ...stats, connections: connections.length },
    rates: ratesOf(snapshot),
    segments: { forward: shown.forward?.list() ?? [], reply: shown.reply?.list() ?? [] },
    pipeline: pipelinesOf(snapshot, connection),
    ...breakpoints.list(),
    faults: faults.on(),
  }
}

function ratesOf({ stats, before }: Snapshot): { in: number; out: number } {
  const span = stats.age - (before?.stats.age ?? 0)
  return {
    in: perSecond(stats.bytesIn - (before?.stats.bytesIn ?? 0), span),
    out: perSecond(stats.bytesOut - (before?.stats.bytesOut ?? 0), span),
  }
}

type Pipelines = Readonly<Record<Direction, ReturnType<typeof pipelineFor>>>

/** Those of all connections together. */
const overall = new WeakMap<Snapshot, Pipelines>()

/** Adding up thousands of connections takes long: all who look share the sums. */
function pipelinesOf(snapshot: Snapshot, id: string | undefined): Pipelines {
  const known = id === undefined ? overall.get(snapshot) : undefined
  if (known) return known
  const made = { forward: pipelineFor(snapshot, 'forward', id), reply: pipelineFor(snapshot, 'reply', id) }
  if (id === undefined) overall.set(snapshot, made)
  return made
}

function pipelineFor({ stats, before }: Snapshot, direction: Direction, id: string | undefined) {
  const chosen = (connections: readonly ConnectionStats[]) =>
    id === undefined ? connections : connections.filter(each => each.id === id)
  const time = stats.age - (before?.stats.age ?? 0)
  return pipelineOf(direction, chosen(stats.connections), before && chosen(before.stats.connections), time)
}

/** The directions of a connection that are held. */
export function heldIn({ breakpoints }: Page): (id: string) => Direction[] {
  const all = new Map<string, Direction[]>()
  for (const { connection, direction } of breakpoints.list().held)
    all.set(connection, [...(all.get(connection) ?? []), direction])
  return id => all.get(id) ?? []
}

export function listOf(page: Page, query: ListQuery): List {
  return listConnections(page.record, page.snapshots.now(), heldIn(page), query)
}

/** The bytes in one answer. */
const mostBytes = 256 * 1024

/** The entries of a connection after a sequence number. */
export function bytesOf({ record }: Page, id: string, after: number) {
  const conversation = record.conversations.get(id)
  if (!conversation) throw unknownConnection(id)
  const { kept, keeps, ended } = conversation
  const { entries, more } = kept.after(after, mostBytes)
  return {
    id,
    state: ended ? 'ended' : 'open',
    keeps,
    dropped: { ...kept.dropped },
    next: entries.at(-1)?.sequence ?? after,
    more,
    entries: entries.map(plain),
  }
}

function plain(entry: Entry): object {
  if (!('bytes' in entry)) return entry
  const { bytes, ...rest } = entry
  return { ...rest, data: bytes.toString('base64') }
}
