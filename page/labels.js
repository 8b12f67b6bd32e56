// @ts-check
/** What the turns of a conversation are: the protocol, the messages of a turn, and a few words that name it. */
import { counted, number } from './format.js'
import { httpParts } from './http.js'
import { protocolOf, Reader } from './messages.js'
import * as resp from './resp-text.js'

/** @typedef {import('./turns.js').Turn} Turn */
/** @typedef {import('./turns.js').Conversation} Conversation */
/** @typedef {import('./messages.js').Message} Message */
/** @typedef {import('./messages.js').Protocol} Protocol */

/** @param {Conversation} conversation @returns {Protocol | undefined} */
export function protocolIn(conversation) {
  const request = conversation.firstOf(conversation.requestWay)
  const reply = conversation.firstOf(conversation.requestWay === 'in' ? 'out' : 'in')
  const none = new Uint8Array()
  return protocolOf(request?.bytes() ?? none, reply?.bytes() ?? none, (request?.start ?? 0) > 0)
}

/**
 * The messages of a turn.
 * @param {Conversation} conversation @param {Turn} turn @param {Protocol} protocol
 * @returns {Message[]}
 */
export function messagesOf(conversation, turn, protocol) {
  const first = conversation.firstOf(conversation.requestWay)
  const requests = first && read(first, protocol)
  const answers = turn.way === conversation.requestWay || turn.stretch.start > 0 ? [] : (requests?.methods ?? [])
  return read(turn.stretch, protocol, answers).between(turn.start, turn.end)
}

/** @param {import('./turns.js').Stretch} stretch @param {Protocol} protocol @param {readonly string[]} [methods] */
function read(stretch, protocol, methods) {
  if (stretch.reader?.protocol !== protocol) stretch.reader = new Reader(protocol, stretch.start, methods)
  stretch.reader.read(stretch.bytes(), stretch.start)
  return stretch.reader
}

/**
 * What a turn is, in a few words: `RESP SET 3 args`, `HTTP GET /path`, `2 lines of text`.
 * @param {Conversation} conversation @param {Turn} turn @param {Protocol} protocol
 */
export function labelOf(conversation, turn, protocol) {
  const bytes = turn.stretch.bytes(turn.start, turn.end)
  if (protocol === 'binary') return isTls(bytes) ? 'TLS' : 'binary'
  const messages = messagesOf(conversation, turn, protocol)
  if (protocol === 'lines') return `text, ${counted(messages.length, 'line')}`
  const isRequest = turn.way === conversation.requestWay
  let first
  for (const message of messages) if (message.start >= turn.start) first ??= labelOfMessage(turn, message, isRequest)
  if (!first)
    return messages.some(({ kind, start }) => kind !== 'raw' && start < turn.start)
      ? `${protocol.toUpperCase()} continued`
      : 'other bytes'
  const others = messages.length > 1 ? ` and ${number(messages.length - 1)} more` : ''
  return `${protocol.toUpperCase()} ${first}${others}`
}

/** @param {Uint8Array} bytes */
function isTls(bytes) {
  return bytes.length > 5 && bytes[0] >= 20 && bytes[0] <= 23 && bytes[1] === 3 && bytes[2] <= 4
}

/** @param {Turn} turn @param {Message} message @param {boolean} isRequest @returns {string | undefined} */
function labelOfMessage(turn, { start, end, kind, isWhole, asked }, isRequest) {
  if (kind === 'raw') return undefined
  const bytes = turn.stretch.bytes(start, end)
  if (kind === 'http') return httpParts(bytes, asked, 0).label
  if (!isWhole) return 'incomplete'
  return (isRequest && resp.commandLabel(bytes, 0)) || resp.valueLabel(bytes, 0)
}
