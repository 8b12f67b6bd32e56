/** Entries of a connection that are kept, and dropped, together. */
import type { Way } from '../stats/observer.js'

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
export class Block {
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
    readonly owner: { dropFirst(): void },
    /** What its content takes in the memory. */
    public size: number,
    /** The sequence number before its entries, and the bytes that passed before them. */
    readonly after: number,
    readonly before: { readonly in: number; readonly out: number },
    readonly buffer: Buffer,
    /** The only chunk of a block that has no buffer. */
    readonly large?: Chunk & { readonly time: number },
  ) {}

  hasRoomFor(chunk: Buffer): boolean {
    return this.used + headerSize + chunk.length <= this.buffer.length
  }

  hasRoomForMark(): boolean {
    return (this.marks?.length ?? 0) < mostMarks
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
export const headerSize = 12

/** The marks in a block. */
const mostMarks = 64
