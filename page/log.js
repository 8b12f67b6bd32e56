// @ts-check
/** The last lines of the log. */
import { visibleLine } from './bytes.js'
import { byId, h, onceAFrame, setText } from './dom.js'
import { clock, counted } from './format.js'

/** @typedef {import('./types.js').LogLine} LogLine */

const mostLines = 300

export function createLog() {
  const list = h('ol', { class: 'log' })
  const scroller = h('div', { class: 'log-scroll', role: 'region', 'aria-label': 'Log lines', tabindex: '0' }, list)
  byId('log-body').append(scroller)
  /** @type {Map<string, LogLine>} */
  const lines = new Map()
  /** @type {Map<string, HTMLElement>} */
  const elements = new Map()
  let dropped = 0
  const draw = onceAFrame(update)
  list.append(h('li', { class: 'empty' }, 'No line yet'))

  /** After a restart the numbers begin again: the time tells lines apart. @param {{ lines: LogLine[], dropped: number }} answer */
  function add(answer) {
    dropped = answer.dropped
    for (const line of answer.lines) lines.set(`${line.sequence} ${line.time}`, line)
    for (const key of lines.keys()) {
      if (lines.size <= mostLines) break
      lines.delete(key)
    }
    draw()
  }

  function update() {
    const isAtEnd = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 40
    if (elements.size === 0) list.replaceChildren()
    for (const [key, element] of elements) {
      if (lines.has(key)) continue
      element.remove()
      elements.delete(key)
    }
    for (const [key, line] of lines) {
      if (elements.has(key)) continue
      const element = lineElement(line)
      elements.set(key, element)
      list.append(element)
    }
    setText(byId('log-about'), dropped > 0 ? `${counted(dropped, 'line')} before are not kept` : '')
    if (isAtEnd) scroller.scrollTop = scroller.scrollHeight
  }

  return { add }
}

/** @param {LogLine} line */
function lineElement({ time, level, text }) {
  const name = /^\w{1,10}$/.test(level) ? level : 'info'
  return h(
    'li',
    { class: `line ${name}` },
    h('time', { datetime: new Date(time).toISOString() }, clock(time)),
    h('span', { class: 'level' }, name),
    h('span', { class: 'text' }, visibleLine(text)),
  )
}
