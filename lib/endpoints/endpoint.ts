/** The contracts of an endpoint (the start or the end of a pipeline) and of a leg (one end of a connection). */
import type { Socket } from 'node:net'
import type { Duplex, Readable, Writable } from 'node:stream'
import type { SessionFacts } from '../stats/session-facts.js'
import type { TlsFacts } from '../stats/tls-facts.js'
import type { Passing } from './blocks.js'
import type { Hello, Receipt } from './session/hello.js'
import type { Keeper } from './session/keeper.js'
import type { DialSession, ListenSession } from './session/options.js'
import type { ClientContext } from './tls/secure-context.js'

/** One end of a connection over any carrier. */
export interface Leg {
  /** Half-open: the owner ends its side. Destroying it with an error resets the peer. */
  readonly stream: Duplex
  /** The address of the peer when the leg opened; `unix` or `memory` if the carrier has no addresses. */
  readonly remote: string
  /** The port of the peer; undefined if the carrier has no ports. */
  readonly port: number | undefined
  /** The address and the port that the peer has connected to; undefined if the carrier has no ports. */
  readonly local?: LocalAddress | undefined
  /** Facts about the carrier, for the summary and the log. */
  readonly facts: {
    readonly tls?: TlsFacts
    readonly alert?: true
    readonly session?: SessionFacts
    readonly via?: string
  }
  /** Bytes received from the peer (`in`) and bytes that the carrier has accepted for the peer (`out`). */
  readonly bytes: { readonly in: number; readonly out: number }
  /** Before our end: returns whether the peer takes nothing any more, though the stream has not found it yet. */
  isGone?(): boolean
  /** Set by a carrier that goes on over another connection when one breaks. */
  readonly session?: SessionSide | undefined
  /** Set by a carrier whose end carries a notice, such as close_notify of TLS. */
  readonly endNotice?: EndNotice | undefined
  /** Its stream holds nothing of what it has written. */
  readonly releases?: boolean
  /** As that of a source. */
  lend?: Source['lend'] | undefined
  /** Fails the leg. If the carrier allows it, the peer can distinguish this from an end. */
  reset(error: Error): void
}

/** A session, as the owner of its leg sees it. */
export interface SessionSide {
  readonly hello: Hello
  /** The receipt of a transfer, after its end, for its sender. */
  readonly receipt: Receipt | undefined
  readonly reconnects: number
  /** The number of bytes that have arrived, and, in a transfer, their SHA-256 in hex. */
  readonly received: number
  readonly sha256: string | undefined
  /** Whether the peer has ended: everything has arrived. */
  readonly isEnded: boolean
  /** For the receiver, before it reads: names what keeps the data, so that it survives the process. */
  begin(keeper?: Keeper): void
  /** Set by who sends: called with the number of bytes that are on the disk of the peer, whenever it grows. */
  onDurable?: ((bytes: number) => void) | undefined
  /** Adds to the receipt what was written. */
  confirmWritten(facts: Pick<Receipt, 'written' | 'skipped'>): void
}

/** The notice with which a peer confirms that its end is no truncation. Some programs leave it out. */
export interface EndNotice {
  /** Called when the peer ends without its notice: returns true to accept the end. Otherwise, the leg fails. */
  acceptMissing: () => boolean
  /** Leaves the notice out of the end of this side. */
  omit(): void
}

/** The address and the port of our side of a connection. */
export interface LocalAddress {
  readonly address: string
  readonly port: number
}

/** A Writable that consumes the data of a pipeline. It may add a report to the summary. */
export type Sink = Writable & {
  report?(): object
  lines?: boolean
  /** It holds nothing of what it has written: its source may use that memory again. */
  readonly releases?: boolean
  /** It keeps exactly what its source gives: no stage may come between the two. */
  readonly isExact?: boolean
  /** The leg that the sink sends to. It counts for the idle timeout of the connection. */
  readonly leg?: Leg
  /** Further legs that it sends to, as a fan-out does. They count, too. */
  readonly legs?: readonly Leg[]
  /** Problems that have not failed it. */
  readonly warnings?: readonly string[]
  /**
   * Calls back with the number of bytes that are kept – on the disk, stored by a server, or taken by a peer – whenever it
   * grows. Without it, nothing is kept before the sink has finished.
   */
  onKept?(callback: (bytes: number) => void): void
}

