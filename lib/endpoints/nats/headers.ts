/** The headers of a message: which part of which connection it is. */
import type { JsMsg } from '@nats-io/jetstream'
import type { Place } from './order.js'

/** Their names: docs/nats.md has them, too. */
export const headerNames = {
  /** Unique over processes and restarts. */
  connection: 'Tcp-Pipe-Connection',
  /** The offset of the first byte in the connection. */
  offset: 'Tcp-Pipe-Offset',
  /** The number of the message in the connection, from 0. */
  sequence: 'Tcp-Pipe-Sequence',
  /** All messages below this number were acknowledged before this one was published for the first time. */
  stored: 'Tcp-Pipe-Stored',
} as const

/** Reads the place of a message. Undefined if somebody else has published it: anybody may. */
export function placeOf({ headers }: JsMsg): Place | undefined {
  const value = (name: keyof typeof headerNames) => headers?.get(headerNames[name]) ?? ''
  const [connection, sequence, stored] = [value('connection'), value('sequence'), value('stored')] as const
  if (!connection || !isNumber(sequence) || !isNumber(stored) || Number(stored) > Number(sequence)) return undefined
  return { connection, sequence: Number(sequence), stored: Number(stored) }
}

function isNumber(text: string): boolean {
  return /^\d{1,15}$/.test(text)
}
