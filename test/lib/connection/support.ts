/** Connections within the process, for tests. */
import { type Duplex, Transform } from 'node:stream'
import type { Test } from 'tap'
import { type Ends, openChain } from '../../../lib/connection/chain.js'
import { type ConnectionOptions, type OpenConnection, openConnection } from '../../../lib/connection/connection.js'
import type { Leg } from '../../../lib/endpoints/endpoint.js'
import { memoryPair } from '../../../lib/endpoints/memory.js'
import { socketLeg } from '../../../lib/endpoints/socket.js'
import type { Context } from '../../../lib/stages/context.js'
import { defineTransform } from '../../../lib/stages/define.js'
import type { Transforms } from '../../../lib/stages/transforms.js'
import { logObserver } from '../../../lib/stats/log-observer.js'
import { observers } from '../../../lib/stats/observer.js'
import type { Direction } from '../../../lib/stats/snapshot.js'
import type { Summary } from '../../../lib/stats/summary.js'
import { memorySink, recorder, socketPair } from '../network.js'
import { turns } from '../stats/stopped-clock.js'

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
  const observer = observers([logObserver(log)])
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
    .catch(error => connection.fail(error))
  return connection.finish()
}

/** Writes, and waits until it has been taken. */
export function write(stream: Duplex, chunk: string | Buffer): Promise<void> {
  return new Promise((resolve, reject) => void stream.write(chunk, error => (error ? reject(error) : resolve())))
}

export interface FlowOptions {
  /** The segments that it begins with, from the source to the sink. */
  segments?: Record<string, Transforms>
  sink?: Ends['sink']
  lazy?: boolean
  direction?: Direction
}

/** A chain of a connection: from its peer, who writes, through the segments into a sink. */
export function flow(t: Test, { segments = {}, sink, lazy = false, direction = 'forward' }: FlowOptions = {}) {
  const { leg, stream, peer, connection } = open(t)
  const { chain, run } = openChain(direction, undefined)
  for (const [name, transforms] of Object.entries(segments)) void chain.set(name, transforms)
  const output = memorySink()
  const done = run(connection, { ...from(leg, sink ?? output), lazy })
  done.catch(() => {})
  const text = () => String(output.data)
  /** Everything that can be done with it is done. */
  const say = async (chunk: string | Buffer) => {
    peer.write(chunk)
    await turns()
  }
  /** What has come to the sink when the peer has ended. */
  const end = async (chunk: string | Buffer = '') => {
    peer.end(chunk)
    await done
    return text()
  }
  return { leg, stream, peer, connection, chain, run, sink: output, done, text, say, end }
}

/** A Duplex that can be ended in the middle. */
export function divisible(create: (context: Context) => Duplex): () => Duplex {
  const summary = ''
  const make = defineTransform({ name: 'divisible', summary, unit: 'bytes', create: (_, context) => create(context) })
  return () => make()
}

/** Holds everything back until its end. */
export const holder = divisible(() => {
  const held: Buffer[] = []
  return new Transform({
    transform(chunk, _encoding, callback) {
      held.push(chunk)
      callback()
    },
    flush(callback) {
      callback(null, Buffer.concat(held))
    },
  })
})

/** Ends when the test lets it: `release` is for the flush. */
export function slowEnd() {
  const waiting: (() => void)[] = []
  const make = divisible(
    () =>
      new Transform({
        transform: (chunk, _encoding, callback) => callback(null, chunk),
        flush: callback => void waiting.push(callback),
      }),
  )
  return { make, waiting, release: () => waiting.splice(0).map(each => each()) }
}

export const upper = (chunk: Buffer | string) => chunk.toString().toUpperCase()
export const bracket = (chunk: Buffer | string) => `[${chunk}]`
