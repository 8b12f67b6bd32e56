/** The leg of a connection that comes from no peer: from a file, stdin or a consumer. */
import { Duplex } from 'node:stream'
import type { Leg, Source } from './endpoint.js'

/** `name` stands where other legs have the address of their peer. Only the bytes of the source are counted. */
export function localLeg(source: Source, name: string): Leg {
  const bytes = { in: 0, out: 0 }
  source.prependListener('data', (chunk: Buffer) => {
    bytes.in += chunk.length
  }) // unlike `on`, it starts no flow
  return { stream: new Duplex().destroy(), remote: name, port: undefined, facts: {}, bytes, reset: () => {} }
}
