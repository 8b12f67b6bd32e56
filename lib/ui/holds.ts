/** The places in open connections where breakpoints can hold, and what they hold. */
import type { Connection } from '../connection/connection.js'
import type { Finder } from '../faults/finder.js'
import { lazyStream } from '../stages/compose.js'
import type { ConnectionInfo, Context } from '../stages/context.js'
import { recipe } from '../stages/parts.js'
import type { Stage } from '../stages/stage.js'
import type { Direction } from '../stats/snapshot.js'
import type { Breakpoint } from './breakpoint.js'
import { type HoldingStage, holdingStage } from './hold.js'

/** The open connections. */
export interface Connections {
  find(id: string): Connection | undefined
}

/** What has happened in a conversation, besides its bytes. */
export interface Mark {
  readonly mark: 'held' | 'released' | 'edited' | 'dropped' | 'reset'
  readonly direction: Direction
  /** The number of bytes before it, between the client of a server and the server. */
  readonly offset?: number
  readonly text: string
}

export type MarkConnection = (connectionId: string, mark: Mark) => void

/** A direction of a connection that is held. */
export interface Hold {
  readonly id: string
  readonly breakpoint: Breakpoint
  readonly connection: ConnectionInfo
  readonly stage: HoldingStage
  /** Points in time, in milliseconds since 1970. */
  readonly since: number
  readonly until: number
  readonly offset: number | undefined
  /** Stops what would end the hold: its timer, and the removal of its stage. */
  stop(): void
}

export interface HoldsOptions {
  readonly breakpoints: ReadonlyMap<string, Breakpoint>
  readonly connections: Connections
  readonly mark: MarkConnection
  /** The directions that are held at the same time. */
  readonly most: number
  /** Called when a hold begins. */
  hit(breakpoint: Breakpoint): void
  /** Called after each hold, also one whose connection has failed or ended. */
  over(hold: Hold): void
}

export interface Holds {
  /** Those that are open, by their ids. */
  readonly open: ReadonlyMap<string, Hold>
  /** The stage that holds one direction of a connection. */
  stage(info: ConnectionInfo): Stage
  /** Ends a hold: these bytes pass in place of what is held. */
  end(hold: Hold, bytes: Buffer, mark: HoldMark): void
  /** Marks its place in the conversation. */
  mark(hold: Hold, mark: HoldMark): void
}

export type HoldMark = Pick<Mark, 'mark' | 'text'>

export function openHolds(options: HoldsOptions): Holds {
  const state: State = { ...options, open: new Map(), places: new Map(), lastId: 0 }
  return {
    open: state.open,
    stage: info => lazyStream([recipe('breakpoint', 'bytes', context => openPlace(state, info, context).stage.stream)]),
    end: (hold, bytes, mark) => end(state, hold, bytes, mark),
    mark: (hold, mark) => markHold(state, hold, mark),
  }
}

/** `5 bytes` */
export function sizeOf({ length }: Buffer): string {
  return `${length} ${length === 1 ? 'byte' : 'bytes'}`
}

interface State extends HoldsOptions {
  readonly open: Map<string, Hold>
  /** By the id of the connection. */
  readonly places: Map<string, Set<Place>>
  lastId: number
}

/** One direction of a connection. */
interface Place {
  readonly connection: ConnectionInfo
  readonly context: Context
  readonly stage: HoldingStage
  readonly finders: WeakMap<Breakpoint, Finder>
  /** The places in the same connection. */
  readonly siblings: Set<Place>
  /** Whether the other direction was the last one to speak, or nobody has spoken. */
  isTurn: boolean
  /** The number of bytes that have come from the source. Unknown before the first ones. */
  position?: number
  /** The last time that it was held. */
  hold?: Hold
}

