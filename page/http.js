// @ts-check
/** HTTP/1: where messages end, and how they are read. Heads are latin1; bodies are what they are. */
import { concatenate, isText, visible, visibleLine, wholeCharacters } from './bytes.js'
import { hexDump } from './hex-dump.js'

/** @typedef {import('./resp.js').Extent} Extent */
/**
 * What is known of a message: where its head ends, and what its body is.
 * @typedef {{ line: string, method: string, status: number, headEnd: number, body: 'none' | 'length' | 'chunked' | 'rest', length: number }} Head
 */

const longestHead = 65_536
const longestLine = 16_384

/** @param {Uint8Array} bytes @param {number} start @param {number} end */
function latin1(bytes, start, end) {
  let text = ''
  for (let at = start; at < end; at += 8192)
    text += String.fromCharCode(...bytes.subarray(at, Math.min(at + 8192, end)))
  return text
}

const requestLine = /^([!#$%&'*+.^_`|~0-9A-Za-z-]{1,40}) (\S+) HTTP\/1\.\d$/
const statusLine = /^HTTP\/1\.\d (\d{3})(?: .*)?$/

/** Whether a text begins like a message, as far as it goes. @param {string} text */
export function looksLikeHttp(text) {
  const line = /^([^\r\n]*)\r?\n/.exec(text)?.[1]
  if (line !== undefined) return requestLine.test(line) || statusLine.test(line)
  return /^HTTP\/1\./.test(text) || /^(GET|HEAD|POST|PUT|DELETE|CONNECT|OPTIONS|TRACE|PATCH) \S+$/.test(text)
}

/**
 * @param {Uint8Array} bytes @param {number} start
 * @param {string} asked the method of the request that is answered; for a request nothing
 * @returns {Head | { need: number } | 'bad' | 'long'}
 */
export function headAt(bytes, start, asked = '') {
  const first = bytes.subarray(start, start + longestHead).indexOf(10)
  if (first === -1) return bytes.length - start >= longestHead ? 'bad' : { need: bytes.length + 1 }
  const line = latin1(bytes, start, start + Math.min(first, longestLine)).replace(/\r$/, '')
  const [, method = ''] = requestLine.exec(line) ?? []
  const status = Number(statusLine.exec(line)?.[1] ?? 0)
  if (!method && !status) return 'bad'
  const headEnd = emptyLineEnd(bytes, start + first + 1, start + longestHead)
  if (headEnd === -1) return bytes.length - start >= longestHead ? 'long' : { need: bytes.length + 1 }
  return { line, method, status, headEnd, ...bodyOf(latin1(bytes, start, headEnd), status, asked) }
}

/**
 * Looks at no more than it must: many small messages may follow each other.
 * @param {Uint8Array} bytes @param {number} start of a line @param {number} most
 * @returns {number} the end of the first empty line; -1 if there is none
 */
function emptyLineEnd(bytes, start, most) {
  const last = Math.min(bytes.length, most)
  for (let at = start; at < last; ) {
    if (bytes[at] === 13 && at + 1 < last && bytes[at + 1] === 10) return at + 2
    if (bytes[at] === 10) return at + 1
    const end = bytes.subarray(at, last).indexOf(10)
    if (end === -1) return -1
    at += end + 1
  }
  return -1
}

/**
 * @param {string} head @param {number} status @param {string} asked
 * @returns {{ body: Head['body'], length: number }}
 */
function bodyOf(head, status, asked) {
  if (status > 0 && (status < 200 || status === 204 || status === 304 || asked === 'HEAD')) {
    return status === 101 ? { body: 'rest', length: 0 } : { body: 'none', length: 0 }
  }
  if (asked === 'CONNECT' && status < 300) return { body: 'rest', length: 0 }
  if (/^transfer-encoding:.*\bchunked\s*$/im.test(head)) return { body: 'chunked', length: 0 }
  const length = /^content-length:[ \t]*(\d{1,15})\s*$/im.exec(head)?.[1]
  if (length !== undefined) return { body: 'length', length: Number(length) }
  return status > 0 ? { body: 'rest', length: 0 } : { body: 'none', length: 0 }
}

/**
 * A body without an end, such as a malformed one, has all that comes.
 * @param {Uint8Array} bytes @param {number} start @param {string} asked
 * @param {import('./resp.js').Resume} [resume] of the last time, when bytes were missing
 * @returns {Extent & { head?: Head }}
 */
export function httpExtent(bytes, start, asked = '', resume = undefined) {
  const head = resume?.head ?? headAt(bytes, start, asked)
  if (head === 'bad') return { bad: start }
  if (head === 'long') return { end: start + longestHead }
  if ('need' in head) return head
  if (head.body === 'rest') return { need: Number.POSITIVE_INFINITY, head }
  if (head.body === 'chunked') {
    const { at, end, need = Number.POSITIVE_INFINITY } = chunksIn(bytes, resume?.at ?? head.headEnd, () => {})
    return end === undefined ? { need, head, resume: { at, head } } : { end, head }
  }
  const end = head.headEnd + head.length
  return end > bytes.length ? { need: end, head } : { end, head }
}

/**
 * Goes through a chunked body. Without an end and a need it is malformed. `at` is the start of the chunk to go on with.
 * @param {Uint8Array} bytes @param {number} start @param {(part: Uint8Array) => void} found
 * @returns {{ at: number, end?: number, need?: number }}
 */
function chunksIn(bytes, start, found) {
  for (let at = start; ; ) {
    const line = bytes.subarray(at, at + 256)
    const end = line.indexOf(10)
    if (end === -1) return line.length < 256 ? { at, need: bytes.length + 1 } : { at }
    const digits = /^([0-9a-f]{1,12})[ \t]*(;.*)?\r?$/i.exec(latin1(line, 0, end))?.[1]
    if (digits === undefined) return { at }
    const size = Number.parseInt(digits, 16)
    const data = at + end + 1
    if (size === 0) return { at, ...trailersEnd(bytes, data) }
    const next = data + size
    if (next + 2 > bytes.length) {
      found(bytes.subarray(data, next))
      return { at, need: next + 2 }
    }
    const after = bytes[next] === 13 ? next + 1 : next
    found(bytes.subarray(data, next))
    if (bytes[after] !== 10) return { at }
    at = after + 1
  }
}

/** A chunked body without its chunks. @param {Uint8Array} bytes */
function unchunked(bytes) {
  /** @type {Uint8Array[]} */
  const parts = []
  chunksIn(bytes, 0, part => parts.push(part))
  return concatenate(parts)
}

/** @param {Uint8Array} bytes @param {number} start */
function trailersEnd(bytes, start) {
  for (let at = start; ; ) {
    const end = bytes.subarray(at, at + 8192).indexOf(10)
    if (end === -1) return bytes.length - at < 8192 ? { need: bytes.length + 1 } : {}
    if (end === 0 || (end === 1 && bytes[at] === 13)) return { end: at + end + 1 }
    at += end + 1
  }
}

/** `GET /path` or `200 OK`. @param {Head} head */
export function httpLabel({ line, method, status }) {
  const text = method ? line.replace(/ HTTP\/1\.\d$/, '') : line.replace(/^HTTP\/1\.\d /, '').trim()
  const label = visibleLine(visible(Uint8Array.from(text, each => each.charCodeAt(0))))
  return label.length > 80 ? `${label.slice(0, 80)}…` : label || String(status)
}

/**
 * The head, and the body without its chunks.
 * @param {Uint8Array} bytes the message, or what there is of it
 * @param {string} asked @param {number} most bytes of the body that are shown
 * @param {number} [width] bytes in a row of hex
 */
export function httpParts(bytes, asked, most, width) {
  const head = headAt(bytes, 0, asked)
  if (typeof head === 'string' || 'need' in head)
    return {
      label: undefined,
      isHex: false,
      head: visible(bytes.subarray(0, Math.max(most, 4096))),
      body: '',
      size: 0,
      more: 0,
    }
  const raw = bytes.subarray(head.headEnd)
  const body = head.body === 'chunked' ? unchunked(raw) : raw
  const shown = body.subarray(0, most)
  return {
    label: httpLabel(head),
    head: visible(bytes.subarray(0, head.headEnd)).trimEnd(),
    isHex: !isText(wholeCharacters(shown)),
    body: isText(wholeCharacters(shown)) ? visible(shown) : hexDump(shown, 0, width),
    size: body.length,
    more: body.length - shown.length,
  }
}
