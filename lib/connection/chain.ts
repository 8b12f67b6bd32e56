/** The segments of one direction: creates them for new connections and changes them in open connections. */
import type { Leg, Sink, Source } from '../endpoints/endpoint.js'
import type { Plan } from '../stages/plan.js'
import { checkFunction, type Stages, type Transforms } from '../stages/transforms.js'
import type { Direction } from '../stats/snapshot.js'
import { TcpPipeError } from '../text/errors.js'
import type { OpenConnection } from './connection.js'
import type { EndNames, SegmentRequest, Transfer } from './transfer.js'

/**
 * The transforms of one direction, as named segments. A change also applies to open connections: no byte is lost,
 * repeated or reordered. Replaced stages deliver the data that they hold first. Unchanged segments keep their state. A
 * file that a reliable session brings without any stage stays without: a change applies to the next one.
 *
 * A change resolves when every open connection uses the new stages. It rejects and changes nothing in two cases: with
 * `ERR_STAGE` if it would replace an open stage that cannot end in the middle of a stream (`indivisible`), and with the
 * error of the function if the function throws.
 */
export interface Chain {
  /** Replaces all segments with a single segment named `transforms`. */
  use<A, B, C, D, E, F, G, H>(transforms: Transforms<Stages<A, B, C, D, E, F, G, H>>): Promise<void>
  /** Removes all segments. */
  clear(): Promise<void>
  /**
   * Replaces the segment with this name. If there is none, adds one before the segment named by `before`, or at the
   * end. Rejects with `ERR_OPTION` if the segment named by `before` does not exist.
   */
  set<A, B, C, D, E, F, G, H>(
    name: string,
    transforms: Transforms<Stages<A, B, C, D, E, F, G, H>>,
    place?: { readonly before?: string | undefined },
  ): Promise<void>
  /** Removes the segment with this name. Rejects with `ERR_OPTION` if it does not exist. */
  remove(name: string): Promise<void>
  /** Returns the names of the segments, from the source to the sink. */
  list(): string[]
}

export interface OpenChain {
  readonly chain: Chain
  /** Runs source → segments → sink for one connection. Resolves when the sink has accepted all data. */
  run(connection: OpenConnection, ends: Ends): Promise<void>
  /** Whether the connection has stages now: without any, the sink gets the bytes of the source. */
  hasStages(connection: OpenConnection): boolean
  /** Ends what runs for this connection as if its source had ended. */
  stop(connection: OpenConnection): void
}

/** The two ends of a transfer. */
export interface Ends {
  readonly source: Source
  readonly sink: Sink
  readonly sourceLeg?: Leg | undefined
  readonly sinkLeg?: Leg | undefined
  /** Creates the stages when the first byte arrives. Default: immediately. */
  readonly lazy?: boolean
  /** What the figures call the ends. */
  readonly names?: EndNames
}

interface Segment {
  readonly name: string
  readonly transforms: Transforms
}

/** The name of the segment that the option `transforms` and `use` create. */
const mainSegment = 'transforms'

/** The state of a chain: its segments, and the transfers that run them. */
interface ChainState {
  readonly direction: Direction
  readonly transfers: Map<Transfer, OpenConnection>
  segments: readonly Segment[]
}

export function openChain(direction: Direction, first: Transforms | undefined): OpenChain {
  const segments = first ? [{ name: mainSegment, transforms: first }] : []
  const state: ChainState = { direction, transfers: new Map(), segments }
  const chain: Chain = {
    async use(transforms) {
      checkFunction('transforms', transforms)
      await change(state, [{ name: mainSegment, transforms: transforms as Transforms }])
    },
    clear: () => change(state, []),
    set: (name, transforms, { before } = {}) => set(state, { name, transforms: transforms as Transforms }, before),
    async remove(name) {
      await change(state, state.segments.toSpliced(indexOf(state, name), 1))
    },
    list: () => state.segments.map(({ name }) => name),
  }
  return {
    chain,
    run: (connection, ends) => run(state, connection, ends),
    hasStages: connection => state.segments.some(({ transforms }) => hasStages(connection, transforms, direction)),
    stop(connection) {
      for (const [transfer, owner] of state.transfers) if (owner === connection) transfer.stop()
    },
  }
}

function hasStages(connection: OpenConnection, transforms: Transforms, direction: Direction): boolean {
  const plan = connection.prepare(transforms, direction)
  for (const stream of plan.streams) stream.destroy()
  connection.forget(plan)
  return plan.streams.length > 0
}

function run({ direction, transfers, segments }: ChainState, connection: OpenConnection, ends: Ends): Promise<void> {
  const { isExact } = ends.sink
  const requests = (isExact ? [] : segments).map(({ name, transforms }) => ({
    name,
    make: () => connection.prepare(transforms, direction),
  }))
  const over = isExact ? undefined : () => void transfers.delete(transfer)
  const transfer = connection.transfer({ ...ends, direction, segments: requests }, over)
  if (!isExact) transfers.set(transfer, connection)
  return transfer.done
}

async function set(state: ChainState, segment: Segment, before: string | undefined): Promise<void> {
  const { name, transforms } = segment
  if (typeof name !== 'string' || name === '')
    throw new TcpPipeError('ERR_OPTION', `name: ${String(name) || "''"} is not allowed; expected a text`)
  checkFunction('transforms', transforms)
  const present = state.segments.findIndex(each => each.name === name)
  const place = before === undefined ? state.segments.length : indexOf(state, before)
  await change(state, state.segments.toSpliced(present >= 0 ? present : place, present >= 0 ? 1 : 0, segment))
}

function indexOf({ direction, segments }: ChainState, name: string): number {
  const index = segments.findIndex(segment => segment.name === name)
  if (index >= 0) return index
  const expected = segments.length > 0 ? `expected ${segments.map(each => each.name).join(', ')}` : 'there is none'
  throw new TcpPipeError('ERR_OPTION', `${direction}: unknown segment '${name}'; ${expected}`)
}

/** Creates the new segments for every connection before it installs any. If one fails, it discards them all. */
async function change(state: ChainState, next: readonly Segment[]): Promise<void> {
  const { direction, transfers, segments } = state
  const gone = segments.filter(segment => !next.includes(segment)).map(({ name }) => name)
  const open = new Set([...transfers.keys()].flatMap(transfer => transfer.open(gone)))
  if (open.size > 0) throw refusal(direction, [...open])
  const made: { connection: OpenConnection; plan: Plan }[] = []
  const request = (connection: OpenConnection, { name, transforms }: Segment): SegmentRequest => {
    const plan = connection.prepare(transforms, direction)
    made.push({ connection, plan })
    return { name, plan }
  }
  try {
    const changes = [...transfers].map(([transfer, connection]) => {
      const requests = next.map(each => (segments.includes(each) ? { name: each.name } : request(connection, each)))
      return () => transfer.change(requests)
    })
    state.segments = next
    await Promise.all(changes.map(apply => apply()))
  } catch (error) {
    for (const { connection, plan } of made) {
      for (const stream of plan.streams) stream.destroy()
      connection.forget(plan)
    }
    throw error
  }
}

function refusal(direction: Direction, names: string[]): TcpPipeError {
  const which = `${names.join(', ')} ${names.length > 1 ? 'are' : 'is'} open`
  const why = 'which cannot be ended in the middle of a stream'
  return new TcpPipeError('ERR_STAGE', `${direction}: the transforms cannot be changed while ${which}, ${why}`)
}
