import { blockBytes } from './records.js'

/**
 * Returns the `write` of a stage that converts chunks block by block, so that a large chunk takes no multiple of its size
 * at once. A chunk of one block needs no generator, which costs more calls.
 */
export function byBlocks<R>(convert: (block: Buffer) => R, size = blockBytes) {
  function* convertEach(chunk: Buffer): Generator<R, void, void> {
    for (let from = 0; from < chunk.length; from += size) yield convert(chunk.subarray(from, from + size))
  }

  return (chunk: Buffer) => (chunk.length <= size ? convert(chunk) : convertEach(chunk))
}
