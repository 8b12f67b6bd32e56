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
 * @returns {Head | { need: number } | 'bad'}
 */
export function headAt(bytes, start, asked = '') {
  const text = latin1(bytes, start, Math.min(bytes.length, start + longestHead))
  const end = /\r?\n\r?\n/.exec(text)
  const line = /^([^\r\n]*)\r?\n/.exec(text)?.[1]
  if (line !== undefined && !requestLine.test(line) && !statusLine.test(line)) return 'bad'
  if (!end) return text.length >= longestHead ? 'bad' : { need: bytes.length + 1 }
  const [, method = ''] = requestLine.exec(line ?? '') ?? []
  const status = Number(statusLine.exec(line ?? '')?.[1] ?? 0)
  const headEnd = start + end.index + end[0].length
  return { line: line ?? '', method, status, headEnd, ...bodyOf(text.slice(0, end.index + 1), status, asked) }
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
 * @param {Uint8Array} bytes @param {number} start @param {string} asked
 * @returns {(Extent & { head?: Head }) | 'bad'}
 */
export function httpExtent(bytes, start, asked = '') {
  const head = headAt(bytes, start, asked)
  if (head === 'bad' || 'need' in head) return head
  if (head.body === 'rest') return { need: Number.POSITIVE_INFINITY, head }
  if (head.body === 'chunked') {
    const { end, need } = chunksIn(bytes, head.headEnd)
    if (end !== undefined) return { end, head }
    return { need: need ?? Number.POSITIVE_INFINITY, head } // a malformed body has no end
  }
  const end = head.headEnd + head.length
  return end > bytes.length ? { need: end, head } : { end, head }
}

/**
 * The parts of a chunked body, and its end; without an end and a need it is malformed.
 * @param {Uint8Array} bytes @param {number} start
 * @returns {{ parts: Uint8Array[], end?: number, need?: number }}
 */
export function chunksIn(bytes, start) {
  /** @type {Uint8Array[]} */
  const parts = []
  for (let at = start; ; ) {
    const line = bytes.subarray(at, at + 256)
    const end = line.indexOf(10)
    if (end === -1) return line.length < 256 ? { parts, need: bytes.length + 1 } : { parts }
    const digits = /^([0-9a-f]{1,12})[ \t]*(;.*)?\r?$/i.exec(latin1(line, 0, end))?.[1]
    if (digits === undefined) return { parts }
    const size = Number.parseInt(digits, 16)
    at += end + 1
    if (size === 0) return { parts, ...trailersEnd(bytes, at) }
    parts.push(bytes.subarray(at, at + size))
    at += size
    if (at + 2 > bytes.length) return { parts, need: at + 2 }
    if (bytes[at] === 13) at++
    if (bytes[at] !== 10) return { parts }
    at++
  }
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
  const label = visibleLine(text)
  return label.length > 80 ? `${label.slice(0, 80)}…` : label || String(status)
}

/**
 * The head, and the body without its chunks.
 * @param {Uint8Array} bytes the message, or what there is of it
 * @param {string} asked @param {number} most bytes of the body that are shown
 */
export function httpParts(bytes, asked, most) {
  const head = headAt(bytes, 0, asked)
  if (head === 'bad' || 'need' in head) return { label: undefined, head: visible(bytes), body: '', size: 0, more: 0 }
  const raw = bytes.subarray(head.headEnd)
  const body = head.body === 'chunked' ? concatenate(chunksIn(raw, 0).parts) : raw
  const shown = body.subarray(0, most)
  return {
    label: httpLabel(head),
    head: visible(bytes.subarray(0, head.headEnd)).trimEnd(),
    body: isText(wholeCharacters(shown)) ? visible(shown) : hexDump(shown, 0),
    size: body.length,
    more: body.length - shown.length,
  }
}
