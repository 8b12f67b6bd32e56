/** How a connection went, and the one log line that tells it. */
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { Logger } from 'pino'
import { errorCode, errorMessage, type TimeoutName } from '../text/errors.js'
import type { RunMeter } from './meter.js'

/** From the client or our source towards the sink or the target; or back. */
export type Direction = 'forward' | 'reply'

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

export type ClosedBy = 'peer' | 'local' | 'reset' | 'timeout' | 'limit' | 'signal' | 'error'

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
  /** What each run and each stage did. */
  readonly runs: readonly RunMeter[]
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

/** Undefined for a socket without TLS. To be asked while it is open. */
export function tlsFacts(socket: Socket): TlsFacts | undefined {
  if (!('encrypted' in socket)) return undefined
  const secure = socket as TLSSocket & { servername?: string | false | null }
  const subject = secure.authorized && secure.getPeerX509Certificate()?.subject.replaceAll('\n', ', ')
  return {
    protocol: String(secure.getProtocol()),
    cipher: secure.getCipher().name,
    ...(secure.servername && { serverName: secure.servername }),
    ...(subject && { subject }),
  }
}

export function closedByFailure(failure: Error, bySocket: boolean): ClosedBy {
  const code = errorCode(failure)
  if (bySocket && (code === 'ECONNRESET' || code === 'EPIPE')) return 'reset'
  if (code === 'ERR_TIMEOUT') return 'timeout'
  if (code === 'ERR_RECORD_TOO_LONG' || code === 'ERR_OUTPUT_LIMIT' || code === 'ERR_LIMIT') return 'limit'
  return code === 'ERR_CLOSED' || failure.name === 'AbortError' ? 'signal' : 'error'
}

export function logSummary(log: Logger, { error, warnings, runs, id, number, remote, port, ...fields }: Summary): void {
  if (error) log.error({ ...fields, ...failureFields(error) }, 'connection failed')
  else if (warnings.length > 0) log.warn({ ...fields, warnings }, 'connection closed')
  else log.info(fields, 'connection closed')
  log.debug({ runs, stack: error?.stack }, 'what each stage did')
}

/** What a log line tells of an error. */
export function failureFields(error: Error & { timeout?: TimeoutName }): object {
  const { timeout } = error
  return { ...(timeout && { timeout }), code: errorCode(error), error: errorMessage(error) }
}
