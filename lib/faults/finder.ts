/** Finds a pattern in a stream of bytes, regardless of chunk boundaries. */

/** Yields the position in the chunk after each occurrence that ends in it. */
export type Finder = (chunk: Buffer) => Generator<number, void, void>

/**
 * Finds occurrences from left to right without overlap, like `grep -o`. Exhaust the generator of a chunk before passing
 * the next one. Holds only the last bytes of the stream, one fewer than the pattern.
 */
export function finder(pattern: Buffer): Finder {
  const { length } = pattern
  const needle = length === 1 ? (pattern[0] as number) : pattern // twice as fast
  let tail: Buffer = Buffer.alloc(0) // last bytes, which may begin an occurrence

  /** Returns the end of the occurrence that begins in the tail, or 0. The tail is too short for two. */
  function overTheBorder(chunk: Buffer): number {
    if (tail.length === 0) return 0
    const start = Buffer.concat([tail, chunk.subarray(0, length - 1)]).indexOf(needle)
    return start === -1 ? 0 : start + length - tail.length
  }

  /** Copies, because a view would retain the chunk. */
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
