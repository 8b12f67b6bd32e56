/** Finds a pattern in a stream of bytes, wherever its chunks are cut. */

/** The positions in the chunk behind each occurrence that ends in it, as they are asked for. */
export type Finder = (chunk: Buffer) => Generator<number, void, void>

/**
 * Occurrences do not overlap and are taken from left to right, as by `grep -o`. A chunk is to be searched to its end
 * before the next one. Nothing is held of the stream but the last bytes, one less than the pattern has.
 */
export function finder(pattern: Buffer): Finder {
  const { length } = pattern
  const needle = length === 1 ? (pattern[0] as number) : pattern // twice as fast
  let tail: Buffer = Buffer.alloc(0) // what came last and may be the beginning of an occurrence

  /** Of the one that begins in the tail; 0 if there is none. Two have no room, since each needs a byte of the chunk. */
  function overTheBorder(chunk: Buffer): number {
    if (tail.length === 0) return 0
    const start = Buffer.concat([tail, chunk.subarray(0, length - 1)]).indexOf(needle)
    return start === -1 ? 0 : start + length - tail.length
  }

  /** A copy: a view would keep the chunk. */
  function keep(chunk: Buffer, from: number): void {
    const rest = chunk.length - from
    const parts = from === 0 && rest < length - 1 ? [tail, chunk] : [chunk.subarray(from)]
    const bytes = parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts)
    tail = Buffer.from(bytes.subarray(Math.max(0, bytes.length - length + 1)))
  }

  return function* find(chunk) {
    let from = overTheBorder(chunk)
    if (from > 0) yield from
    for (let start = chunk.indexOf(needle, from); start !== -1; start = chunk.indexOf(needle, from)) {
      from = start + length
      yield from
    }
    keep(chunk, from)
  }
}
