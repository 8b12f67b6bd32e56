/** The last bytes of each connection, and marks among them, in a bounded memory. */
import type { Way } from '../stats/observer.js'

/** The limits of the memory, in bytes. */
export interface KeepLimits {
  readonly perConnection: number
  readonly total: number
}

/** Bytes that have passed. */
export interface Chunk {
  readonly way: Way
  /** The number of bytes before it in its way. */
  readonly offset: number
  readonly bytes: Buffer
}

/** Something that happened between the bytes. */
export interface Mark {
  readonly mark: 'opened' | 'closed' | 'fault' | 'held' | 'released' | 'edited' | 'dropped' | 'reset'
  readonly text: string
  readonly way?: Way
  readonly offset?: number
}

/** `sequence` counts from 1 in each connection; `time` is milliseconds since 1970. */
export type Entry = { readonly sequence: number; readonly time: number } & (Chunk | Mark)

/**
 * Entries of one connection that are dropped together. Small chunks are copied into one buffer: thousands of small
 * objects that live for a while would cost the collector more than all else here. A large chunk is a block of its own, and
 * not copied.
 */
class Block {
  /** The next one of its connection, and its neighbours among those of all connections. */
  next: Block | undefined
  older: Block | undefined
  newer: Block | undefined
  used = 0
  /** Marks, by the number of the entries before them. */
  marks: { readonly at: number; readonly time: number; readonly mark: Mark }[] | undefined
  count = 0
  readonly bytes = { in: 0, out: 0 }

  constructor(
    readonly owner: Kept,
    /** What it takes in the memory. */
    public size: number,
    /** The sequence number before its entries, and the bytes that passed before them. */
    readonly after: number,
    readonly before: { readonly in: number; readonly out: number },
    readonly buffer: Buffer,
    /** The only chunk of a block that has no buffer. */
    readonly large?: Chunk & { readonly time: number },
  ) {}

  hasRoomFor(chunk: Buffer): boolean {
    return !this.large && this.used + headerSize + chunk.length <= this.buffer.length
  }

  add(way: Way, chunk: Buffer, time: number): void {
    const { buffer } = this
    buffer.writeDoubleLE(time, this.used)
    buffer.writeInt32LE(way === 'in' ? chunk.length : ~chunk.length, this.used + 8)
    buffer.set(chunk, this.used + headerSize)
    this.used += headerSize + chunk.length
    this.bytes[way] += chunk.length
    this.count++
  }

  mark(mark: Mark, time: number): void {
    this.marks ??= []
    this.marks.push({ at: this.count, time, mark })
    this.count++
  }

  *entries(): Generator<Entry> {
    const { buffer, marks = [], large } = this
    const passed = { ...this.before }
    let mark = 0
    for (let index = 0, at = 0; index < this.count; index++) {
      const sequence = this.after + index + 1
      const next = marks[mark]
      if (next?.at === index) {
        mark++
        yield { sequence, time: next.time, ...next.mark }
      } else if (large) yield { sequence, ...large }
      else {
        const code = buffer.readInt32LE(at + 8)
        const [way, length] = code >= 0 ? (['in', code] as const) : (['out', ~code] as const)
        const bytes = buffer.subarray(at + headerSize, at + headerSize + length)
        yield { sequence, time: buffer.readDoubleLE(at), way, offset: passed[way], bytes }
        passed[way] += length
        at += headerSize + length
      }
    }
  }
}

/** The time, and the length, which is negative for the way `out`. */
const headerSize = 12

/** What a block takes in addition to its buffer. */
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
    this.used += block.size
    block.older = this.#newest
    if (this.#newest) this.#newest.newer = block
    else this.#oldest = block
    this.#newest = block
    while (this.used > this.limits.total && this.#oldest) this.#oldest.owner.dropFirst()
  }

  /** For `Kept`: removes one. Without its links: one in the old space would keep those after it from the collector. */
  removed(block: Block): void {
    const { size, older, newer } = block
    block.older = undefined
    block.newer = undefined
    this.used -= size
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

  /** The chunk must not change afterwards. */
  add(way: Way, chunk: Buffer, time: number): void {
    if (chunk.length >= large) this.#addLarge(way, chunk, time)
    else {
      let block = this.#last
      if (!block?.hasRoomFor(chunk)) block = this.#open(chunk.length)
      block.add(way, chunk, time)
      this.#sequence++
      this.bytes += chunk.length
    }
    this.#passed[way] += chunk.length
  }

  mark(mark: Mark, time: number): void {
    const block = this.#last ?? this.#open(0)
    block.mark(mark, time)
    this.#sequence++
    const size = markSize + mark.text.length
    block.size += size
    this.#size += size
    this.#keep.used += size
  }

  #addLarge(way: Way, chunk: Buffer, time: number): void {
    const { perConnection } = this.#keep.limits
    const cut = Math.max(0, chunk.length - perConnection)
    const bytes = own(cut > 0 ? chunk.subarray(cut) : chunk)
    const content = { way, offset: this.#passed[way] + cut, bytes, time }
    const block = new Block(this, blockSize + bytes.length, this.#sequence, { in: 0, out: 0 }, none, content)
    block.bytes[way] = bytes.length
    block.count = 1
    this.dropped[way] += cut
    this.bytes += bytes.length
    this.#sequence++
    this.#append(block)
  }

  /** A block for small chunks: each has four times the room of the one before. */
  #open(bytes: number): Block {
    const wanted = Math.min(largestBlock, Math.max(smallestBlock, 4 * (this.#last?.buffer.length ?? 0)))
    const buffer = Buffer.allocUnsafeSlow(Math.max(wanted, bytes + headerSize))
    const block = new Block(this, blockSize + buffer.length, this.#sequence, { ...this.#passed }, buffer)
    this.#append(block)
    return block
  }

  #append(block: Block): void {
    if (this.#last) this.#last.next = block
    else this.#first = block
    this.#last = block
    this.#size += block.size
    const { perConnection } = this.#keep.limits
    while (this.#size > perConnection + blockSize && this.#first !== block) this.dropFirst()
    this.#keep.added(block)
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

  /** The entries after this sequence number, up to about so many bytes; `more` says that they are not all. */
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
