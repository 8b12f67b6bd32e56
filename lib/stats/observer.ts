/** Observers receive the events of a server and its connections. The log is an observer. */
import { attempt } from '../text/errors.js'
import type { ConnectionStats, Reason, ServerStats } from './snapshot.js'
import type { FaultNote, Summary } from './summary.js'

/** Receives events. Every method is optional. Errors that a method throws are ignored. */
export interface Observer {
  /** The server listens. */
  listening?(event: Listening): void
  /** A connection opened; with TLS, after its handshake. */
  opened?(connection: ObservedConnection): void
  /** The server refused a client. `remote` is its address. `error` says why, if the reason alone does not. */
  refused?(event: { readonly reason: Reason; readonly remote: string; readonly error?: Error }): void
  /** The TLS handshake with a client failed. */
  handshakeFailed?(event: { readonly remote: string; readonly error: Error }): void
  /**
   * Bytes came from the peer of a connection (`in`), or go to it (`out`). Called for each chunk, before the chunk is passed
   * on; not for a handler, which uses the stream directly. The chunk must not be changed.
   */
  passed?(connection: Identity, way: Way, chunk: Buffer): void
  /** A deliberate fault occurred. */
  faulted?(connection: Identity, fault: FaultNote): void
  /** A connection ended. */
  closed?(summary: Summary): void
  /** The server stopped, and its last connection ended. */
  stopped?(stats: ServerStats): void
}

/** The address and the limits of a server that listens. */
export interface Listening {
  /** The bound IP address, or the path of a unix socket. */
  readonly address: string
  readonly family: string
  /** The bound port; 0 if the carrier has no ports. */
  readonly port: number
  /** The pin of the server certificate; undefined without TLS. */
  readonly pin?: string
  /** The address that connections are forwarded to, if any. */
  readonly to?: string
  /** The maximum number of open connections. */
  readonly maxConnections: number
}

/** From the peer of a connection (`in`), or to it (`out`). */
export type Way = 'in' | 'out'

/** What tells a connection from others. */
export interface Identity {
  readonly id: string
  /** The sequence number of the connection on its server, from 1. */
  readonly number: number
  readonly remote: string
  /** The port of the peer; undefined if the carrier has no ports. */
  readonly port: number | undefined
}

/** A connection as observers see it. */
export interface ObservedConnection extends Identity {
  /** Whether any side has TLS: the peer, the target, or the address that a server sends to. */
  readonly hasTls?: boolean
  /** Returns the current figures. */
  stats(): ConnectionStats
}

/** Several observers, as one. */
export interface Observers extends Required<Observer> {
  /** Whether any of them observes bytes. */
  readonly takesBytes: boolean
  /** Adds an observer. Returns a function that removes it. */
  add(observer: Observer): () => void
}

/** Combines several observers. Ignores the errors that an observer throws. */
export function observers(list: readonly (Observer | undefined)[]): Observers {
  let all = list.filter(each => each !== undefined)

  function tell<K extends keyof Observer>(name: K): Required<Observer>[K] {
    return ((...event: never[]) => {
      const call = (observer: Observer) =>
        (observer[name] as ((...event: never[]) => void) | undefined)?.call(observer, ...event)
      for (const observer of all) attempt(() => call(observer), ignore) // it must not affect the connection
    }) as Required<Observer>[K]
  }

  return {
    listening: tell('listening'),
    opened: tell('opened'),
    refused: tell('refused'),
    handshakeFailed: tell('handshakeFailed'),
    passed(connection, way, chunk) {
      for (const observer of all) if (observer.passed) tellOfBytes(observer, connection, way, chunk)
    },
    faulted: tell('faulted'),
    closed: tell('closed'),
    stopped: tell('stopped'),
    get takesBytes() {
      return all.some(observer => observer.passed)
    },
    add(observer) {
      all = [...all, observer]
      let isThere = true
      return () => {
        if (isThere) all = all.toSpliced(all.indexOf(observer), 1)
        isThere = false
      }
    },
  }
}

/** Without a closure, since this is called for each chunk. */
function tellOfBytes(observer: Observer, connection: Identity, way: Way, chunk: Buffer): void {
  try {
    const result: unknown = observer.passed?.(connection, way, chunk)
    if (result !== undefined) attempt(() => result, ignore)
  } catch {
    // it must not affect the connection
  }
}

function ignore(): void {}
