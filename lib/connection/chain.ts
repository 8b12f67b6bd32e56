/** The segments of one direction: those for new connections, and changes of the connections that are open. */
import type { Leg, Sink, Source } from '../endpoints/endpoint.js'
import type { Plan } from '../stages/plan.js'
import { checkFunction, type Transforms } from '../stages/transforms.js'
import type { Direction } from '../stats/snapshot.js'
import { TcpPipeError } from '../text/errors.js'
import type { OpenConnection } from './connection.js'
import type { Transfer } from './transfer.js'

/**
 * The transforms of one direction, as named segments. A change applies to open connections, too: no byte is lost,
 * repeated or moved. What replaced stages hold is delivered first; segments that are not changed keep their state.
 *
 * A change resolves when every open connection goes through the new stages. It rejects and changes nothing with
 * `ERR_STAGE` while a stage that it would replace is open and cannot be ended in the middle of a stream (`indivisible`),
 * and with the error of the function if that throws.
 */
export interface Chain {
  /** Replaces all segments by one, named `transforms`. */
  use(transforms: Transforms): Promise<void>
  /** Removes all segments. */
  clear(): Promise<void>
  /**
   * Replaces the segment of this name, or adds it: at the end, or before the segment named by `before`. Rejects with
   * `ERR_OPTION` if there is no such segment.
   */
  set(name: string, transforms: Transforms, place?: { readonly before?: string | undefined }): Promise<void>
  /** Removes the segment of this name. Rejects with `ERR_OPTION` if there is none. */
  remove(name: string): Promise<void>
  /** The names of the segments, from the source to the sink. */
  list(): string[]
}

export interface OpenChain {
  readonly chain: Chain
  /** Source → segments → sink, for one connection; resolves when the sink has taken everything. */
  run(connection: OpenConnection, ends: Ends): Promise<void>
}

/** What stands at the two ends of a transfer. */
export interface Ends {
  readonly source: Source
  readonly sink: Sink
  readonly sourceLeg?: Leg | undefined
  readonly sinkLeg?: Leg | undefined
  /** Make the stages when the first byte comes. Default: at once. */
  readonly lazy?: boolean
}

interface Segment {
  readonly name: string
  readonly transforms: Transforms
}

/** The segment of the option `transforms`, and of `use`. */
const mainSegment = 'transforms'

export function openChain(direction: Direction, first: Transforms | undefined): OpenChain {
  const transfers = new Map<Transfer, OpenConnection>()
  let segments: readonly Segment[] = first ? [{ name: mainSegment, transforms: first }] : []

  async function run(connection: OpenConnection, ends: Ends): Promise<void> {
    const requests = segments.map(({ name, transforms }) => ({
      name,
      make: () => connection.prepare(transforms, direction),
    }))
    const transfer = connection.transfer({ ...ends, direction, segments: requests })
    transfers.set(transfer, connection)
    try {
      await transfer.done
    } finally {
      transfers.delete(transfer)
    }
  }

  /** Those that are not in the present ones are made for every connection before one is put in place. */
  async function change(next: readonly Segment[]): Promise<void> {
    const gone = segments.filter(segment => !next.includes(segment)).map(({ name }) => name)
    const open = new Set([...transfers.keys()].flatMap(transfer => transfer.open(gone)))
    if (open.size > 0) throw refusal(direction, [...open])
    const changes = [...transfers].map(([transfer, connection]) => ({ transfer, plans: make(connection, next) }))
    segments = next
    await Promise.all(
      changes.map(({ transfer, plans }) => {
        const requests = next.map(({ name }, i) => ({ name, make: plans[i] && (() => plans[i] as Plan) }))
        return transfer.change(requests)
      }),
    )
  }

  function make(connection: OpenConnection, next: readonly Segment[]): (Plan | undefined)[] {
    const made: Plan[] = []
    try {
      return next.map(segment => {
        if (segments.includes(segment)) return undefined
        const plan = connection.prepare(segment.transforms, direction)
        made.push(plan)
        return plan
      })
    } catch (error) {
      for (const plan of made) connection.forget(plan)
      throw error
    }
  }

  function at(name: string): number {
    const index = segments.findIndex(segment => segment.name === name)
    if (index >= 0) return index
    const names = segments.map(segment => segment.name).join(', ') || 'there is none'
    throw new TcpPipeError('ERR_OPTION', `${direction}: unknown segment '${name}'; expected one of: ${names}`)
  }

  const chain: Chain = {
    async use(transforms) {
      checkFunction('transforms', transforms)
      await change([{ name: mainSegment, transforms }])
    },
    clear: () => change([]),
    async set(name, transforms, { before } = {}) {
      if (typeof name !== 'string' || name === '')
        throw new TcpPipeError('ERR_OPTION', `name: ${String(name) || "''"} is not allowed; expected a text`)
      checkFunction('transforms', transforms)
      const segment = { name, transforms }
      const present = segments.findIndex(each => each.name === name)
      const index = present >= 0 ? present : before === undefined ? segments.length : at(before)
      await change(segments.toSpliced(index, present >= 0 ? 1 : 0, segment))
    },
    async remove(name) {
      await change(segments.toSpliced(at(name), 1))
    },
    list: () => segments.map(({ name }) => name),
  }
  return { chain, run }
}

function refusal(direction: Direction, names: string[]): TcpPipeError {
  const which = `${names.join(', ')} ${names.length > 1 ? 'are' : 'is'} open`
  const why = 'which cannot be ended in the middle of a stream'
  return new TcpPipeError('ERR_STAGE', `${direction}: the transforms cannot be changed while ${which}, ${why}`)
}
