// @ts-check
/** RESP for people: requests as they would be typed, replies as redis-cli shows them. */
import { visible, visibleLine } from './bytes.js'
import { code, lengthAt, lineEnd, longestLine, longestNumber } from './resp.js'

/** @typedef {{ depth: number, values: number, bytes: number }} Limits */

/** What is shown of a value, unless all of it is asked for. @type {Limits} */
export const short = { depth: 8, values: 100, bytes: 512 }
/** @type {Limits} */
export const whole = { depth: 32, values: 100_000, bytes: 1 << 24 }

/**
 * A request as it would be typed: `SET key "some text"`. Undefined if it is not an array of strings.
 * @param {Uint8Array} bytes @param {number} start @param {Limits} limits
 */
export function command(bytes, start, limits = short) {
  const words = argumentsOf(bytes, start, limits.values)
  if (!words) return undefined
  const shown = words.list.map(word => quoted(word, limits.bytes))
  return words.count > shown.length ? `${shown.join(' ')} … ${words.count - shown.length} more` : shown.join(' ')
}

/** `SET 3 args`: the label that `tcp-pipe dump` shows, too. @param {Uint8Array} bytes @param {number} start */
export function commandLabel(bytes, start) {
  const words = argumentsOf(bytes, start, 1)
  if (!words?.list[0]) return undefined
  return `${visible(words.list[0].subarray(0, 40))} ${words.count} ${words.count === 1 ? 'arg' : 'args'}`
}

/**
 * @param {Uint8Array} bytes @param {number} start @param {number} most
 * @returns {{ count: number, list: Uint8Array[] } | undefined}
 */
function argumentsOf(bytes, start, most) {
  if (bytes[start] !== code('*')) return undefined
  let end = lineEnd(bytes, start + 1, longestNumber)
  const count = end < 0 ? undefined : lengthAt(bytes, start + 1, end)
  if (count === undefined || count < 1) return undefined
  /** @type {Uint8Array[]} */
  const list = []
  for (let at = end + 2; list.length < Math.min(count, most); ) {
    if (bytes[at] !== code('$')) return undefined
    end = lineEnd(bytes, at + 1, longestNumber)
    const size = end < 0 ? -1 : (lengthAt(bytes, at + 1, end) ?? -1)
    if (size < 0) return undefined
    list.push(bytes.subarray(end + 2, end + 2 + size))
    at = end + 2 + size + 2
  }
  return { count, list }
}

