// @ts-check
/** RESP2 and RESP3, the protocol of Redis. Nothing here recurses by what the bytes say, or makes what it does not show. */

/**
 * What is known of the message at a place: its end; or how many bytes there must be at least to look again, and from
 * where; or that there is none, and where that was seen.
 * @typedef {{ at: number, pending?: number, head?: import('./http.js').Head }} Resume
 * @typedef {{ end: number } | { need: number, resume?: Resume } | { bad: number }} Extent
 */

const cr = 13
const lf = 10
export const longestLine = 65_536
export const longestNumber = 24

/** Types whose line is the value; whose line is a length; whose line is a number of values. */
const lineTypes = new Set('+-:_#,('.split('').map(code))
const stringTypes = new Set('$!='.split('').map(code))
const aggregateTypes = new Set('*~>%|'.split('').map(code))

/** @param {string} character */
export function code(character) {
  return character.charCodeAt(0)
}

/**
 * The end of a line, without its CR LF.
 * @param {Uint8Array} bytes @param {number} at @param {number} longest
 * @returns {number} -1 if it has not ended, -2 if it is not one
 */
export function lineEnd(bytes, at, longest) {
  const end = bytes.subarray(at, at + longest + 2).indexOf(lf)
  if (end === -1) return bytes.length - at >= longest + 2 ? -2 : -1
  return end > 0 && bytes[at + end - 1] === cr ? at + end - 1 : -2
}

/** @param {Uint8Array} bytes @param {number} start @param {number} end */
function ascii(bytes, start, end) {
  return String.fromCharCode(...bytes.subarray(start, end))
}

/**
 * @param {Uint8Array} bytes @param {number} start
 * @param {Resume} [resume] of the last time, when bytes were missing
 * @returns {Extent}
 */
export function respExtent(bytes, start, resume) {
  let at = resume?.at ?? start
  for (let pending = resume?.pending ?? 1; pending > 0; ) {
    const next = oneValue(bytes, at)
    if ('bad' in next) return { bad: at }
    if ('need' in next) return { need: next.need, resume: { at, pending } }
    at = next.end
    pending += next.more - 1
  }
  return { end: at }
}

/**
 * A value without those that it is made of: how many follow.
 * @param {Uint8Array} bytes @param {number} start
 * @returns {{ end: number, more: number } | { need: number } | { bad: true }}
 */
function oneValue(bytes, start) {
  if (start >= bytes.length) return { need: start + 1 }
  const type = bytes[start]
  const isLine = lineTypes.has(type)
  if (!isLine && !stringTypes.has(type) && !aggregateTypes.has(type)) return { bad: true }
  const lineIs = lineEnd(bytes, start + 1, isLine ? longestLine : longestNumber)
  if (lineIs === -1) return { need: bytes.length + 1 }
  const size = lineIs === -2 || isLine ? 0 : lengthAt(bytes, start + 1, lineIs)
  if (lineIs === -2 || size === undefined) return { bad: true }
  const end = lineIs + 2
  if (aggregateTypes.has(type)) return { end, more: valuesIn(type, size) }
  if (isLine || size < 0) return { end, more: 0 }
  if (end + size + 2 > bytes.length) return { need: end + size + 2 }
  return bytes[end + size] === cr && bytes[end + size + 1] === lf ? { end: end + size + 2, more: 0 } : { bad: true }
}

/** @param {Uint8Array} bytes @param {number} start @param {number} end */
export function lengthAt(bytes, start, end) {
  const text = ascii(bytes, start, end)
  return /^(?:\d{1,15}|-1)$/.test(text) ? Number(text) : undefined
}

/** How many values follow; those of an attribute come before the value that it is of. @param {number} type @param {number} count */
function valuesIn(type, count) {
  if (count < 0) return 0
  if (type === code('%')) return 2 * count
  return type === code('|') ? 2 * count + 1 : count
}
