/**
 * Blocks of memory that a source reads into again and again. Fresh memory has to be faulted in and is in no cache: a block
 * that is read into again halves the time of the kernel, and 1 MiB is not faster than 256 KiB then.
 *
 * A source may do so only where it is known who holds what it gave: along stages that pass each chunk on and keep none, up
 * to a stage or a sink that holds nothing of what it has written (lib/connection/lending.ts).
 */
import type { Duplex, Readable, Writable } from 'node:stream'
import { chunkBytes } from '../formats/records.js'

/** A stage that passes each chunk on and keeps none. */
export type Passing = Duplex & {
  /** The number of bytes that it has taken and not given. Infinity: it drops what it takes. */
  readonly missing: number
}

/** The size of a block in bytes. */
export const blockSize = chunkBytes

/** The most blocks that are in use at once in this process: 16 MiB. */
const most = 64

/** The most free blocks that are kept: 1 MiB. */
const kept = 4

const free: Buffer[] = []
let used = 0

/** The blocks of one source, whose data goes into one sink, which may be a stage. */
export class Blocks {
  readonly #source: Readable
  readonly #sink: Writable
  /** The stages before the sink. */
  readonly #through: readonly Passing[]
  /** The least room for a read: while a block has more, it goes on in it. */
  readonly #least: number
  /** What was given, in order, and may still be held: a block, and the number of bytes given until then. */
  readonly #lent: { readonly block: Buffer; readonly end: number }[] = []
  readonly #spare: Buffer[] = []
  /** The block that is read into, and how many of its bytes were given. */
  #taken: Buffer | undefined
  #at = 0
  /** All bytes given, and what was on its way before. */
  #given: number
  #count = 0
  #isOver = false

  constructor(source: Readable, sink: Writable, through: readonly Passing[] = [], least = blockSize) {
    this.#source = source
    this.#sink = sink
    this.#through = through
    this.#least = least
    this.#given = this.#pending()
  }

  /** Returns room that nobody holds, or undefined if too many blocks are in use. */
  next(): Buffer | undefined {
    if (this.#taken && blockSize - this.#at >= this.#least) return this.#taken.subarray(this.#at)
    this.#retire()
    this.#collect(this.#given)
    this.#taken = this.#spare.pop() ?? this.#another()
    return this.#taken
  }

  #another(): Buffer | undefined {
    if (used >= most || this.#pending() === Number.POSITIVE_INFINITY) return undefined
    used++
    this.#count++
    return free.pop() ?? Buffer.allocUnsafeSlow(blockSize)
  }

  /** Notes that the source gives the first bytes of a buffer, which may be another one. Call it before `push`. */
  give(bytes: number, buffer: Buffer): void {
    this.#given += bytes
    if (buffer.buffer === this.#taken?.buffer) this.#at += bytes
  }

  /** Whether something is not written yet: then blocks count as used, so that their number is bounded. */
  get isHeld(): boolean {
    return this.#pending() > 0
  }

  /** No more is read into the present block. Do not call it within `push`. */
  rest(): void {
    this.#retire()
    this.#collect(this.#given)
  }

  /** Gives the blocks back. What may be held, or being read into, is not used again: nor what `push` is giving just now. */
  end(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#collect(this.#given - 1)
    used -= this.#count
    free.push(...this.#spare.slice(0, kept - free.length))
    this.#lent.length = 0
    this.#spare.length = 0
    this.#taken = undefined
  }

  #retire(): void {
    if (this.#taken) this.#lent.push({ block: this.#taken, end: this.#given })
    this.#taken = undefined
    this.#at = 0
  }

  #collect(most: number): void {
    const done = Math.min(most, this.#given - this.#pending())
    while (this.#lent.length > 0 && (this.#lent[0] as { end: number }).end <= done)
      this.#spare.push((this.#lent.shift() as { block: Buffer }).block)
  }

  /**
   * The bytes that may be held. A destroyed stream drops what it holds, but the system may still have it. What a stage drops
   * would count as written, so it counts as held.
   */
  #pending(): number {
    const [source, sink] = [this.#source, this.#sink]
    if (source.destroyed || sink.destroyed) return Number.POSITIVE_INFINITY
    let pending = source.readableLength + sink.writableLength
    for (const stage of this.#through) {
      if (stage.destroyed) return Number.POSITIVE_INFINITY
      pending += stage.writableLength + stage.readableLength + stage.missing
    }
    return pending
  }
}
