/** NATS JetStream: a stream of a server stores records until somebody has taken them. */
import { defineEndpoint } from './endpoint.js'
import {
  checkSinkAddress,
  checkSourceAddress,
  completeNats,
  formatNats,
  type NatsAddress,
  parseNats,
} from './nats/address.js'
import { natsSource } from './nats/source.js'

export type { NatsAddress } from './nats/address.js'

export const nats = defineEndpoint<NatsAddress>({
  scheme: 'nats',
  syntax: ['nats[+tls]://host/subject'],
  summary: 'a subject of NATS JetStream, see docs/nats.md; the default port is 4222',
  accepts: text => /^nats(\+\w*)?:\/\//.test(text),
  parse: parseNats,
  complete: completeNats,
  format: formatNats,
  source: natsSource,
  checkSource: checkSourceAddress,
  load: () => import('./nats/sink.js'),
  async reachSink(address) {
    const { checkTarget } = await import('./nats/sink.js')
    await checkTarget(address)
  },
  async checkSink(address) {
    checkSinkAddress(address)
  },
  async sink(address, connection, signal) {
    const { natsSink } = await import('./nats/sink.js')
    return natsSink(address, connection, signal)
  },
})
