/** The chain of transforms of one direction of a link: the one for new connections, and a change of those that are open. */

import type { Duplex } from 'node:stream'
import type { ConnectionInfo } from '../stages/context.js'
import { partsOf } from '../stages/parts.js'
import type { Plan } from '../stages/plan.js'
import { checkFunction, type Stages, type Transforms } from '../stages/transforms.js'
import { TcpPipeError } from '../text/errors.js'
import type { OpenConnection } from './connection.js'
import { openRelay, type Relay } from './relay.js'

export interface Chain {
  /**
   * Puts these transforms in the place of those that are there, also in the connections that are open. No byte is lost,
   * repeated or moved: what is in the old ones is delivered first, and a record is cut where the change comes.
   *
   * Resolves when every open connection goes through the new ones. Rejects, and nothing is changed, with `ERR_STAGE` while
   * a stage is open that cannot be ended in the middle, and with its own error if the function throws.
   */
  use<A, B, C, D, E, F, G, H>(transforms: Transforms<Stages<A, B, C, D, E, F, G, H>>): Promise<void>
  /** Takes the transforms away, as `use(() => [])`. */
  clear(): Promise<void>
}

export interface OpenChain {
  readonly chain: Chain
  /** Source → transforms → sink, for one connection; to the end of the sink. */
  run(connection: OpenConnection, source: Duplex, sink: Duplex): Promise<void>
}

export function openChain(direction: ConnectionInfo['direction'], first: Transforms = none): OpenChain {
  const relays = new Map<Relay, OpenConnection>()
  let transforms = first

  function make(connection: OpenConnection, of: Transforms): Plan {
    return connection.prepare(partsOf(of(connection.info(direction))), direction)
  }

  async function run(connection: OpenConnection, source: Duplex, sink: Duplex): Promise<void> {
    const relay = openRelay(source, sink, make(connection, transforms))
    relays.set(relay, connection)
    try {
      await relay.done
    } finally {
      relays.delete(relay)
    }
  }

  /** All of them are made before one is put in its place. */
  async function use(next: Transforms): Promise<void> {
    checkFunction('transforms', next)
    const open = new Set([...relays.keys()].flatMap(relay => relay.open))
    if (open.size > 0) throw refusal(direction, [...open])
    const plans: { relay: Relay; connection: OpenConnection; plan: Plan }[] = []
    try {
      for (const [relay, connection] of relays) plans.push({ relay, connection, plan: make(connection, next) })
    } catch (error) {
      for (const { connection, plan } of plans) connection.forget(plan)
      throw error
    }
    transforms = next
    await Promise.all(plans.map(({ relay, connection, plan }) => relay.change(plan, connection.forget)))
  }

  return { run, chain: { use: use as Chain['use'], clear: () => use(none) } }
}

function refusal(direction: string, names: string[]): TcpPipeError {
  const which = `${names.join(', ')} ${names.length > 1 ? 'are' : 'is'} open`
  const why = 'what cannot be ended in the middle of a stream'
  return new TcpPipeError('ERR_STAGE', `${direction}: the transforms cannot be changed while ${which}, ${why}`)
}

function none(): [] {
  return []
}