/**
 * A Readable that supplies the data of a pipeline. It may count its bytes, and have warnings after its end. When one
 * happens, it may emit `warning` with the fields and the message of a line of the log.
 */
export type Source = Readable & {
  readonly bytesRead?: number
  readonly warnings?: readonly string[]
  /**
   * Tells that its data goes through these stages, which pass each chunk on and keep none, into this sink, which releases what
   * it has written: then the source may use that memory again. Without a sink, this is over.
   */
  lend?(sink: Writable | undefined, through?: readonly Passing[]): void
  /** Set by a source that stores its records until its reader keeps them. Each of its chunks is a whole record. */
  readonly acks?: Acks
}

/** Acknowledges the records of a source, such as a durable consumer: it need not deliver them again. */
export interface Acks {
  /** The first `bytes` bytes that the source has given are kept. Records that end there are acknowledged. */
  kept(bytes: number): void
  /** Resolves when the server has confirmed every acknowledgement. Rejects if it cannot; its records come again. */
  settled(): Promise<void>
  /** Calls back whenever the source waits for an acknowledgement before it gives more. Replaces the callback. */
  onFull(callback: () => void): void
}

/** A connected client, before any read. */
export interface Arrival {
  readonly remote: string
  readonly port: number | undefined
  /**
   * Returns the leg, or, with a handshake, a promise of it that rejects if the handshake fails. It resolves with undefined
   * if the client has come back to a session that is open.
   */
  open(options?: HandshakeOptions): Leg | Promise<Leg | undefined>
  /**
   * For a server without room: opens it only if it comes back to a session that is open. Resolves with whether it does.
   * Undefined if that cannot be.
   */
  reopen?(options: HandshakeOptions): Promise<boolean | undefined> | undefined
  /** Called before the client waits for a decision about it, which must not fail if it leaves meanwhile. */
  hold?(): void
  /** Resets the client. */
  refuse(error: Error): void
}

export interface HandshakeOptions {
  /** Milliseconds to wait for the whole handshake; 0 is no limit. Default: 10 seconds. */
  handshakeTimeout?: number | undefined
  /** Aborts the handshake. `Accept` then rejects with the reason of the signal, `dial` with an AbortError. */
  signal?: AbortSignal | undefined
}

/** Runs a TLS handshake with a connected client. If it fails, it resets the client and rejects. */
export type Accept = (raw: Socket, options?: HandshakeOptions) => Promise<SecureSocket>

export interface SecureSocket {
  readonly socket: Socket
  readonly facts: TlsFacts
  readonly endNotice: EndNotice
}

/** The balancers in front of a server, which send a header of the PROXY protocol for each client. */
export interface Balancers {
  /** Whether a peer may send a header. It must send one then; others are refused. */
  believes(remote: string): boolean
  /** Milliseconds to wait for a whole header. */
  readonly timeout: number
  /** The number of clients that may be awaited at once. */
  readonly max: number
  /** Called when a client has been refused: `remote` is the address of the socket. */
  refused(remote: string, error: Error): void
}

/** What a server asks of its clients. The TLS settings can change while it runs. */
export interface ServerSide {
  readonly accept: Accept | undefined
  /** Undefined if clients connect directly. */
  readonly balancers?: Balancers | undefined
  readonly session?: ListenSession | undefined
}

export interface Listener {
  /** The bound address. `port` is 0 if the carrier has no ports. */
  readonly bound: Bound
  /** Stops listening. Resolves when the listener and all accepted legs are closed. */
  close(): Promise<void>
}

export interface Bound {
  readonly address: string
  readonly family: string
  readonly port: number
}

