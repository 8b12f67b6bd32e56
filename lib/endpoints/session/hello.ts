/** What the two sides of a session say about it, as JSON in frames: read with care, since a peer may send anything. */
import type { Frame } from '../../formats/session-frames.js'
import { TcpPipeError } from '../../text/errors.js'

/** `transfer`: data of one sender, which gets a receipt. `tunnel`: a connection in both directions. */
export type SessionKind = 'transfer' | 'tunnel'

/** What the sender of a transfer says of its data. */
export interface Described {
  /** The relative path of a file, with `/` between its parts. */
  readonly name?: string | undefined
  /** Bytes; undefined if unknown. */
  readonly size?: number | undefined
  /** Permissions to keep, such as 0o644. */
  readonly mode?: number | undefined
  /** The time of the last change to keep, in milliseconds since 1970. */
  readonly mtime?: number | undefined
}

/** The first frame of the dialler on each link. */
export interface Hello extends Described {
  /** 128 bits in hex: the same for each link of a session. */
  readonly id: string
  /** 128 bits in hex: whoever knows it may continue the session. */
  readonly secret: string
  readonly kind: SessionKind
  /** The sessions of one call: a server that takes a single client takes all of them. */
  readonly group: string
  /** The number of bytes that the dialler keeps until they are confirmed. */
  readonly window: number
  /** The dialler can read its source again. */
  readonly rereadable: boolean
  /** The dialler had a link of this session before. */
  readonly again: boolean
  /** The dialler has other bytes than the listener: it begins anew. */
  readonly restart: boolean
  /** The number of bytes that the dialler has received. */
  readonly received: number
}

/** The answer of the listener. The offset of its frame is the number of bytes that it has received. */
export interface Welcome {
  /** The SHA-256 of these bytes, in a transfer. */
  readonly sha256?: string | undefined
  /** Whether the checksum of each data frame has to cover the data. */
  readonly checked: boolean
  /** The number of bytes that the listener keeps until they are confirmed. */
  readonly window: number
}

/** The proof that everything has arrived. */
export interface Receipt {
  /** The name that the sender has given, if any. */
  readonly name?: string | undefined
  /** The number of bytes of the transfer, after the transforms of the sender. */
  readonly bytes: number
  /** The SHA-256 of these bytes, in hex. */
  readonly sha256: string
  /** What the receiver has written, if its transforms have changed it. */
  readonly written?: { readonly bytes: number; readonly sha256: string } | undefined
  /** The receiver had an equal file already. */
  readonly skipped?: true | undefined
}

type Facts = Readonly<Record<string, unknown>>

/** Reads the facts in a frame. Throws `ERR_SESSION` if they are no object. */
export function factsOf({ type, payload }: Frame): Facts {
  try {
    const facts: unknown = payload.length > 0 ? JSON.parse(payload.toString()) : {}
    if (typeof facts === 'object' && facts !== null && !Array.isArray(facts)) return facts as Facts
  } catch {
    // not JSON
  }
  throw fault(type, 'whose payload is not a JSON object')
}

const hex = (digits: number) => (value: unknown) =>
  typeof value === 'string' && value.length === digits && /^[0-9a-f]*$/.test(value)
const isFlag = (value: unknown) => typeof value === 'boolean'
const isCount = (value: unknown) => Number.isSafeInteger(value) && (value as number) >= 0
const isTime = (value: unknown) => Number.isFinite(value) && Math.abs(value as number) < 8.64e15
const isMode = (value: unknown) => isCount(value) && (value as number) <= 0o7777
const isWindow = (value: unknown) => isCount(value) && (value as number) > 0
const optional = (check: (value: unknown) => boolean) => (value: unknown) => value === undefined || check(value)

/** The maximum length of a name in bytes, as file systems have it. */
export const longestName = 4096

const helloFields: Record<keyof Hello, (value: unknown) => boolean> = {
  id: hex(32),
  secret: hex(32),
  group: hex(32),
  kind: value => value === 'transfer' || value === 'tunnel',
  window: isWindow,
  rereadable: isFlag,
  again: isFlag,
  restart: isFlag,
  received: isCount,
  name: optional(value => typeof value === 'string' && Buffer.byteLength(value) <= longestName),
  size: optional(isCount),
  mode: optional(isMode),
  mtime: optional(isTime),
}

const welcomeFields: Record<keyof Welcome, (value: unknown) => boolean> = {
  sha256: optional(hex(64)),
  checked: isFlag,
  window: isWindow,
}

const receiptFields: Record<keyof Receipt, (value: unknown) => boolean> = {
  name: optional(value => typeof value === 'string'),
  bytes: isCount,
  sha256: hex(64),
  written: optional(value => isWritten(value as Facts | null)),
  skipped: optional(isFlag),
}

function isWritten(value: Facts | null): boolean {
  return typeof value === 'object' && value !== null && isCount(value.bytes) && hex(64)(value.sha256)
}

export function helloOf(frame: Frame): Hello {
  return checked(frame, helloFields) as unknown as Hello
}

export function welcomeOf(frame: Frame): Welcome {
  return checked(frame, welcomeFields) as unknown as Welcome
}

/** Reads the receipt in an end, if it has one. */
export function receiptOf(frame: Frame, facts: Facts): Receipt | undefined {
  if (facts.receipt === undefined) return undefined
  const receipt = pick(frame, facts.receipt as Facts, receiptFields) as unknown as Receipt
  if (!receipt.written) return receipt
  const { bytes, sha256 } = receipt.written
  return { ...receipt, written: { bytes, sha256 } }
}

/** What a peer says when it fails the session. */
export function errorOf(frame: Frame): { readonly code: string; readonly message: string } {
  const { code, message } = factsOf(frame)
  return { code: wordsOf(code, 'failed').slice(0, 100), message: wordsOf(message, 'no reason').slice(0, 2000) }
}

function wordsOf(value: unknown, otherwise: string): string {
  return typeof value === 'string' ? value : otherwise
}

function checked(frame: Frame, fields: Record<string, (value: unknown) => boolean>): Facts {
  return pick(frame, factsOf(frame), fields)
}

/** Takes the known fields and no others. */
function pick({ type }: Pick<Frame, 'type'>, facts: Facts, fields: Record<string, (value: unknown) => boolean>): Facts {
  const wrong = Object.entries(fields).find(([name, accepts]) => !accepts(facts?.[name]))
  if (wrong) throw fault(type, `whose field ${wrong[0]} is invalid`)
  return Object.fromEntries(
    Object.keys(fields)
      .filter(name => facts[name] !== undefined)
      .map(name => [name, facts[name]]),
  )
}

function fault(type: string, what: string): TcpPipeError {
  return new TcpPipeError('ERR_SESSION', `the peer sent a frame of type ${type} ${what}`)
}
