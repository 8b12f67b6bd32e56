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

/** What each entry takes in addition to its bytes, measured: small chunks are mostly this. */
const entrySize = 320

/** The entries of all connections, the oldest first: a list, since any of them can be removed. */
interface Node {
  readonly entry: Entry
  readonly owner: Kept
  readonly size: number
  /** The next one of its connection. */
  next: Node | undefined
  older: Node | undefined
  newer: Node | undefined
}

/** The memory of all connections. */
export class Keep {
  readonly limits: KeepLimits
  /** Bytes in use. */
  used = 0
  #oldest: Node | undefined
  #newest: Node | undefined

  constructor(limits: KeepLimits) {
    this.limits = limits
  }

  /** The memory of one connection. */
  open(): Kept {
    return new Kept(this)
  }

  /** For `Kept`: adds its newest entry. */
  added(node: Node): void {
    this.used += node.size
    node.older = this.#newest
    if (this.#newest) this.#newest.newer = node
    else this.#oldest = node
    this.#newest = node
    while (this.used > this.limits.total && this.#oldest) this.#oldest.owner.dropFirst()
  }

  /** For `Kept`: removes one. */
  removed({ size, older, newer }: Node): void {
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
  #first: Node | undefined
  #last: Node | undefined

  constructor(keep: Keep) {
    this.#keep = keep
  }

  /** The sequence number of the last entry. */
  get last(): number {
    return this.#sequence
  }

  add(way: Way, chunk: Buffer, time: number): void {
    const offset = this.#passed[way]
    this.#passed[way] += chunk.length
    const { perConnection } = this.#keep.limits
    const cut = Math.max(0, chunk.length - perConnection)
    this.dropped[way] += cut
    this.bytes += chunk.length - cut
    this.#append({ way, offset: offset + cut, bytes: own(chunk.subarray(cut)) }, time, chunk.length - cut)
  }

  mark(mark: Mark, time: number): void {
    this.#append(mark, time, mark.text.length)
  }

  #append(content: Chunk | Mark, time: number, size: number): void {
    const entry = { sequence: ++this.#sequence, time, ...content }
    const more = { next: undefined, older: undefined, newer: undefined }
    const node: Node = { entry, owner: this, size: size + entrySize, ...more }
    if (this.#last) this.#last.next = node
    else this.#first = node
    this.#last = node
    this.#size += node.size
    this.#keep.added(node)
    while (this.#size > this.#keep.limits.perConnection + entrySize) this.dropFirst()
  }

  dropFirst(): void {
    const node = this.#first as Node
    this.#first = node.next
    if (!this.#first) this.#last = undefined
    this.#size -= node.size
    this.#keep.removed(node)
    if (!('bytes' in node.entry)) this.dropped.marks++
    else {
      this.bytes -= node.entry.bytes.length
      this.dropped[node.entry.way] += node.entry.bytes.length
    }
  }

  /** Drops everything. */
  clear(): void {
    while (this.#first) this.dropFirst()
  }

  /** The entries after this sequence number, up to about so many bytes; `more` says that they are not all. */
  after(sequence: number, mostBytes: number): { entries: Entry[]; more: boolean } {
    const entries: Entry[] = []
    let bytes = 0
    for (let node = this.#first; node; node = node.next) {
      if (node.entry.sequence <= sequence) continue
      if (bytes > 0 && bytes + node.size > mostBytes) return { entries, more: true }
      bytes += node.size
      entries.push(node.entry)
    }
    return { entries, more: false }
  }

  /** The bytes of one way that are kept. */
  ofWay(way: Way): Buffer[] {
    const { entries } = this.after(0, Number.POSITIVE_INFINITY)
    return entries.flatMap(entry => ('bytes' in entry && entry.way === way ? [entry.bytes] : []))
  }
}

/** A chunk is kept as it is, without a copy, unless it is a small part of a large block. */
function own(chunk: Buffer): Buffer {
  return chunk.buffer.byteLength > 2 * chunk.length + 512 ? Buffer.from(chunk) : chunk
}
