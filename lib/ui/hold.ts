/** A Duplex that passes bytes on until its owner wants to hold them. */
import { Duplex } from 'node:stream'
import { traceStage } from '../formats/delivery.js'
import { blockBytes } from '../formats/records.js'

export interface HoldingOptions {
  /**
   * Hears all bytes in order, at most 64 KiB at once, before they pass. Returns what to do if they shall be held. While
   * some are held, those that follow are held whatever it returns.
   */
  hear(bytes: Buffer): (() => void) | undefined
  /** Called when the stream is closed. What it holds is lost. */
  over(): void
}

/** A stage that holds at most 64 KiB. What follows waits before it, also the end. */
export interface HoldingStage {
  readonly stream: Duplex
  /** What is held; undefined if everything passes. */
  readonly held: Buffer | undefined
  /** Whether the end waits. */
  readonly ended: boolean
  /** Passes these bytes on in place of what is held, and then what follows. */
  release(bytes: Buffer): void
}

export function holdingStage({ hear, over }: HoldingOptions): HoldingStage {
  const state: State = { hear, held: undefined, rest: nothing, isWanted: true }
  const stream = new Duplex({
    readableHighWaterMark: blockBytes,
    writableHighWaterMark: blockBytes,
    write(chunk: Buffer, _encoding, callback) {
      state.rest = chunk
      state.writer = callback
      advance(state, stream)
    },
    final(callback) {
      state.closer = callback
      advance(state, stream)
    },
    read() {
      state.isWanted = true
      advance(state, stream)
    },
    destroy(error, callback) {
      over()
      state.held = undefined
      state.rest = nothing
      callback(error)
    },
  })
  traceStage(stream, () => state.held !== undefined || state.rest.length > 0)
  return {
    stream,
    get held() {
      return state.held?.bytes.subarray(0, state.held.length)
    },
    get ended() {
      return state.closer !== undefined
    },
    release(bytes) {
      state.held = undefined
      if (bytes.length > 0) push(state, stream, bytes)
      advance(state, stream)
    },
  }
}

interface State {
  readonly hear: HoldingOptions['hear']
  held: Held | undefined
  /** Of the chunk that is being written, what has not passed and is not held. */
  rest: Buffer
  /** Whether the reader takes more. */
  isWanted: boolean
  /** Takes the next chunk. */
  writer?: (() => void) | undefined
  /** Completes the end. */
  closer?: (() => void) | undefined
}

interface Held {
  bytes: Buffer
  /** Number of bytes in use. */
  length: number
}

const nothing = Buffer.alloc(0)

function advance(state: State, stream: Duplex): void {
  while (state.rest.length > 0 && roomOf(state) > 0) take(state, stream)
  if (state.rest.length > 0) return
  if (state.writer && (state.held || state.isWanted)) {
    const resume = state.writer
    state.writer = undefined
    resume()
  } else if (state.closer && !state.held) {
    const close = state.closer
    state.closer = undefined
    stream.push(null)
    close()
  }
}

function roomOf({ held }: State): number {
  return blockBytes - (held?.length ?? 0)
}

function take(state: State, stream: Duplex): void {
  const piece = state.rest.subarray(0, roomOf(state))
  state.rest = state.rest.subarray(piece.length)
  const isHeld = state.held !== undefined
  const begin = state.hear(piece)
  if (begin) state.held ??= { bytes: nothing, length: 0 }
  if (state.held) append(state.held, piece)
  else push(state, stream, piece)
  if (!isHeld) begin?.()
}

function push(state: State, stream: Duplex, bytes: Buffer): void {
  state.isWanted = false // before the push, which can call read()
  if (stream.push(bytes)) state.isWanted = true
}

/** Copies: the chunk belongs to its writer, and may be a small part of a large block. */
function append(held: Held, piece: Buffer): void {
  const length = held.length + piece.length
  if (length > held.bytes.length) {
    const larger = Buffer.allocUnsafeSlow(Math.min(Math.max(length, 2 * held.bytes.length), blockBytes))
    larger.set(held.bytes.subarray(0, held.length))
    held.bytes = larger
  }
  held.bytes.set(piece, held.length)
  held.length = length
}