export interface DialOptions extends HandshakeOptions {
  /** The TLS settings of an address with TLS. */
  tls?: ClientContext | undefined
  /** Replaces the application protocols (ALPN) to offer; empty offers none. */
  alpn?: readonly string[] | undefined
  /** Milliseconds to wait for each attempt to connect; 0 is no limit. Default: 10 seconds. */
  connectTimeout?: number | undefined
  /** The address family to use if a name has both. */
  family?: 4 | 6 | undefined
  /** The source address. */
  bind?: { readonly host: string; readonly port: number } | undefined
  /** The number of retries after the first attempt, with jittered backoff from 100 ms to 5 s. Default: 0. */
  retry?: number | undefined
  /** Milliseconds between attempts. Default: a growing time from 0.1 to 5 seconds, with jitter. */
  retryInterval?: number | undefined
  /** How a session is dialled, for an address of sessions. */
  session?: DialSession | undefined
  /** Bytes to send first, before a handshake, such as a header of the PROXY protocol. */
  preamble?: Uint8Array | undefined
  /** Called when the carrier has connected, before a handshake. */
  onConnect?: (() => void) | undefined
  /** Called by an address that waits for its peer, when it listens. */
  onListening?: ((bound: Bound) => void) | undefined
  /** Called before each retry with the delay in milliseconds. */
  onRetry?: ((error: unknown, wait: number) => void) | undefined
}

/** The connection that a sink belongs to. Its values replace the placeholders in file names. */
export interface SinkContext {
  readonly id: string
  readonly remote: string
  readonly port: number | undefined
  /** The name that the peer gives to its data, if it gives one. */
  readonly name?: string | undefined
  /** The session that brings the data, for a file that keeps it over a restart. */
  readonly session?: SessionSide | undefined
  /** Whether the source forgets what is kept: then it must be on the disk. */
  readonly isDurable?: boolean | undefined
  /** Whether no stage stands between the session and the sink: then both have the same bytes. */
  readonly isUnchanged?: boolean | undefined
}

/** An endpoint: the syntax of its addresses, and its abilities: listen, dial, source, sink. */
export interface Endpoint<A extends { readonly scheme: string } = { readonly scheme: string }> {
  readonly scheme: A['scheme']
  /** The forms of its addresses, for help texts. */
  readonly syntax: readonly string[]
  /** A description in one line. */
  readonly summary: string
  /** True if it reaches no other process and is useful in code only. */
  readonly inProcess?: boolean
  /** True if the command line names it without an address: `-o FILE`, and `-` for a standard stream. */
  readonly hasOwnOptions?: boolean
  /** Returns true for the address text of this endpoint. */
  accepts(text: string): boolean
  /** Parses address text. Throws `ERR_ADDRESS`. */
  parse(text: string): A
  /** Completes and checks the parts of an address. Throws `ERR_ADDRESS`. */
  complete(address: A): A
  /** Formats an address as the text that `parse` accepts. */
  format(address: A): string
  /** Listens, and calls `arrive` for each client. Rejects with the system error. */
  listen?(address: A, arrive: (arrival: Arrival) => void, side: ServerSide): Promise<Listener>
  /** Loads what it needs later, before a server listens: a failed import stays failed. */
  load?(): Promise<unknown>
  /** Connects. Rejects with the system error. */
  dial?(address: A, options: DialOptions): Promise<Leg>
  source?(address: A): Source
  /** Throws `ERR_ADDRESS` if `source` cannot succeed. Opens nothing. */
  checkSource?(address: A): void
  /** Rejects if `sink` cannot succeed, as far as that is known before there is a connection. Opens nothing. */
  checkSink?(address: A): Promise<void>
  /** Before a server listens: asks the server of the address. Rejects if a sink cannot succeed. */
  reachSink?(address: A): Promise<void>
  sink?(address: A, connection: SinkContext, signal?: AbortSignal): Sink | Promise<Sink>
}

/** The defaults of timeouts, in milliseconds: of a dial, of a handshake on either side, and of the header of a balancer. */
export const defaultTimes = { connect: 10_000, handshake: 10_000, header: 5_000 } as const

/** Infers the type of the address. */
export function defineEndpoint<A extends { readonly scheme: string }>(endpoint: Endpoint<A>): Endpoint<A> {
  return endpoint
}
