// @ts-check
/** A turn as text, hex, JSON lines or messages: what is shown, copied and saved. */
import { toBase64, utf8Text, visible, visibleLine, wholeCharacters } from './bytes.js'
import { clock, counted } from './format.js'
import { hexDump, rowBytes } from './hex-dump.js'
import { httpParts } from './http.js'
import { messagesOf } from './labels.js'
import * as resp from './resp-text.js'

/** @typedef {import('./turns.js').Turn} Turn */
/** @typedef {import('./turns.js').Conversation} Conversation */
/** @typedef {import('./messages.js').Message} Message */
/** @typedef {import('./messages.js').Protocol} Protocol */
/** @typedef {import('./types.js').MarkEntry} MarkEntry */
/** @typedef {'messages' | 'text' | 'hex' | 'json'} View */
/**
 * A piece of what is shown. `width` is the number of bytes in a row of hex.
 * @typedef {{ kind: 'text' | 'hex' | 'head' | 'label' | 'note', text: string, width?: number } | { kind: 'mark', mark: MarkEntry }} Block
 */
/** @typedef {{ bytes: number, lines: number, messages: number, width?: number }} Limit */
/** @typedef {{ blocks: Block[], more: number }} Shown `more`: bytes that are not shown, about */

/** @type {Limit} */
export const clippedLimit = { bytes: 4096, lines: 40, messages: 40 }
/** @type {Limit} */
export const noLimit = {
  bytes: Number.POSITIVE_INFINITY,
  lines: Number.POSITIVE_INFINITY,
  messages: Number.POSITIVE_INFINITY,
}

/**
 * @param {Conversation} conversation @param {Turn} turn @param {View} view @param {Protocol} protocol
 * @param {Limit} [limit]
 * @returns {Shown}
 */
export function shown(conversation, turn, view, protocol, limit = clippedLimit) {
  if (view === 'json') return inJson(turn, limit)
  if (view === 'hex' || (view === 'messages' && protocol === 'binary')) return inPieces(turn, limit, hexPiece)
  if (view === 'text' || protocol === 'lines') return inPieces(turn, limit, textPiece)
  return inMessages(turn, messagesOf(conversation, turn, protocol), turn.way === conversation.requestWay, limit)
}

/** @param {Uint8Array} bytes @param {Limit} limit @returns {{ block: Block, length: number }} */
function textPiece(bytes, limit) {
  const cut = cutLines(bytes.subarray(0, Math.min(bytes.length, limit.bytes)), limit.lines)
  const part = cut.length < bytes.length ? wholeCharacters(cut) : cut
  const text = visible(part)
  return { block: { kind: 'text', text: text.endsWith('\n') ? text.slice(0, -1) : text }, length: part.length }
}

/** @param {Uint8Array} bytes @param {number} lines */
function cutLines(bytes, lines) {
  if (lines === Number.POSITIVE_INFINITY) return bytes
  let at = 0
  for (let i = 0; i < lines; i++) {
    at = bytes.indexOf(10, at) + 1
    if (at === 0) return bytes
  }
  return bytes.subarray(0, at)
}

/** @param {Uint8Array} bytes @param {Limit} limit @param {number} at @returns {{ block: Block, length: number }} */
function hexPiece(bytes, limit, at) {
  const part = bytes.subarray(0, Math.min(limit.bytes, limit.lines * rowBytes))
  return {
    block: { kind: 'hex', text: hexDump(part, at, limit.width), width: limit.width ?? rowBytes },
    length: part.length,
  }
}

/**
 * The bytes between the marks, and the marks.
 * @param {Turn} turn @param {Limit} limit @param {typeof hexPiece} pieceOf
 * @returns {Shown}
 */
function inPieces(turn, limit, pieceOf) {
  /** @type {Block[]} */
  const blocks = []
  let { bytes, lines } = limit
  let at = turn.start
  let more = 0
  for (const { at: end, mark } of [...turn.marks, { at: turn.end, mark: undefined }]) {
    if (end > at && bytes > 0 && lines > 0) {
      const { block, length } = pieceOf(turn.stretch.bytes(at, end), { ...limit, bytes, lines }, at)
      blocks.push(block)
      bytes -= length
      if (block.kind !== 'mark') lines -= lineCount(block.text, limit.lines)
      more += end - at - length
    } else more += Math.max(0, end - at)
    at = Math.max(at, end)
    if (mark) blocks.push({ kind: 'mark', mark })
  }
  return { blocks, more }
}

/** @param {string} text @param {number} most */
function lineCount(text, most) {
  return most === Number.POSITIVE_INFINITY ? 0 : text.split('\n').length
}

