/** Opens the ends of a pipe. */
import type { OpenConnection } from '../connection/connection.js'
import { whileOpen } from '../connection/connection.js'
import { type Address, can, formatAddress } from '../endpoints/address.js'
import type { DialOptions, Leg, Sink, Source } from '../endpoints/endpoint.js'
import { dial, sinkTo, sourceAt } from '../endpoints/open.js'
import { sharedSink } from '../endpoints/stdio.js'
import type { ClientContext } from '../endpoints/tls/secure-context.js'
import { errorMessage } from '../text/errors.js'
import type { PipeOptions } from './options.js'

/** Where the data comes from. */
export interface Input {
  readonly source: Source
  readonly leg: Leg | undefined
  /** What logs and figures call it. */
  readonly name: string
}

/** An end with two directions. */
export interface OpenEnd extends Input {
  readonly sink: Sink
}

export async function openInput(address: Address, options: DialOptions): Promise<Input> {
  const name = nameOf(address)
  if (!can('dial', address)) return { source: sourceAt(address), leg: undefined, name }
  const leg = await dial(address, options)
  return { source: leg.stream, leg, name }
}

/** A connection, or stdin with stdout. */
export async function openBoth(address: Address, options: DialOptions): Promise<OpenEnd> {
  const input = await openInput(address, options)
  return { ...input, sink: input.leg ? input.leg.stream : sharedSink(process.stdout) }
}

/** `isDurable`: the source forgets what is kept. */
export function openOutput(
  address: Address,
  connection: OpenConnection,
  options: DialOptions,
  isDurable: boolean,
): Promise<Sink> {
  const context = { ...connection.info('forward'), ...(isDurable && { isDurable }) }
  return sinkTo(address, context, { ...options, signal: whileOpen(connection) })
}

export function dialOptions(
  { connectTimeout, handshakeTimeout, retry, retryInterval, signal, log }: PipeOptions,
  tls: ClientContext | undefined,
): DialOptions {
  return {
    ...{ connectTimeout, handshakeTimeout, retry, retryInterval, signal, tls },
    onListening: bound => log?.info({ ...bound }, 'listening'),
    onRetry: (error, wait) => log?.warn({ error: errorMessage(error), wait }, 'not connected, trying again'),
  }
}

export function nameOf(address: Address, role: 'stdin' | 'stdout' = 'stdin'): string {
  return address.scheme === 'stdio' ? role : formatAddress(address)
}
