// @ts-check
/** Finds the messages in the bytes of one way, as they come. How the bytes were cut does not matter. */
import { isText, wholeCharacters } from './bytes.js'
import { httpExtent, looksLikeHttp } from './http.js'
import { respExtent } from './resp.js'

/** @typedef {'resp' | 'http' | 'lines' | 'binary'} Protocol */
/**
 * Places are numbers of bytes from the start of the way. `raw` is what the protocol does not explain.
 * @typedef {{ start: number, end: number, kind: 'resp' | 'http' | 'line' | 'raw', isWhole: boolean, asked: string }} Message
 */

/** The bytes that decide on the protocol. */
const sampleBytes = 1024
/** The longest line, and the longest piece that no protocol explains. */
const longestPiece = 65_536

/**
 * @param {Uint8Array} request the first bytes of the requests
 * @param {Uint8Array} reply those of the replies
 * @param {boolean} isCut whether what came before them is missing
 * @returns {Protocol | undefined} undefined if there are none
 */
export function protocolOf(request, reply, isCut = false) {
  const [asked, answered] = [request, reply].map(bytes => bytes.subarray(0, sampleBytes))
  if (asked.length + answered.length === 0) return undefined
  const text = latin1(asked)
  const answer = latin1(answered)
  if (looksLikeHttp(text) || looksLikeHttp(answer)) return 'http'
  if (/^\*[1-9]\d{0,6}\r\n\$\d/.test(text)) return 'resp'
  if (isCut && /(^|\n)\*[1-9]\d{0,6}\r\n\$\d+\r\n/.test(text)) return 'resp'
  if (text === '' && /^[$*%~>]\d{1,10}\r\n/.test(answer)) return 'resp'
  return [asked, answered].every(bytes => isText(wholeCharacters(bytes))) ? 'lines' : 'binary'
}

/** @param {Uint8Array} bytes */
function latin1(bytes) {
  return String.fromCharCode(...bytes)
}

export class Reader {
  /** @type {Message[]} */
  messages = []
  /** What has come of the next message. @type {Message | undefined} */
  tail
  /** The methods of the requests, in order. @type {string[]} */
  methods = []
  #at
  #needed = 0
  #answers = 0
  #end = 0
  /** Where to go on in the unfinished message; places from the start of the way. @type {import('./resp.js').Resume | undefined} */
  #resume

  /**
   * @param {Protocol} protocol
   * @param {number} start the place of the first byte
   * @param {readonly string[]} [methods] of the requests that are answered here
   */
  constructor(protocol, start, methods = []) {
    this.protocol = protocol
    this.asked = methods
    this.#at = start
  }

  /**
   * Reads on. The same bytes may come again: those before the place where it stands are not looked at.
   * @param {Uint8Array} bytes all that are there
   * @param {number} start the place of the first one
   */
  read(bytes, start) {
    const end = start + bytes.length
    if (end === this.#end) return
    this.#end = end
    if (this.#at < start) this.#skipTo(start)
    if (end < this.#needed) {
      if (this.tail) this.tail.end = end
      return
    }
    this.tail = undefined
    while (this.#at < end) {
      const message = this.#next(bytes, this.#at - start, start)
      if (!message.isWhole) {
        this.tail = message
        return
      }
      this.messages.push(message)
      this.#at = message.end
    }
  }

  /** Forgets the messages that end before a place. @param {number} place */
  forget(place) {
    const kept = this.messages.findIndex(({ end }) => end > place)
    this.messages.splice(0, kept === -1 ? this.messages.length : kept)
  }

  /** Those that have bytes in a part of the way. @param {number} start @param {number} end */
  between(start, end) {
    let low = 0
    for (let high = this.messages.length; low < high; ) {
      const middle = (low + high) >> 1
      if (this.messages[middle].end <= start) low = middle + 1
      else high = middle
    }
    /** @type {Message[]} */
    const found = []
    for (let i = low; i < this.messages.length && this.messages[i].start < end; i++) found.push(this.messages[i])
    if (this.tail && this.tail.start < end && this.tail.end > start) found.push(this.tail)
    return found
  }

  /** What comes before a place is gone. @param {number} place */
  #skipTo(place) {
    this.#at = place
    this.#resume = undefined
    this.#needed = 0
    this.tail = undefined
  }

  /** @param {Uint8Array} bytes @param {number} at @param {number} start */
  #next(bytes, at, start) {
    const resume = this.#resume && { ...this.#resume, at: this.#resume.at - start }
    this.#resume = undefined
    this.#needed = 0
    if (this.protocol === 'resp') {
      const extent = respExtent(bytes, at, resume)
      if (!('bad' in extent)) return this.#message('resp', bytes, at, start, extent)
      if (extent.bad > at) return this.#message('raw', bytes, at, start, { end: extent.bad })
    } else if (this.protocol === 'http') {
      const asked = this.asked[this.#answers] ?? ''
      const extent = httpExtent(bytes, at, asked, resume)
      if ('end' in extent) this.#note(extent.head)
      if (!('bad' in extent)) return this.#message('http', bytes, at, start, extent, asked)
    }
    return this.#message(this.protocol === 'lines' ? 'line' : 'raw', bytes, at, start, piece(bytes, at))
  }

  /** @param {import('./http.js').Head | undefined} head */
  #note(head) {
    if (!head) return
    if (head.method) this.methods.push(head.method)
    else if (head.status >= 200) this.#answers++
  }

  /**
   * @param {Message['kind']} kind @param {Uint8Array} bytes @param {number} at @param {number} start
   * @param {import('./resp.js').Extent} extent @param {string} asked
   * @returns {Message}
   */
  #message(kind, bytes, at, start, extent, asked = '') {
    const isWhole = 'end' in extent
    if ('need' in extent) {
      this.#needed = start + extent.need
      this.#resume = extent.resume && { ...extent.resume, at: start + extent.resume.at }
    }
    return { start: start + at, end: start + (isWhole ? extent.end : bytes.length), kind, isWhole, asked }
  }
}

/** @param {Uint8Array} bytes @param {number} at @returns {import('./resp.js').Extent} */
function piece(bytes, at) {
  const length = bytes.subarray(at, at + longestPiece).indexOf(10) + 1
  if (length > 0) return { end: at + length }
  return bytes.length - at >= longestPiece ? { end: at + longestPiece } : { need: bytes.length + 1 }
}
