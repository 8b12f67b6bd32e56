/** How a connection went. */
import type { TimeoutName } from '../text/errors.js'
import type { ClosedBy, Direction, DirectionStats } from './snapshot.js'

/** Which fault it was, and behind how many bytes of which direction. */
export interface FaultNote {
  readonly fault: string
  readonly offset: number
  readonly direction: Direction | undefined
  /** With which it comes again, if chance had a part in it. */
  readonly seed?: number
}

/** The two sockets of a connection through a proxy. */
export type Side = 'client' | 'target'

/** How a connection went. Durations are milliseconds. */
export interface Summary {
  readonly id: string
  readonly number: number
  readonly remote: string
  readonly port: number | undefined
  readonly bytesIn: number
  readonly bytesOut: number
  readonly duration: number
  /** On success who ended first; otherwise the kind of failure. */
  readonly closedBy: ClosedBy
  /** What `connection.close` was given as the reason. */
  readonly reason?: string
  /** Which, if it was a timeout. */
  readonly timeout?: TimeoutName
  /** Of a proxy: on which side that was, if it was on one. */
  readonly side?: Side
  /** Undefined on success. */
  readonly error?: Error
  /** What was delivered, but not as it should be: a file that changed while it was sent. */
  readonly warnings: readonly string[]
  /** The faults that stages have made on purpose, the first hundred of them. */
  readonly faults?: readonly FaultNote[]
  /** What each segment and each stage did. */
  readonly directions: readonly DirectionStats[]
  /** What the sink tells of itself, such as the file that it wrote. */
  readonly sink?: object
  /** What the client and we agreed on, if it came by TLS; of a `send`, the server and we. */
  readonly tls?: TlsFacts
  /** Of a proxy: the server that the client was connected to, and the bytes on that side. */
  readonly target?: {
    readonly to: string
    readonly bytesIn: number
    readonly bytesOut: number
    readonly tls?: TlsFacts
  }
}

/** What a TLS handshake has shown. */
export interface TlsFacts {
  /** `TLSv1.3`. */
  readonly protocol: string
  readonly cipher: string
  /** The name that the client has asked for (SNI), in its own words. */
  readonly serverName?: string
  /** The name in the peer's certificate, if that was verified. */
  readonly subject?: string
}
