/** The summary of a connection. */
import type { Origin } from '../text/blame.js'
import type { TimeoutName } from '../text/errors.js'
import type { SessionFacts } from './session-facts.js'
import type { ClosedBy, Direction, DirectionStats } from './snapshot.js'
import type { TlsFacts } from './tls-facts.js'

/** A deliberate fault that occurred. */
export interface FaultNote {
  /** The name of the transform. */
  readonly fault: string
  /** The number of bytes before the fault. */
  readonly offset: number
  readonly direction: Direction | undefined
  /** The seed that reproduces the fault, if it depends on chance. */
  readonly seed?: number
}

/** One of the two sockets of a proxied connection. */
export type Side = 'client' | 'target'

/** The result and the figures of an ended connection. */
export interface Summary {
  readonly id: string
  /** The sequence number of the connection on its server, from 1. */
  readonly number: number
  /** The address of the peer. */
  readonly remote: string
  /** The port of the peer; undefined if the carrier has no ports. */
  readonly port: number | undefined
  /** Bytes received from the peer. */
  readonly bytesIn: number
  /** Bytes sent to the peer. */
  readonly bytesOut: number
  /** Milliseconds from the opening to the end. */
  readonly duration: number
  /** The side that ended first on success, otherwise the kind of failure. `reset` without `error`: after the conversation. */
  readonly closedBy: ClosedBy
  /** The reason passed to `connection.close`. */
  readonly reason?: string
  /** The timeout that expired, if any. */
  readonly timeout?: TimeoutName
  /** For a proxy: the side that ended first or failed, if known. */
  readonly side?: Side
  /** The error of a failed connection; undefined on success. */
  readonly error?: Error
  /** The stage that the error comes from, and the line of its code; undefined if it comes from elsewhere. */
  readonly origin?: Origin
  /** Problems that did not fail the connection, such as a file that changed while it was sent. */
  readonly warnings: readonly string[]
  /** The deliberate faults that occurred, at most the first hundred. */
  readonly faults?: readonly FaultNote[]
  /** The figures of each segment and each stage. */
  readonly directions: readonly DirectionStats[]
  /** The report of the sink, such as the name of the file. */
  readonly sink?: object
  /** The result of the TLS handshake with the peer; undefined without TLS. */
  readonly tls?: TlsFacts
  /** The address of the balancer that has named the peer by the PROXY protocol; undefined without one. */
  readonly via?: string
  /** The reliable session; undefined without one. */
  readonly session?: SessionFacts
  /** Without TLS: the peer, which was connected to, has answered with a TLS alert, as one that expects TLS does. */
  readonly alert?: true
  /** For a proxy: the address of the target, the bytes received from it (`bytesIn`) and sent to it (`bytesOut`). */
  readonly target?: {
    readonly to: string
    readonly bytesIn: number
    readonly bytesOut: number
    readonly tls?: TlsFacts
    readonly alert?: true
    readonly session?: SessionFacts
  }
}
