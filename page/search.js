// @ts-check
/** Finds bytes in turns. */
import { fromHex, fromText } from './bytes.js'

/** @typedef {import('./turns.js').Turn} Turn */
/** @typedef {{ bytes: Uint8Array, isHex: boolean, text: string }} Needle */
/** @typedef {{ turn: Turn, at: number }} Match */

export const mostMatches = 10_000

/**
 * `hex:0d0a`, or a text in any case. Throws a SyntaxError.
 * @param {string} text
 * @returns {Needle | undefined} undefined if there is nothing to search for
 */
export function needleOf(text) {
  const hex = /^hex:(.*)$/is.exec(text)
  const bytes = hex ? fromHex(hex[1]) : fromText(text)
  return bytes.length > 0 ? { bytes, isHex: hex !== null, text } : undefined
}

/** @param {readonly Turn[]} turns @param {Needle} needle @returns {Match[]} */
export function search(turns, needle, most = mostMatches) {
  /** @type {Match[]} */
  const matches = []
  for (const turn of turns) {
    const bytes = turn.stretch.bytes(turn.start, turn.end)
    for (const index of indexes(bytes, needle)) {
      matches.push({ turn, at: turn.start + index })
      if (matches.length >= most) return matches
    }
  }
  return matches
}

/** @param {Uint8Array} bytes @param {Needle} needle @returns {Generator<number>} */
function* indexes(bytes, { bytes: needle, isHex }) {
  const wanted = isHex ? needle : needle.map(lower)
  const last = bytes.length - needle.length
  const first = wanted[0]
  for (let at = 0; at <= last; at++) {
    if ((isHex ? bytes[at] : lower(bytes[at])) !== first) continue
    let length = 1
    while (length < wanted.length && (isHex ? bytes[at + length] : lower(bytes[at + length])) === wanted[length])
      length++
    if (length < wanted.length) continue
    yield at
    at += wanted.length - 1
  }
}

/** @param {number} byte */
function lower(byte) {
  return byte >= 65 && byte <= 90 ? byte + 32 : byte
}
