/** The last bytes of each connection, and marks among them, in a bounded memory. */
import type { Way } from '../stats/observer.js'
import { Block, type Entry, headerSize, type Mark } from './block.js'

/** The limits of the memory, in bytes. */
export interface KeepLimits {
  readonly perConnection: number
  readonly total: number
}

export type { Chunk, Entry, Mark } from './block.js'

/** What a block takes in addition to its content. */
const blockSize = 256

const smallestBlock = 512
const largestBlock = 16 * 1024

/** A chunk of this size is not copied. */
const large = 4096

const none = Buffer.alloc(0)

/** The memory of all connections. */
export class Keep {
  readonly limits: KeepLimits
  /** Bytes in use. */
  used = 0
  #oldest: Block | undefined
  #newest: Block | undefined

  constructor(limits: KeepLimits) {
    this.limits = limits
  }

  /** The memory of one connection. */
  open(): Kept {
    return new Kept(this)
  }

  /** For `Kept`: adds its newest block. */
  added(block: Block): void {
    this.used += blockSize
    block.older = this.#newest
    if (this.#newest) this.#newest.newer = block
    else this.#oldest = block
    this.#newest = block
  }

  /** For `Kept`: a block has grown. The oldest of all are dropped first, whichever connection has them. */
  grown(size: number): void {
    this.used += size
    while (this.used > this.limits.total) (this.#oldest as Block).owner.dropFirst()
  }

  /** For `Kept`: removes one. Without its links: one in the old space would keep those after it from the collector. */
  removed(block: Block): void {
    const { size, older, newer } = block
    block.older = undefined
    block.newer = undefined
    this.used -= blockSize + size
    if (older) older.newer = newer
    else this.#oldest = newer
    if (newer) newer.older = older
    else this.#newest = older
  }
}

/** The memory of one connection. */
export class Kept {
  /** Bytes of the connection that are kept. */
  bytes = 0
  /** Bytes and marks that are not kept any more. */
  readonly dropped = { in: 0, out: 0, marks: 0 }
  readonly #keep: Keep
  readonly #passed = { in: 0, out: 0 }
  #size = 0
  #sequence = 0
  #first: Block | undefined
  #last: Block | undefined

  constructor(keep: Keep) {
    this.#keep = keep
  }

  /** The sequence number of the last entry. */
  get last(): number {
    return this.#sequence
  }

  /** The chunk must not change afterwards. Of one that is larger than the limit, the end is kept. */
  add(way: Way, chunk: Buffer, time: number): void {
    const { perConnection } = this.#keep.limits
    const cut = Math.max(0, chunk.length - perConnection)
    const bytes = cut > 0 ? chunk.subarray(cut) : chunk
    this.#passed[way] += cut
    this.dropped[way] += cut
    if (bytes.length > 0) this.#add(way, bytes, time)
  }

  #add(way: Way, bytes: Buffer, time: number): void {
    const { length } = bytes
    const last = length < large && this.#last?.hasRoomFor(bytes) ? this.#last : undefined
    const block = last ?? (length < large ? this.#small(length) : this.#large(way, bytes, time))
    if (length < large) block.add(way, bytes, time)
    this.#sequence++
    this.#passed[way] += length
    this.bytes += length
    if (!last) this.#append(block)
  }

  mark(mark: Mark, time: number): void {
    const last = this.#last?.hasRoomForMark() ? this.#last : undefined
    const block = last ?? new Block(this, 0, this.#sequence, { ...this.#passed }, none)
    const size = markSize + mark.text.length
    block.mark(mark, time)
    block.size += size
    this.#sequence++
    if (last) this.#grow(size)
    else this.#append(block)
  }

  /** A block for small chunks: each has four times the room of the one before. */
  #small(bytes: number): Block {
    const { perConnection } = this.#keep.limits
    const wanted = Math.max(smallestBlock, 4 * (this.#last?.buffer.length ?? 0))
    const room = Math.min(wanted, largestBlock, perConnection / 4) // a block is dropped as a whole
    const buffer = Buffer.allocUnsafeSlow(Math.max(Math.ceil(room), bytes + headerSize))
    return new Block(this, buffer.length, this.#sequence, { ...this.#passed }, buffer)
  }

  #large(way: Way, chunk: Buffer, time: number): Block {
    const content = { way, offset: this.#passed[way], bytes: own(chunk), time }
    const block = new Block(this, chunk.length, this.#sequence, { in: 0, out: 0 }, none, content)
    block.bytes[way] = chunk.length
    block.count = 1
    return block
  }

  #append(block: Block): void {
    if (this.#last) this.#last.next = block
    else this.#first = block
    this.#last = block
    this.#keep.added(block)
    this.#grow(block.size)
  }

  /** The last block stays, unless there is no room in all. */
  #grow(size: number): void {
    this.#size += size
    while (this.#size > this.#keep.limits.perConnection && this.#first !== this.#last) this.dropFirst()
    this.#keep.grown(size)
  }

  dropFirst(): void {
    const block = this.#first as Block
    this.#first = block.next
    block.next = undefined
    if (!this.#first) this.#last = undefined
    this.#size -= block.size
    this.#keep.removed(block)
    const { bytes, marks } = block
    this.bytes -= bytes.in + bytes.out
    this.dropped.in += bytes.in
    this.dropped.out += bytes.out
    this.dropped.marks += marks?.length ?? 0
  }

  /** Drops everything. */
  clear(): void {
    while (this.#first) this.dropFirst()
  }

  /** Returns the entries after this sequence number, about `mostBytes` at most. `more` is true if others follow. */
  after(sequence: number, mostBytes: number): { entries: Entry[]; more: boolean } {
    const entries: Entry[] = []
    let bytes = 0
    for (let block = this.#first; block; block = block.next) {
      if (block.after + block.count <= sequence) continue
      for (const entry of block.entries()) {
        if (entry.sequence <= sequence) continue
        const size = entrySize + ('bytes' in entry ? entry.bytes.length : entry.text.length)
        if (bytes > 0 && bytes + size > mostBytes) return { entries, more: true }
        bytes += size
        entries.push(entry)
      }
    }
    return { entries, more: false }
  }

  /** The bytes of one way that are kept. */
  ofWay(way: Way): Buffer[] {
    const { entries } = this.after(0, Number.POSITIVE_INFINITY)
    return entries.flatMap(entry => ('bytes' in entry && entry.way === way ? [entry.bytes] : []))
  }
}

/** About what an entry takes in an answer, in addition to its bytes, and what a mark takes in the memory. */
const entrySize = 100
const markSize = 200

/** A chunk is kept as it is, without a copy, unless it is a small part of a large block. */
function own(chunk: Buffer): Buffer {
  return chunk.buffer.byteLength > 2 * chunk.length + 512 ? Buffer.from(chunk) : chunk
}
