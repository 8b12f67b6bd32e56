/** Connections within the process, for tests. */
import type { Duplex } from 'node:stream'
import type { Test } from 'tap'
import { type Ends, openChain } from '../../../lib/connection/chain.js'
import { type ConnectionOptions, type OpenConnection, openConnection } from '../../../lib/connection/connection.js'
import type { Leg } from '../../../lib/endpoints/endpoint.js'
import { memoryPair } from '../../../lib/endpoints/memory.js'
import { socketLeg } from '../../../lib/endpoints/socket.js'
import type { Transforms } from '../../../lib/stages/transforms.js'
import { logObserver } from '../../../lib/stats/log-observer.js'
import type { Summary } from '../../../lib/stats/summary.js'
import { recorder, socketPair } from '../network.js'

/** Two legs that are connected to each other; both are closed at the end of the test. */
export function legs(t: Test): [Leg, Leg] {
  const pair = memoryPair()
  for (const { stream } of pair) {
    stream.on('error', () => {})
    t.teardown(() => stream.destroy())
  }
  return pair
}

/** The same over TCP. */
export async function socketLegs(t: Test, sockets = socketPair(t)): Promise<[Leg, Leg]> {
  const [accepted, client] = await sockets
  return [socketLeg(accepted), socketLeg(client)]
}

/** A connection with its log, the stream of its leg, and the stream of its peer. */
export function openOver(pair: [Leg, Leg], options: Partial<ConnectionOptions> = {}) {
  const [leg, { stream: peer }] = pair
  const { log, lines } = recorder()
  const observer = logObserver(log)
  const connection = openConnection(leg, { log, maxRecord: undefined, idleTimeout: 0, observer, ...options })
  return { leg, stream: leg.stream, peer, connection, lines }
}

export function open(t: Test, options?: Partial<ConnectionOptions>) {
  return openOver(legs(t), options)
}

/** From the leg into a sink. */
export function from(leg: Leg, sink: Ends['sink']): Ends {
  return { source: leg.stream, sourceLeg: leg, sink }
}

/** From a source into the leg. */
export function into(source: Ends['source'], leg: Leg): Ends {
  return { source, sink: leg.stream, sinkLeg: leg }
}

/** From the leg back into the leg. */
export function around(leg: Leg): Ends {
  return { source: leg.stream, sourceLeg: leg, sink: leg.stream, sinkLeg: leg }
}

/** What a server does: the transfer, then an end or a reset. */
export async function work(connection: OpenConnection, ends: Ends, transforms?: Transforms): Promise<Summary> {
  await openChain(ends.sinkLeg && !ends.sourceLeg ? 'reply' : 'forward', transforms)
    .run(connection, ends)
    .catch(connection.fail)
  return connection.finish()
}

/** Writes, and waits until it has been taken. */
export function write(stream: Duplex, chunk: string | Buffer): Promise<void> {
  return new Promise((resolve, reject) => void stream.write(chunk, error => (error ? reject(error) : resolve())))
}
