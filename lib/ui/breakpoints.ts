/** Breakpoints: directions of connections are held when something comes, until somebody says how to go on. */
import type { Direction } from '../stats/snapshot.js'
import { type Breakpoint, type BreakpointInfo, breakpointOf, replacementOf } from './breakpoint.js'
import { type Chains, directions, made } from './chains.js'
import { type Connections, type Hold, type Holds, type MarkConnection, openHolds, sizeOf } from './holds.js'
import { Refusal } from './refusal.js'

export type { BreakpointInfo } from './breakpoint.js'
export type { Chains } from './chains.js'
export type { Connections, Mark, MarkConnection } from './holds.js'

/** A direction of a connection that is held. */
export interface HeldInfo {
  readonly id: string
  /** The id of its breakpoint. */
  readonly breakpoint: string
  /** The id and the number of its connection. */
  readonly connection: string
  readonly number: number
  readonly direction: Direction
  /** Points in time, in milliseconds since 1970: when it began, and when it goes on by itself. */
  readonly since: number
  readonly until: number
  readonly bytes: number
  /** Whether the end of the direction waits, too. */
  readonly ended: boolean
}

/** Each method throws or rejects with a Refusal if the request cannot be done. */
export interface Breakpoints {
  /** Without an id, it gets the next one. */
  add(request: unknown, id?: string): Promise<BreakpointInfo>
  /** Also lets go what it holds. */
  remove(id: string): Promise<void>
  list(): { readonly breakpoints: readonly BreakpointInfo[]; readonly held: readonly HeldInfo[] }
  /** The same as in the list, with the held bytes in base64. */
  held(id: string): HeldInfo & { readonly data: string }
  release(id: string, request?: unknown): void
  drop(id: string): void
  reset(id: string): void
  /** Removes all. */
  close(): Promise<void>
}

/** The most breakpoints at the same time. */
const most = 100

/** The most directions that are held at the same time: each takes about 220 KiB if its peer sends as much. */
const mostHeld = 1000

/** The name of the segment that holds. It exists only while there is a breakpoint for its direction. */
const segment = 'breakpoints'

export interface BreakpointsOptions {
  /** The directions that are held at the same time. */
  readonly mostHeld?: number
  /** Called with the id of a breakpoint that holds. */
  readonly onHit?: ((id: string) => void) | undefined
}

export function openBreakpoints(
  chains: Chains,
  connections: Connections,
  mark: MarkConnection,
  { mostHeld: most = mostHeld, onHit = () => {} }: BreakpointsOptions = {},
): Breakpoints {
  const breakpoints = new Map<string, Breakpoint>()
  const holds = openHolds({
    ...{ breakpoints, connections, mark, most },
    hit: ({ info }) => onHit(info.id),
    over: ({ breakpoint }) => over(state, breakpoint),
  })
  const state: State = { chains, connections, breakpoints, holds, lastId: 0 }
  return {
    add: (request, id) => add(state, request, id),
    remove: async id => remove(state, [find(breakpoints, 'breakpoint', id)]),
    list: () => ({ breakpoints: [...breakpoints.values()].map(infoOf), held: [...holds.open.values()].map(heldOf) }),
    held(id) {
      const hold = find(holds.open, 'held direction', id)
      return { ...heldOf(hold), data: bytesOf(hold).toString('base64') }
    },
    release: (id, request) => release(state, id, held => replacementOf(held, request)),
    drop: id => release(state, id, () => Buffer.alloc(0)),
    reset: id => reset(state, find(holds.open, 'held direction', id)),
    close: () => remove(state, [...breakpoints.values()]),
  }
}

interface State {
  readonly chains: Chains
  readonly connections: Connections
  readonly breakpoints: Map<string, Breakpoint>
  readonly holds: Holds
  lastId: number
}

async function add(state: State, request: unknown, id = String(state.lastId + 1)): Promise<BreakpointInfo> {
  const { breakpoints, chains } = state
  const breakpoint = breakpointOf(id, request, chains)
  if (breakpoints.size >= most) throw new Refusal(409, `there are ${most} breakpoints; remove one first`)
  state.lastId++
  breakpoints.set(id, breakpoint)
  try {
    await placeSegments(state)
  } catch (error) {
    breakpoints.delete(id)
    throw error
  }
  return infoOf(breakpoint)
}

async function remove(state: State, gone: readonly Breakpoint[]): Promise<void> {
  const { breakpoints, holds } = state
  for (const breakpoint of gone) breakpoints.delete(breakpoint.info.id)
  const ended = [...holds.open.values()].filter(({ breakpoint }) => gone.includes(breakpoint))
  for (const hold of ended) holds.end(hold, bytesOf(hold), { mark: 'released', text: 'the breakpoint was removed' })
  await placeSegments(state)
}

/** Adds or removes the segments, so that they are where a breakpoint needs them. */
async function placeSegments({ chains, breakpoints, holds }: State): Promise<void> {
  const needs = (direction: Direction) =>
    [...breakpoints.values()].some(({ info }) => info.turn || info.direction === direction)
  const changes = directions.flatMap(direction => {
    const chain = chains[direction]
    const isThere = chain?.list().includes(segment)
    if (!chain || isThere === needs(direction)) return []
    return isThere ? chain.remove(segment) : chain.set(segment, holds.stage, { before: chain.list()[0] })
  })
  await made(Promise.all(changes))
}

/** Later: a chain cannot be changed while one of its connections fails. */
function over(state: State, breakpoint: Breakpoint): void {
  const { id, once } = breakpoint.info
  if (!once || !state.breakpoints.delete(id)) return
  setImmediate(() => void placeSegments(state).catch(() => {})) // a segment that stays lets everything pass
}

function find<T>(all: ReadonlyMap<string, T>, what: string, id: string): T {
  const found = all.get(id)
  if (found) return found
  throw new Refusal(404, `there is no ${what} '${id.slice(0, 100)}'`)
}

function release({ holds }: State, id: string, replace: (held: Buffer) => Buffer): void {
  const hold = find(holds.open, 'held direction', id)
  const held = bytesOf(hold)
  const bytes = replace(held)
  if (bytes === held) holds.end(hold, bytes, { mark: 'released', text: sizeOf(held) })
  else if (bytes.length === 0) holds.end(hold, bytes, { mark: 'dropped', text: sizeOf(held) })
  else holds.end(hold, bytes, { mark: 'edited', text: `${sizeOf(bytes)} in place of ${sizeOf(held)}` })
}

function reset({ connections, holds }: State, hold: Hold): void {
  const connection = connections.find(hold.connection.id)
  if (!connection) throw new Refusal(409, 'the connection has ended')
  holds.mark(hold, { mark: 'reset', text: 'at a breakpoint' })
  connection.reset('reset at a breakpoint')
}

function infoOf({ info, hits }: Breakpoint): BreakpointInfo {
  return { ...info, hits }
}

function heldOf(hold: Hold): HeldInfo {
  const { id, breakpoint, connection, since, until, stage } = hold
  const { length } = bytesOf(hold)
  return {
    id,
    breakpoint: breakpoint.info.id,
    connection: connection.id,
    number: connection.number,
    direction: connection.direction,
    since,
    until,
    bytes: length,
    ended: stage.ended,
  }
}

function bytesOf({ stage }: Hold): Buffer {
  return stage.held as Buffer
}
