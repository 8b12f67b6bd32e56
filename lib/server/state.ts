/** The state of a server: its listener, its connections, and its shutdown. */
import { setMaxListeners } from 'node:events'
import type { OpenConnection } from '../connection/connection.js'
import type { Address } from '../endpoints/address.js'
import type { Leg, Listener } from '../endpoints/endpoint.js'
import type { Logger } from '../stages/context.js'
import { logObserver } from '../stats/log-observer.js'
import { type Observer, type Observers, observers } from '../stats/observer.js'
import { type ServerFigures, serverFigures } from '../stats/server-figures.js'
import type { ServerStats } from '../stats/snapshot.js'
import { accessCheck } from './access.js'
import type { ServerOptions } from './listen-options.js'
import { openTally, type Tally } from './tally.js'

/** The work for a connection. The connection ends when the promise resolves, and is reset when it rejects. */
export type Work = (connection: OpenConnection, leg: Leg) => Promise<void>

export interface ServerState {
  readonly address: Address
  readonly options: ServerOptions
  readonly work: Work
  readonly mayConnect: ReturnType<typeof accessCheck>
  readonly tally: Tally | undefined
  readonly observer: Observers
  readonly figures: ServerFigures
  /** The open connections. */
  readonly active: Set<OpenConnection>
  /** The pending work for connections and for clients in a handshake. */
  readonly running: Set<Promise<void>>
  /** Resolves when it has stopped listening permanently and all accepted sockets are closed. */
  readonly whenStopped: Promise<void>
  stopped(): void
  listener: Listener | undefined
  /** Aborts the pending handshakes. */
  handshakes: AbortController
  /** Whether the sources and sinks of new connections are measured. */
  measure: boolean
  isOver: boolean
  isDisabled: boolean
  isEnabling: boolean
}

export function openState(address: Address, options: ServerOptions, work: Work): ServerState {
  const { log, maxPerIp } = options
  let stopped!: () => void
  const whenStopped = new Promise<void>(resolve => {
    stopped = resolve
  })
  return {
    ...{ address, options, work, whenStopped, stopped },
    mayConnect: accessCheck(options),
    tally: maxPerIp === undefined ? undefined : openTally(maxPerIp),
    observer: observers([log && ownLog(log, options), options.observer]),
    figures: serverFigures(options.also),
    active: new Set(),
    running: new Set(),
    listener: undefined,
    handshakes: newHandshakes(),
    measure: options.measure ?? false,
    isOver: false,
    isDisabled: false,
    isEnabling: false,
  }
}

/** Whoever has several processes logs what concerns all of them. */
function ownLog(log: Logger, { worker }: ServerOptions): Observer {
  const observer = logObserver(log)
  return worker ? { ...observer, listening() {}, stopped() {} } : observer
}

/** Any number of handshakes may listen to this signal. */
export function newHandshakes(): AbortController {
  const controller = new AbortController()
  setMaxListeners(0, controller.signal)
  return controller
}

export function statsOf({ figures, active }: ServerState): ServerStats {
  return figures.stats([...active].map(connection => connection.stats()))
}
