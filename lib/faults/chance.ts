/** Repeatable chance: pseudo-random numbers that depend only on their inputs. */

/**
 * Maps whole numbers to a number from 0 to 1 (exclusive). Uses the 32-bit MurmurHash3 (Austin Appleby, public domain)
 * and takes each number as 64 bits.
 */
export function chance(...numbers: readonly number[]): number {
  let hash = 0
  for (const number of numbers) hash = add(add(hash, number), Math.floor(number / 2 ** 32))
  return finish(hash ^ (8 * numbers.length)) / 2 ** 32
}

function add(hash: number, word: number): number {
  const mixed = hash ^ Math.imul(rotate(Math.imul(word, 0xcc9e2d51), 15), 0x1b873593)
  return (Math.imul(rotate(mixed, 13), 5) + 0xe6546b64) | 0
}

function rotate(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits))
}

function finish(hash: number): number {
  const once = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  const twice = Math.imul(once ^ (once >>> 13), 0xc2b2ae35)
  return (twice ^ (twice >>> 16)) >>> 0
}
