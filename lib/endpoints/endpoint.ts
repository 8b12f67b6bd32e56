/** The contract of an endpoint, which is what a pipeline starts from or ends in, and of a leg, one end of a connection. */
import type { Socket } from 'node:net'
import type { Duplex, Readable, Writable } from 'node:stream'
import type { TlsFacts } from '../stats/summary.js'
import type { ClientContext } from './tls/secure-context.js'

/** One end of a connection, whatever carries it. */
export interface Leg {
  /** Half-open: each side is ended by its owner. Destroyed with an error it is reset. */
  readonly stream: Duplex
  /** The address of the peer, captured when the leg was opened; `unix` or `memory` where the carrier has none. */
  readonly remote: string
  /** The port of the peer; undefined where the carrier has none. */
  readonly port: number | undefined
  /** What is known of the carrier, for the summary and the log. */
  readonly facts: { readonly tls?: TlsFacts }
  /** Bytes received from the peer, and bytes that the carrier has taken for it. */
  readonly bytes: { readonly in: number; readonly out: number }
  /** Fails the leg so that the peer can tell it from an end, where the carrier allows that. */
  reset(error: Error): void
}

/** A sink may report on itself in the summary, and be told that it receives text in whole lines. */
export type Sink = Writable & {
  report?(): object
  lines?: boolean
  /** The leg that it sends to: if that is silent, so is the connection. */
  readonly leg?: Leg
}

/** A source may count what it has read, and have warnings once it has been read. */
export type Source = Readable & { readonly bytesRead?: number; readonly warnings?: readonly string[] }

/** A client that has connected, before anything is read from it. */
export interface Arrival {
  readonly remote: string
  readonly port: number | undefined
  /** The leg; with a handshake a promise of it, which rejects when that fails. */
  open(options?: HandshakeOptions): Leg | Promise<Leg>
  /** Resets the client. */
  refuse(error: Error): void
}

export interface HandshakeOptions {
  /** Milliseconds for the whole handshake; 0 is without limit. Default: 10 seconds. */
  handshakeTimeout?: number | undefined
  /** Ends the handshake; it rejects with the reason of the signal. */
  signal?: AbortSignal | undefined
}

/** A TLS handshake with a client that has connected. When it fails it rejects, and the client is reset. */
export type Accept = (raw: Socket, options?: HandshakeOptions) => Promise<SecureSocket>

export interface SecureSocket {
  readonly socket: Socket
  readonly facts: TlsFacts
}

/** The server's side of TLS, which can change while it runs. */
export interface ServerSide {
  readonly accept: Accept | undefined
}

export interface Listener {
  /** What it is bound to. Without ports `port` is 0. */
  readonly bound: Bound
  /** Stops listening. Resolves when it has, and the legs that it has accepted are closed. */
  close(): Promise<void>
}

export interface Bound {
  readonly address: string
  readonly family: string
  readonly port: number
}

export interface DialOptions extends HandshakeOptions {
  /** For an address with TLS. */
  tls?: ClientContext | undefined
  /** Milliseconds for each attempt to connect; 0 is without limit. Default: 10 seconds. */
  connectTimeout?: number | undefined
  /** The address family to use of a name that has both. */
  family?: 4 | 6 | undefined
  /** The source address. */
  bind?: { readonly host: string; readonly port: number } | undefined
  /** Further attempts to connect after the first one, with jittered backoff from 100 ms to 5 s. Default: 0. */
  retry?: number | undefined
  /** Called before each further attempt, with the milliseconds until then. */
  onRetry?: ((error: unknown, wait: number) => void) | undefined
}

/** The connection that a sink is made for; its values replace the placeholders of file names. */
export interface SinkContext {
  readonly id: string
  readonly remote: string
  readonly port: number | undefined
}

/** An endpoint: the syntax of its addresses, and which of four things it can do. */
export interface Endpoint<A extends { readonly scheme: string } = { readonly scheme: string }> {
  readonly scheme: A['scheme']
  /** The forms of its addresses, as a person writes them. */
  readonly syntax: readonly string[]
  /** What it is, in one line. */
  readonly summary: string
  /** True if it reaches no other process: it is of use in code only. */
  readonly inProcess?: boolean
  /** True for a text of this endpoint. */
  accepts(text: string): boolean
  /** Text → address. Throws `ERR_ADDRESS`. */
  parse(text: string): A
  /** Parts as code writes them → an address that is complete and in range. Throws `ERR_ADDRESS`. */
  complete(address: A): A
  /** Address → the text that `parse` reads. */
  format(address: A): string
  /** Listens; `arrive` is called for each client. Rejects with the error of the system. */
  listen?(address: A, arrive: (arrival: Arrival) => void, tls: ServerSide): Promise<Listener>
  /** Connects. Rejects with the error of the system. */
  dial?(address: A, options: DialOptions): Promise<Leg>
  source?(address: A): Source
  sink?(address: A, connection: SinkContext): Sink | Promise<Sink>
}

/** Keeps the type of the address. */
export function defineEndpoint<A extends { readonly scheme: string }>(endpoint: Endpoint<A>): Endpoint<A> {
  return endpoint
}
