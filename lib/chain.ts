/** The chain of transforms of one direction of a link: the one for new connections, and a change of those that are open. */

import type { Duplex } from 'node:stream'
import type { ConnectionInfo, OpenConnection } from './connection.js'
import { TcpPipeError } from './errors.js'
import { partsOf } from './parts.js'
import { type MakePlan, openRelay, type Relay } from './relay.js'
import { checkFunction, type Transforms } from './serve.js'

export interface Chain {
  /**
   * Puts these transforms in the place of those that are there, also in the connections that are open. No byte is lost,
   * repeated or moved: what is in the old ones is delivered first, and a record is cut where the change comes.
   *
   * Resolves when every open connection goes through the new ones. Rejects with `ERR_STAGE`, and nothing is changed, while
   * a stage is open that cannot be ended in the middle; with their own error if stages cannot be made for a connection,
   * which has failed then.
   */
  use(transforms: Transforms): Promise<void>
  /** Takes the transforms away, as `use(() => [])`. */
  clear(): Promise<void>
}

export interface OpenChain {
  readonly chain: Chain
  /** Source → transforms → sink, for one connection; to the end of the sink. */
  run(connection: OpenConnection, source: Duplex, sink: Duplex): Promise<void>
}

export function openChain(direction: ConnectionInfo['direction'], first: Transforms = none): OpenChain {
  const relays = new Map<Relay, MakePlan>()
  let transforms = first

  async function run(connection: OpenConnection, source: Duplex, sink: Duplex): Promise<void> {
    const info = connection.info(direction)
    const make: MakePlan = inPlaceOf => connection.prepare(partsOf(transforms(info)), direction, inPlaceOf)
    const relay = openRelay(source, sink, make)
    relays.set(relay, make)
    try {
      await relay.done
    } finally {
      relays.delete(relay)
    }
  }

  async function change(): Promise<void> {
    await Promise.all([...relays].map(([relay, make]) => relay.change(make)))
  }

  async function use(next: Transforms): Promise<void> {
    checkFunction('transforms', next)
    const open = new Set([...relays.keys()].flatMap(relay => relay.open))
    if (open.size > 0) throw refusal(direction, [...open])
    transforms = next
    await change()
  }

  return { run, chain: { use, clear: () => use(none) } }
}

function refusal(direction: string, names: string[]): TcpPipeError {
  const which = `${names.join(', ')} ${names.length > 1 ? 'are' : 'is'} open`
  const why = 'it cannot be ended in the middle of a stream'
  return new TcpPipeError('ERR_STAGE', `${direction}: the transforms cannot be changed while ${which}: ${why}`)
}

function none(): [] {
  return []
}
