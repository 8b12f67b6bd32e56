/**
 * What a page asks the process whose traffic it shows, and tells it. All that is given and returned is plain data, so
 * that it may be another process.
 */
import type { Connection } from '../connection/connection.js'
import type { TransformEntry } from '../stages/define.js'
import type { Way } from '../stats/observer.js'
import type { Direction } from '../stats/snapshot.js'
import { type BreakpointInfo, type HeldInfo, type Mark, openBreakpoints } from './breakpoints.js'
import { connectionOf, type List, type ListQuery, listConnections, type Row, unknownConnection } from './connections.js'
import type { Counts } from './counts.js'
import { type FaultInfo, type FaultKind, openFaults } from './faults.js'
import type { Entry } from './keep.js'
import { openRecord, type RecordOptions } from './record.js'
import { Refusal } from './refusal.js'
import type { Shown } from './shown.js'
import { Snapshots } from './snapshots.js'

/** What another process answers comes later. */
export type Later<T> = T | Promise<T>

/** Each method throws or rejects with a Refusal, or the error of a transform, if what is asked cannot be done. */
export interface Desk {
  state(): Later<DeskState>
  counts(): Later<Counts>
  list(query: ListQuery): Later<List>
  connection(id: string): Later<Row>
  /** The kept bytes and marks of a connection after a sequence number. */
  bytes(id: string, after: number): Later<KeptBytes>
  /** All kept bytes of one way. */
  raw(id: string, way: Way): Later<RawBytes>
  end(id: string, how: 'close' | 'reset'): Later<void>
  faultKinds(): Later<readonly FaultKind[]>
  /** Several desks that are asked for the same fault get its id with it. */
  switchOn(request: unknown, id?: string): Later<FaultInfo>
  switchOff(id: string): Later<void>
  /** As with faults. */
  addBreakpoint(request: unknown, id?: string): Later<BreakpointInfo>
  removeBreakpoint(id: string): Later<void>
  held(id: string): Later<HeldBytes>
  release(id: string, request: unknown): Later<void>
  drop(id: string): Later<void>
  reset(id: string): Later<void>
}

export interface DeskState {
  /** Bytes that are kept. */
  readonly used: number
  /** The names of the segments of each direction. */
  readonly segments: Readonly<Record<Direction, readonly string[]>>
  readonly faults: readonly FaultInfo[]
  readonly breakpoints: readonly BreakpointInfo[]
  readonly held: readonly HeldInfo[]
}

export interface KeptBytes {
  readonly id: string
  readonly state: 'open' | 'ended'
  readonly keeps: 'yes' | 'no' | 'tls'
  readonly dropped: { readonly in: number; readonly out: number; readonly marks: number }
  /** The sequence number to ask for next, and whether there is more now. */
  readonly next: number
  readonly more: boolean
  /** Those of bytes have them as `data`, in base64. */
  readonly entries: readonly object[]
}

export interface RawBytes {
  readonly bytes: Uint8Array
  /** The number of bytes before them that are not kept any more. */
  readonly dropped: number
}

export type HeldBytes = HeldInfo & { readonly data: string }

export interface DeskOptions {
  readonly keep: RecordOptions
  /** The transforms that are offered as faults. */
  readonly faults: readonly TransformEntry[]
  /** Called with the id of a breakpoint that holds. */
  readonly onHit?: ((id: string) => void) | undefined
}

/** The desk of this process. */
export interface OwnDesk extends Desk {
  readonly snapshots: Snapshots
  /** Lets go what is held, switches all faults off, and remembers no more. */
  close(): Promise<void>
}

/** The bytes in one answer. */
const mostBytes = 256 * 1024

export function openDesk(shown: Shown, { keep, faults: entries, onHit }: DeskOptions): OwnDesk {
  const record = openRecord(shown, keep)
  const { conversations } = record
  // Observers get the connections themselves. A search in a list of thousands would take seconds when each of them asks.
  const find = (id: string) => conversations.get(id)?.connection as Connection | undefined
  const snapshots = new Snapshots(shown)
  const { forward, reply } = shown
  const chains = { ...(forward && { forward }), ...(reply && { reply }) }
  const note = (id: string, { direction, offset, ...mark }: Mark) => {
    const isPlaced = offset !== undefined && shown.answers === 'out' // what a `send` receives has other offsets
    record.mark(id, { ...mark, way: record.wayOf(direction), ...(isPlaced && { offset }) })
  }
  const breakpoints = openBreakpoints(chains, { find }, note, { onHit })
  const faults = openFaults(chains, entries)

  /** The directions of a connection that are held. */
  function heldIn(): (id: string) => Direction[] {
    const all = new Map<string, Direction[]>()
    for (const { connection, direction } of breakpoints.list().held)
      all.set(connection, [...(all.get(connection) ?? []), direction])
    return id => all.get(id) ?? []
  }

  function known(id: string) {
    const conversation = conversations.get(id)
    if (!conversation) throw unknownConnection(id)
    return conversation
  }

  return {
    snapshots,
    state: () => ({
      used: record.keep.used,
      segments: { forward: forward?.list() ?? [], reply: reply?.list() ?? [] },
      faults: faults.on(),
      ...breakpoints.list(),
    }),
    counts: () => record.counter.now(),
    list: query => listConnections(record, snapshots.now(), heldIn(), query),
    connection: id => connectionOf(record, snapshots.now(), heldIn(), id),
    bytes(id, after) {
      const { kept, keeps, ended } = known(id)
      const { entries, more } = kept.after(after, mostBytes)
      return {
        ...{ id, state: ended ? 'ended' : 'open', keeps, dropped: { ...kept.dropped } },
        ...{ next: entries.at(-1)?.sequence ?? after, more, entries: entries.map(plain) },
      }
    },
    raw(id, way) {
      const { kept } = known(id)
      return { bytes: Buffer.concat(kept.ofWay(way)), dropped: kept.dropped[way] }
    },
    end(id, how) {
      const connection = find(id)
      if (!connection)
        throw conversations.has(id) ? new Refusal(409, 'the connection has ended') : unknownConnection(id)
      if (how === 'close') void connection.close('closed on the page')
      else connection.reset('reset on the page')
    },
    faultKinds: () => faults.available(),
    switchOn: faults.switchOn,
    switchOff: faults.switchOff,
    addBreakpoint: breakpoints.add,
    removeBreakpoint: breakpoints.remove,
    held: breakpoints.held,
    release: breakpoints.release,
    drop: breakpoints.drop,
    reset: breakpoints.reset,
    async close() {
      record.stop()
      snapshots.close()
      await Promise.allSettled([breakpoints.close(), faults.close()]) // a segment that stays lets everything pass
    },
  }
}

function plain(entry: Entry): object {
  if (!('bytes' in entry)) return entry
  const { bytes, ...rest } = entry
  return { ...rest, data: bytes.toString('base64') }
}
