/** One breakpoint: its request, its options and its figures. */
import { type Finder, finder } from '../faults/finder.js'
import type { Direction } from '../stats/snapshot.js'
import { type Chains, chainOf, directions } from './chains.js'
import { flag, integer, membersOf, text, word } from './members.js'
import { Refusal } from './refusal.js'

export interface BreakpointInfo {
  readonly id: string
  readonly direction: Direction
  readonly on: string | null
  readonly hex: string | null
  readonly turn: boolean
  readonly connection: number | null
  readonly once: boolean
  /** Milliseconds after which what is held goes on by itself. */
  readonly time: number
  readonly hits: number
}

/** What the owner of a breakpoint knows of it. */
export interface Breakpoint {
  readonly info: BreakpointInfo
  /** Makes what finds its matches in one stream; undefined if it is for turns. */
  readonly search: (() => Finder) | undefined
  hits: number
}

/** The most bytes of a pattern. */
const longest = 4096

const defaultTime = 60_000

const members = {
  direction: word(directions),
  on: text(`a text of 1 to ${longest} bytes`, value => value !== '' && Buffer.byteLength(value) <= longest),
  hex: text(
    `1 to ${longest} bytes in hex, such as '0d0a'`,
    value => value.length <= 2 * longest && /^([\da-f]{2})+$/i.test(value),
  ),
  turn: flag,
  connection: integer(1),
  once: flag,
  time: integer(100, 3_600_000),
}

/** Checks a request for a breakpoint. Throws a Refusal. */
export function breakpointOf(id: string, request: unknown, chains: Chains): Breakpoint {
  const given = membersOf(request, members)
  const { direction, on, hex, turn = false, connection = null, once = false, time = defaultTime } = given
  chainOf(chains, direction)
  const kinds = [on !== undefined && 'on', hex !== undefined && 'hex', turn && 'turn'].filter(Boolean)
  if (kinds.length === 0) throw new Refusal(400, 'one of on, hex and turn is needed')
  if (kinds.length > 1) throw new Refusal(400, `one of on, hex and turn is allowed, not ${kinds.join(' and ')}`)
  const pattern = on === undefined ? Buffer.from(hex ?? '', 'hex') : Buffer.from(on)
  return {
    info: {
      id,
      direction: direction as Direction,
      on: on ?? null,
      hex: hex ?? null,
      turn,
      connection,
      once,
      time,
      hits: 0,
    },
    search: turn ? undefined : () => finder(pattern),
    hits: 0,
  }
}

const releaseMembers = {
  data: text('bytes in base64', value => value.length % 4 === 0 && /^[A-Za-z\d+/]*={0,2}$/.test(value)),
  bytes: integer(0),
}

/** What passes in place of the held bytes, according to a request to release them. Throws a Refusal. */
export function replacementOf(held: Buffer, request: unknown): Buffer {
  const { data, bytes = held.length } = membersOf(request ?? {}, releaseMembers)
  if (bytes > held.length)
    throw new Refusal(400, `bytes: ${bytes} is not allowed; expected at most ${held.length}, which are held`)
  return data === undefined ? held : Buffer.concat([Buffer.from(data, 'base64'), held.subarray(bytes)])
}