/** @param {Uint8Array} bytes @param {number} most */
function quoted(bytes, most) {
  const text = visibleLine(visible(bytes.subarray(0, most)))
  const word = /^[^\s"'\\]+$/.test(text) ? text : inQuotes(text)
  return bytes.length > most ? `${word}… (${bytes.length} bytes)` : word
}

/** Those quotes that need fewer escapes: JSON stays readable. @param {string} text */
function inQuotes(text) {
  return text.includes('"') && !text.includes("'") ? `'${text}'` : `"${text.replace(/"/g, '\\"')}"`
}

/**
 * A value as redis-cli shows it. Lines are indented by the depth of their aggregate.
 * @param {Uint8Array} bytes @param {number} start @param {Limits} limits
 */
export function value(bytes, start, limits = short) {
  const budget = { values: limits.values }
  /** @type {string[]} */
  const lines = []
  show(bytes, start, { lines, budget, limits, depth: 0, prefix: '' })
  return lines.join('\n')
}

/**
 * @typedef {{ lines: string[], budget: { values: number }, limits: Limits, depth: number, prefix: string }} Place
 * @param {Uint8Array} bytes @param {number} at @param {Place} place
 * @returns {number} the end of the value; -1 if the rest is not shown
 */
function show(bytes, at, place) {
  const { lines, budget, limits, depth, prefix } = place
  const type = String.fromCharCode(bytes[at] ?? 0)
  const end = lineEnd(bytes, at + 1, longestLine)
  if (end < 0) return -1
  const next = end + 2
  if (!'*~>%|'.includes(type)) {
    const { text, after } = scalar(bytes, at, end, limits.bytes)
    lines.push(prefix + text)
    return after
  }
  const count = lengthAt(bytes, at + 1, end) ?? 0
  if (count < 0) lines.push(`${prefix}(nil)`)
  else if (count === 0) lines.push(`${prefix}(empty ${aggregateNames[type]})`)
  if (count <= 0) return type === '|' ? show(bytes, next, place) : next
  if (depth >= limits.depth) {
    lines.push(`${prefix}… ${aggregateNames[type]} of ${count}`)
    return -1
  }
  const after = showItems(bytes, next, type, count, place)
  if (type !== '|' || after < 0 || budget.values <= 0) return after
  return show(bytes, after, { ...place, prefix: ' '.repeat(prefix.length) })
}

/** @type {Record<string, string>} */
const aggregateNames = { '*': 'array', '~': 'set', '>': 'push', '%': 'map', '|': 'attribute' }

/** @param {Uint8Array} bytes @param {number} start @param {string} type @param {number} count @param {Place} place */
function showItems(bytes, start, type, count, place) {
  const { lines, budget, prefix } = place
  const isMap = type === '%' || type === '|'
  const width = String(count).length
  const indent = ' '.repeat(prefix.length)
  let at = start
  for (let i = 0; i < count; i++) {
    const lead = i === 0 ? prefix : indent
    if (budget.values-- <= 0) {
      lines.push(`${lead}… ${count - i} more`)
      return -1
    }
    const mark = { '~': '-', '>': '>', '|': '@' }[type] ?? `${String(i + 1).padStart(width)})`
    const inside = { ...place, depth: place.depth + 1 }
    at = show(bytes, at, { ...inside, prefix: `${lead}${mark} ` })
    if (at >= 0 && isMap) at = show(bytes, at, { ...inside, prefix: `${indent}${' '.repeat(mark.length)} => ` })
    if (at < 0) return -1
  }
  return at
}

/** @param {Uint8Array} bytes @param {number} at @param {number} end of its line @param {number} most */
function scalar(bytes, at, end, most) {
  const type = String.fromCharCode(bytes[at])
  const line = visibleLine(visible(bytes.subarray(at + 1, Math.min(end, at + 1 + most))))
  if (!'$!='.includes(type)) return { text: lineText(type, line), after: end + 2 }
  const size = lengthAt(bytes, at + 1, end) ?? -1
  if (size < 0) return { text: '(nil)', after: end + 2 }
  const after = end + 2 + size + 2
  const content = bytes.subarray(end + 2, end + 2 + size)
  if (type === '!') return { text: `(error) ${visibleLine(visible(content.subarray(0, most)))}`, after }
  if (type !== '=') return { text: quotedString(content, most), after }
  return { text: `(${visible(content.subarray(0, 3))}) ${quotedString(content.subarray(4), most)}`, after }
}

/** @param {Uint8Array} bytes @param {number} most */
function quotedString(bytes, most) {
  const text = inQuotes(visibleLine(visible(bytes.subarray(0, most))))
  return bytes.length > most ? `${text}… (${bytes.length} bytes)` : text
}

/** @param {string} type @param {string} line */
function lineText(type, line) {
  if (type === '-') return `(error) ${line}`
  if (type === ':') return `(integer) ${line}`
  if (type === ',') return `(double) ${line}`
  if (type === '(') return `(big number) ${line}`
  if (type === '#') return line === 't' ? '(true)' : '(false)'
  return type === '_' ? '(nil)' : line
}

/** The first line of a value, for a label. @param {Uint8Array} bytes @param {number} start */
export function valueLabel(bytes, start) {
  const type = String.fromCharCode(bytes[start] ?? 0)
  const end = lineEnd(bytes, start + 1, longestLine)
  if (end < 0) return 'value'
  const line = visibleLine(visible(bytes.subarray(start + 1, Math.min(end, start + 61))))
  if (type === '_' || line === '-1') return type === ':' ? line : 'nil'
  if (type === '$' || type === '=') return `string of ${line}`
  if (type === '!') return `error of ${line}`
  const kind = aggregateNames[type]
  return kind ? `${kind} of ${line}` : lineText(type, line)
}
