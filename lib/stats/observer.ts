/** Observers hear what happens to a server and its connections. The log is one of them. */
import type { ConnectionStats, Reason, ServerStats } from './snapshot.js'
import type { Summary } from './summary.js'

/** Hears what happens. Every method is optional; one that throws is ignored. */
export interface Observer {
  /** It listens. */
  listening?(event: Listening): void
  /** A connection was opened; with TLS, after its handshake. */
  opened?(connection: ObservedConnection): void
  /** A client was turned away. */
  refused?(event: { readonly reason: Reason; readonly remote: string }): void
  /** The TLS handshake with a client has failed. */
  handshakeFailed?(event: { readonly remote: string; readonly error: Error }): void
  /** A connection has ended. */
  closed?(summary: Summary): void
  /** The server has stopped, and its last connection has ended. */
  stopped?(stats: ServerStats): void
}

/** What a server listens on. */
export interface Listening {
  readonly address: string
  readonly family: string
  readonly port: number
  /** The pin of its certificate; undefined without TLS. */
  readonly pin?: string
  /** The address that connections go on to. */
  readonly to?: string
  readonly maxConnections: number
}

/** A connection as observers see it. */
export interface ObservedConnection {
  readonly id: string
  readonly number: number
  readonly remote: string
  readonly port: number | undefined
  stats(): ConnectionStats
}

/** Several observers as one: what one of them throws is kept from the others, and from the connection. */
export function observers(list: readonly (Observer | undefined)[]): Required<Observer> {
  const all = list.filter(each => each !== undefined)

  function tell<K extends keyof Observer>(name: K): Required<Observer>[K] {
    return ((event: never) => {
      for (const observer of all) {
        try {
          ;(observer[name] as ((event: never) => void) | undefined)?.call(observer, event)
        } catch {} // an observer sees, and has no say
      }
    }) as Required<Observer>[K]
  }

  return {
    listening: tell('listening'),
    opened: tell('opened'),
    refused: tell('refused'),
    handshakeFailed: tell('handshakeFailed'),
    closed: tell('closed'),
    stopped: tell('stopped'),
  }
}
