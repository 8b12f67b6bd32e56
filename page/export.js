// @ts-check
/** What is shown, as text to copy or to save. */
import { clock, counted, duration } from './format.js'
import { labelOf } from './labels.js'
import { jsonLine, markText, noLimit, shown } from './views.js'

/** @typedef {import('./turns.js').Conversation} Conversation */
/** @typedef {import('./turns.js').Item} Item */
/** @typedef {import('./views.js').View} View */
/** @typedef {import('./messages.js').Protocol} Protocol */

/**
 * @param {Conversation} conversation
 * @param {readonly Item[]} items those that are shown
 * @param {View} view @param {Protocol} protocol
 */
export function exported(conversation, items, view, protocol) {
  return items.map(item => `${itemText(conversation, item, view, protocol)}\n`).join(view === 'json' ? '' : '\n')
}

/** @param {Conversation} conversation @param {Item} item @param {View} view @param {Protocol} protocol */
export function itemText(conversation, item, view, protocol) {
  if (item.kind === 'mark') return view === 'json' ? jsonMark(item.mark) : `-- ${markText(item.mark)}`
  const { blocks } = shown(conversation, item, view, protocol, noLimit)
  const texts = blocks.map(block => (block.kind === 'mark' ? `-- ${markText(block.mark)}` : block.text))
  if (view === 'json') return texts.join('\n')
  const missing = item.missing > 0 ? [`-- ${counted(item.missing, 'byte')} before are not kept`] : []
  return [...missing, heading(conversation, item, protocol), ...texts].join('\n')
}

/** @param {import('./types.js').MarkEntry} mark */
function jsonMark({ time, mark, text, way, offset }) {
  return jsonLine({ time: new Date(time).toISOString(), mark, text, way, offset })
}

/** @param {Conversation} conversation @param {import('./turns.js').Turn} turn @param {Protocol} protocol */
function heading(conversation, turn, protocol) {
  const arrow = turn.way === conversation.requestWay ? '>>' : '<<'
  const wait = turn.wait === undefined ? '' : `, after ${duration(turn.wait)}`
  const bytes = counted(turn.end - turn.start, 'byte')
  return `${arrow} ${clock(turn.time)} ${bytes}, ${labelOf(conversation, turn, protocol)}${wait}`
}
