// @ts-check
/** Shows where a search has found something, without changing the text. */
import { digitsAt, dumped } from './hex-dump.js'

/** @typedef {import('./search.js').Needle} Needle */

const mostRanges = 2000

/** @param {HTMLElement} list @param {Needle | undefined} needle */
export function highlight(list, needle) {
  if (!('highlights' in CSS)) return
  CSS.highlights.delete('found')
  if (!needle) return
  /** @type {Range[]} */
  const ranges = []
  for (const pre of list.querySelectorAll('pre')) {
    const node = pre.firstChild
    if (!(node instanceof Text)) continue
    if (pre.classList.contains('hex')) addHex(ranges, node, needle)
    else if (!needle.isHex) addText(ranges, node, needle.text)
    if (ranges.length > mostRanges) break
  }
  CSS.highlights.set('found', new Highlight(...ranges))
}

/** @param {Range[]} ranges @param {Text} node @param {string} text */
function addText(ranges, node, text) {
  const lower = node.data.toLowerCase()
  if (lower.length !== node.data.length) return
  const wanted = text.toLowerCase()
  for (
    let at = lower.indexOf(wanted);
    at !== -1 && ranges.length < mostRanges;
    at = lower.indexOf(wanted, at + wanted.length)
  )
    ranges.push(rangeOf(node, at, at + wanted.length))
}

/** Reads the digits of the dump again. @param {Range[]} ranges @param {Text} node @param {Needle} needle */
function addHex(ranges, node, needle) {
  const fold = (/** @type {number} */ byte) => (!needle.isHex && byte >= 65 && byte <= 90 ? byte + 32 : byte)
  const width = Number(node.parentElement?.dataset.width)
  const bytes = dumped(node.data, width).map(fold)
  const wanted = [...needle.bytes].map(fold)
  for (let at = 0; at + wanted.length <= bytes.length && ranges.length < mostRanges; at++) {
    if (!wanted.every((byte, i) => bytes[at + i] === byte)) continue
    for (let i = 0; i < wanted.length; i++) {
      const { start, end } = digitsAt(at + i, width)
      ranges.push(rangeOf(node, start, end))
    }
  }
}

/** @param {Text} node @param {number} start @param {number} end */
function rangeOf(node, start, end) {
  const range = new Range()
  range.setStart(node, Math.min(start, node.length))
  range.setEnd(node, Math.min(end, node.length))
  return range
}
