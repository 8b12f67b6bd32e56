/** What a pipeline starts from or ends in. */
import type { Socket } from 'node:net'
import type { Readable, Writable } from 'node:stream'

/**
 * A sink may tell of itself in the summary, and be told that what comes is text in whole lines. One that is a peer has a
 * socket: its silence is that of the connection.
 */
export type Sink = Writable & { report?(): object; lines?: boolean; readonly socket?: Socket }

/** A source may count what it has read, and have something to tell when it has been read. */
export type Source = Readable & { readonly bytesRead?: number; readonly warnings?: readonly string[] }
