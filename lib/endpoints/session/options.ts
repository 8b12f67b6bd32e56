/** The options of sessions, and their defaults. */
import type { Described, SessionKind } from './hello.js'

/** How sessions are accepted. Times are milliseconds. */
export interface ListenSession {
  /** The number of bytes of the reply to keep until they are confirmed. Default: 16 MiB; 4 MiB for a tunnel. */
  readonly window?: number | undefined
  /** Milliseconds that a session waits for its dialler to come back. Default: 5 minutes. */
  readonly giveUpAfter?: number | undefined
  /** Milliseconds without a sign of life until a link is given up. Default: 30 seconds. */
  readonly linkTimeout?: number | undefined
}

/** How a session is dialled. Times are milliseconds. */
export interface DialSession extends ListenSession, Described {
  /** Default: `transfer`. */
  readonly kind?: SessionKind | undefined
  /** 128 bits in hex; the same ones continue a session of an earlier run. Default: random. */
  readonly id?: string | undefined
  readonly secret?: string | undefined
  readonly group?: string | undefined
  /** The source can be read again. Default: false. */
  readonly rereadable?: boolean | undefined
  /** The receiver has to begin anew. Default: false. */
  readonly restart?: boolean | undefined
  /** The number of attempts to connect again, each time that the link is lost. Default: no limit. */
  readonly reconnects?: number | undefined
  /** The number of connections after the first one in attempts before this one. Default: 0. */
  readonly reconnectsBefore?: number | undefined
  /** Links that are left from other sessions. Default: none; the link ends with the session. */
  readonly links?: TransferLinks | undefined
  /** Called when the link is lost. */
  readonly onLost?: ((error: Error) => void) | undefined
  /** Called when there is a link again. */
  readonly onResumed?: (() => void) | undefined
}

/** The connections of several sessions, one after the other. */
export interface TransferLinks {
  /** Ends the connections that serve no session now. */
  end(): void
}

/** Bytes, and times in milliseconds. */
export const sessionDefaults = {
  window: { transfer: 16 * 1024 * 1024, tunnel: 4 * 1024 * 1024 },
  giveUpAfter: 300_000,
  linkTimeout: 30_000,
} as const
