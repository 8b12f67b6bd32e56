/** The state of a server that nothing listens for: tests bring its clients. */
import { toAddress } from '../../../lib/endpoints/address.js'
import type { Arrival, Leg } from '../../../lib/endpoints/endpoint.js'
import { memoryPair } from '../../../lib/endpoints/memory.js'
import { openTlsContexts } from '../../../lib/endpoints/tls/contexts.js'
import type { ServerOptions } from '../../../lib/server/listen-options.js'
import { openState, type ServerState, type Work } from '../../../lib/server/state.js'

const address = toAddress('memory:state')

/** Without TLS, log, limits and timeouts. */
export const defaults: ServerOptions = {
  contexts: await openTlsContexts(address, undefined, {}),
  observer: undefined,
  log: undefined,
  maxRecord: undefined,
  idleTimeout: 0,
  halfClosedTimeout: 0,
  maxConnections: 100,
  maxPerIp: undefined,
  handshakeTimeout: undefined,
  once: false,
  signal: undefined,
  onConnection: undefined,
}

export const forever: Work = () => new Promise<void>(() => {})

/** With a listener that can only be closed. */
export function stateOf(options: Partial<ServerOptions> = {}, work = forever): ServerState {
  const state = openState(address, { ...defaults, ...options }, work)
  state.listener = { bound: { address: 'state', family: 'memory', port: 0 }, close: async () => {} }
  return state
}

/** A client that has connected, and its leg. */
export function client(remote = '10.0.0.1', shaken?: Promise<void>): { arrival: Arrival; leg: Leg } {
  const [leg, far] = memoryPair()
  const open = shaken ? () => shaken.then(() => far) : () => far
  return { leg, arrival: { remote, port: 1, open, refuse: far.reset } }
}