/** @param {Turn} turn @param {Limit} limit @returns {Shown} */
function inJson(turn, limit) {
  const bytes = turn.stretch.bytes(turn.start, turn.end)
  const part = bytes.length > limit.bytes ? wholeCharacters(bytes.subarray(0, limit.bytes)) : bytes
  const text = utf8Text(part)
  const record = {
    time: new Date(turn.time).toISOString(),
    way: turn.way,
    offset: turn.start,
    bytes: bytes.length,
    ...(turn.wait !== undefined && { wait: Math.round(turn.wait * 1000) / 1000 }),
    ...(turn.marks.length > 0 && {
      marks: turn.marks.map(({ at, mark }) => ({ at, mark: mark.mark, text: mark.text })),
    }),
    ...(text === undefined ? { base64: toBase64(part) } : { text }),
  }
  return { blocks: [{ kind: 'text', text: jsonLine(record) }], more: bytes.length - part.length }
}

/** JSON in which nothing is invisible. @param {unknown} value */
export function jsonLine(value) {
  return JSON.stringify(value).replace(/[^\x20-\x7e]/g, each =>
    /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\p{Default_Ignorable_Code_Point}\ufff9-\ufffb]/u.test(each)
      ? `\\u${each.charCodeAt(0).toString(16).padStart(4, '0')}`
      : each,
  )
}

/**
 * @param {Turn} turn @param {readonly Message[]} messages @param {boolean} isRequest @param {Limit} limit
 * @returns {Shown}
 */
function inMessages(turn, messages, isRequest, limit) {
  /** @type {Block[]} */
  const blocks = []
  const marks = [...turn.marks]
  let more = 0
  for (const [i, message] of messages.entries()) {
    while (marks[0] && marks[0].at <= message.start)
      blocks.push({ kind: 'mark', mark: /** @type {any} */ (marks.shift()).mark })
    if (i >= limit.messages) {
      more = turn.end - message.start
      break
    }
    more += addMessage(blocks, turn, message, isRequest, limit)
  }
  for (const { mark } of marks) blocks.push({ kind: 'mark', mark })
  return { blocks, more }
}

/**
 * @param {Block[]} blocks @param {Turn} turn @param {Message} message @param {boolean} isRequest @param {Limit} limit
 * @returns {number} the bytes that are not shown
 */
function addMessage(blocks, turn, message, isRequest, limit) {
  if (message.start < turn.start) {
    const part = Math.min(message.end, turn.end) - turn.start
    blocks.push({ kind: 'note', text: `${counted(part, 'byte')} more of the message that began before` })
    return 0
  }
  const bytes = turn.stretch.bytes(message.start, message.end)
  if (message.kind === 'http') return addHttp(blocks, bytes, message, limit)
  if (message.kind === 'resp' && message.isWhole) {
    const limits = limit.bytes === Number.POSITIVE_INFINITY ? resp.whole : resp.short
    const text = (isRequest && resp.command(bytes, 0, limits)) || resp.value(bytes, 0, limits)
    blocks.push({ kind: 'text', text })
    return / more$|… \(\d+ bytes\)/m.test(text) ? bytes.length : 0
  }
  const { block, length } = textPiece(bytes, limit)
  if (!message.isWhole)
    blocks.push({ kind: 'note', text: `incomplete message: ${counted(bytes.length, 'byte')} so far` })
  blocks.push(block)
  return bytes.length - length
}

/** @param {Block[]} blocks @param {Uint8Array} bytes @param {Message} message @param {Limit} limit */
function addHttp(blocks, bytes, message, limit) {
  const { head, body, size, more, isHex } = httpParts(bytes, message.asked, limit.bytes, limit.width)
  blocks.push({ kind: 'head', text: head })
  const state = message.isWhole ? '' : ', so far'
  if (size > 0 || !message.isWhole) blocks.push({ kind: 'label', text: `body: ${counted(size, 'byte')}${state}` })
  if (size > 0)
    blocks.push(isHex ? { kind: 'hex', text: body, width: limit.width ?? rowBytes } : { kind: 'text', text: body })
  return more
}

/** What a mark says. @param {MarkEntry} mark */
export function markText({ mark, text = '', time }) {
  const words = {
    fault: 'fault fired',
    held: 'held',
    released: 'let go',
    edited: 'edited',
    dropped: 'dropped',
    reset: 'reset',
  }
  return visibleLine(`${clock(time)} ${/** @type {any} */ (words)[mark] ?? mark}${text ? `: ${text}` : ''}`)
}