function openPlace(state: State, connection: ConnectionInfo, context: Context): Place {
  const { places, connections, open } = state
  const { id } = connection
  const siblings = places.get(id) ?? new Set()
  const place: Place = {
    connection,
    context,
    stage: holdingStage({ hear: bytes => hear(state, place, bytes), over }),
    finders: new WeakMap(),
    siblings,
    isTurn: isSilent(connections.find(id)),
  }
  places.set(id, siblings.add(place))

  function over(): void {
    siblings.delete(place)
    if (siblings.size === 0) places.delete(id)
    if (place.hold && open.has(place.hold.id)) forget(state, place.hold)
  }

  return place
}

/** In the middle of a conversation nothing is known of who spoke last. */
function isSilent(connection: Connection | undefined): boolean {
  return connection?.stats().directions.every(({ bytesIn }) => bytesIn === 0) ?? true
}

/** All breakpoints hear all bytes, so that a match is found across chunks. */
function hear(state: State, place: Place, bytes: Buffer): (() => void) | undefined {
  const { connection, context, isTurn, siblings } = place
  place.isTurn = false
  for (const other of siblings) if (other.connection.direction !== connection.direction) other.isTurn = true
  place.position = (place.position ?? startOf(state, place)) + bytes.length
  const hits = [...state.breakpoints.values()].filter(
    breakpoint => isMeant(breakpoint, connection) && isHit(place, breakpoint, bytes, isTurn),
  )
  const hit = hits.find(({ info, hits }) => !info.once || hits === 0)
  if (state.open.size >= state.most) return undefined
  return hit && !context.replaced.aborted ? () => hold(state, place, hit) : undefined
}

function isMeant({ info }: Breakpoint, { direction, number }: ConnectionInfo): boolean {
  return info.direction === direction && (info.connection === null || info.connection === number)
}

function isHit({ finders }: Place, breakpoint: Breakpoint, bytes: Buffer, isTurn: boolean): boolean {
  if (!breakpoint.search) return isTurn
  const find = finders.get(breakpoint) ?? breakpoint.search()
  finders.set(breakpoint, find)
  let matches = 0
  for (const _end of find(bytes)) matches++
  return matches > 0
}

/** The number of bytes that came from the source before the first ones that came here. */
function startOf({ connections }: State, { connection: { id, direction }, stage }: Place): number {
  const figures = connections
    .find(id)
    ?.stats()
    .directions.find(each => each.direction === direction)
  return figures ? figures.bytesIn - stage.stream.writableLength : 0
}

function hold(state: State, place: Place, breakpoint: Breakpoint): void {
  const { connection, context, stage } = place
  const { time, id } = breakpoint.info
  const { replaced } = context
  const goOn = (text: string) => end(state, held, stage.held as Buffer, { mark: 'released', text })
  const timer = setTimeout(() => goOn(`after ${time / 1000} s without an answer`), time)
  const leave = () => goOn('its stage was removed')
  replaced.addEventListener('abort', leave)
  const since = Date.now()
  const held: Hold = {
    id: String(++state.lastId),
    breakpoint,
    connection,
    stage,
    since,
    until: since + time,
    offset: offsetOf(state, place),
    stop() {
      clearTimeout(timer)
      replaced.removeEventListener('abort', leave)
    },
  }
  breakpoint.hits++
  state.open.set(held.id, held)
  place.hold = held
  markHold(state, held, { mark: 'held', text: `breakpoint ${id}` })
  state.hit(breakpoint)
}

/** What has gone out is known only of the connection as a whole: later stages may change the length. */
function offsetOf({ connections }: State, { connection, position, stage }: Place): number | undefined {
  if (connection.direction === 'reply') return connections.find(connection.id)?.stats().bytesOut
  return (position as number) - (stage.held as Buffer).length
}

function end(state: State, hold: Hold, bytes: Buffer, mark: HoldMark): void {
  forget(state, hold)
  markHold(state, hold, mark)
  hold.stage.release(bytes)
}

function forget(state: State, hold: Hold): void {
  hold.stop()
  state.open.delete(hold.id)
  state.over(hold)
}

function markHold({ mark }: State, { connection, offset }: Hold, what: HoldMark): void {
  mark(connection.id, { ...what, direction: connection.direction, ...(offset !== undefined && { offset }) })
}
