/**
 * The wire format of reliable sessions, version 1: a preface of eight bytes from each side, then frames. A frame is a
 * header of 20 bytes and a payload. `docs/protocol.md` documents the fields, limits and states.
 */
import { TcpPipeError } from '../text/errors.js'
import { crc32 } from './checksums.js'

export const sessionVersion = 1

export const prefaceBytes = 8

/**
 * The first bytes of each side. They differ, so that an echo is not taken for a peer. The first byte and the line end
 * reveal a path that changes bytes, as those of PNG do.
 */
export const prefaces = { listener: prefaceOf('TCPP'), dialler: prefaceOf('tcpp') } as const

function prefaceOf(letters: string): Buffer {
  return Buffer.from(`\x89${letters}${sessionVersion}\r\n`, 'latin1')
}

/** Returns the version in a preface of another version, or undefined. */
export function otherVersion(preface: Buffer, expected: Buffer): string | undefined {
  const text = preface.toString('latin1')
  const pattern = expected.toString('latin1')
  const [start, end, version] = [pattern.slice(0, 5), pattern.slice(6), text[5] as string]
  const isOurs = text.startsWith(start) && text.endsWith(end) && /[0-9]/.test(version)
  return isOurs && version !== String(sessionVersion) ? version : undefined
}

const types = ['hello', 'welcome', 'data', 'check', 'ack', 'end', 'error', 'ping'] as const

export type FrameType = (typeof types)[number]

export const headerBytes = 20
/** The maximum length of the payload of `data`, and of all others. */
export const maxPayload = { data: 1024 * 1024, other: 64 * 1024 } as const

/** Flags: the checksum of a `data` frame covers its payload; an `ack` confirms the end; a `ping` asks for one. */
export const frameFlags = { checked: 1, ended: 1, asked: 1 } as const

/** A frame, all but `data`. */
export interface Frame {
  readonly type: Exclude<FrameType, 'data'>
  readonly flags: number
  readonly offset: number
  readonly payload: Buffer
}

const nothing = Buffer.alloc(0)

/** Encodes a frame, all but `data`. */
export function encodeFrame(type: Frame['type'], offset = 0, payload: Uint8Array = nothing, flags = 0): Buffer {
  return Buffer.concat([encodeHeader(type, offset, payload.length, flags, [payload]), payload])
}

/** Encodes the header of a `data` frame. Its checksum covers the payload if `isChecked`. */
export function encodeDataHeader(offset: number, parts: readonly Uint8Array[], isChecked: boolean): Buffer {
  const length = parts.reduce((sum, part) => sum + part.length, 0)
  return encodeHeader('data', offset, length, isChecked ? frameFlags.checked : 0, isChecked ? parts : [])
}

function encodeHeader(
  type: FrameType,
  offset: number,
  length: number,
  flags: number,
  covered: readonly Uint8Array[],
): Buffer {
  const header = Buffer.alloc(headerBytes)
  header[0] = types.indexOf(type) + 1
  header[1] = flags
  header.writeUInt32BE(length, 4)
  header.writeBigUInt64BE(BigInt(offset), 8)
  header.writeUInt32BE(checksum(header, covered), 16)
  return header
}

function checksum(header: Buffer, parts: readonly Uint8Array[]): number {
  return parts.reduce((value, part) => crc32(part, value), crc32(header.subarray(0, 16), 0))
}

/** Receives what a reader finds. Throws `ERR_SESSION` for what does not belong there. */
export interface FrameHandler {
  frame(frame: Frame): void
  /** Called with each piece of a payload as it arrives; with a whole payload, if the checksum covers it. */
  data(offset: number, bytes: Buffer, isChecked: boolean): void
}

interface Header {
  readonly type: FrameType
  readonly flags: number
  readonly length: number
  readonly offset: number
  readonly bytes: Buffer
}

/** The number of pieces of a payload to keep before they are joined. */
const mostParts = 1024

/**
 * Reads frames from chunks of any size. Allocates nothing for a length that is announced: it keeps what has arrived.
 */
export class FrameReader {
  readonly #handler: FrameHandler
  readonly #head = Buffer.alloc(headerBytes)
  #filled = 0
  #header: Header | undefined
  #taken = 0
  #parts: Buffer[] = []

  constructor(handler: FrameHandler) {
    this.#handler = handler
  }

  /** Throws `ERR_SESSION` for a frame that is invalid. `isOpen` ends the reading: a handler may close the link. */
  push(chunk: Buffer, isOpen: () => boolean): void {
    for (let at = 0; at < chunk.length && isOpen(); ) {
      at += this.#header ? this.#takePayload(this.#header, chunk, at) : this.#takeHeader(chunk, at)
    }
  }

  #takeHeader(chunk: Buffer, at: number): number {
    const taken = chunk.copy(this.#head, this.#filled, at)
    this.#filled += taken
    if (this.#filled < headerBytes) return taken
    this.#filled = 0
    this.#taken = 0
    this.#header = parseHeader(Buffer.from(this.#head))
    if (this.#header.length === 0) this.#finish(this.#header)
    return taken
  }

  #takePayload(header: Header, chunk: Buffer, at: number): number {
    const part = chunk.subarray(at, at + header.length - this.#taken)
    const offset = header.offset + this.#taken
    this.#taken += part.length
    const isLast = this.#taken === header.length
    if (isStreamed(header)) {
      if (isLast) this.#header = undefined
      this.#handler.data(offset, part, false)
    } else {
      this.#keep(part)
      if (isLast) this.#finish(header)
    }
    return part.length
  }

  /** Joins many small pieces: each of them takes more memory than its bytes. */
  #keep(part: Buffer): void {
    this.#parts.push(part)
    if (this.#parts.length === mostParts) this.#parts = [Buffer.concat(this.#parts)]
  }

  #finish({ type, flags, offset, bytes }: Header): void {
    const parts = this.#parts
    this.#parts = []
    this.#header = undefined
    if (checksum(bytes, parts) !== bytes.readUInt32BE(16)) throw peerFault(`a ${type} frame with a wrong checksum`)
    const payload = parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts)
    if (type === 'data') this.#handler.data(offset, payload, true)
    else this.#handler.frame({ type, flags, offset, payload })
  }
}

/** The payload of such a frame is checked later, with many others. */
function isStreamed({ type, flags }: Header): boolean {
  return type === 'data' && (flags & frameFlags.checked) === 0
}

function parseHeader(bytes: Buffer): Header {
  const type = types[(bytes[0] as number) - 1]
  const [flags, length, offset] = [bytes[1] as number, bytes.readUInt32BE(4), Number(bytes.readBigUInt64BE(8))]
  if (!type || flags > 1 || bytes.readUInt16BE(2) !== 0) throw peerFault('a frame of an unknown type')
  if (offset > Number.MAX_SAFE_INTEGER) throw peerFault(`a ${type} frame whose offset is too large`)
  const most = type === 'data' ? maxPayload.data : maxPayload.other
  if (length > most) throw peerFault(`a ${type} frame of ${length} bytes; expected at most ${most}`)
  const header = { type, flags, length, offset, bytes }
  if (type === 'data' && length === 0) throw peerFault('a data frame without data')
  if (isStreamed(header) && checksum(bytes, []) !== bytes.readUInt32BE(16))
    throw peerFault('a data frame with a wrong checksum')
  return header
}

/** The error for what a peer must not send. */
export function peerFault(what: string): TcpPipeError {
  return new TcpPipeError('ERR_SESSION', `the peer sent ${what}`)
}
