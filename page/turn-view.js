// @ts-check
/** The rows of a conversation: a request and its reply side by side, or a mark. */
import { button } from './controls.js'
import { h, keyed } from './dom.js'
import { clock, counted, duration, size } from './format.js'
import { labelOf } from './labels.js'
import { markText, shown } from './views.js'

/** @typedef {import('./turns.js').Turn} Turn */
/** @typedef {import('./turns.js').Exchange} Exchange */
/** @typedef {import('./messages.js').Protocol} Protocol */
/**
 * @typedef {{ turns: import('./shown-turns.js').ShownTurns, protocol: Protocol, current: number | undefined }} Look
 * @typedef {{ mark: (turn: Turn) => void, hide: (turn: Turn) => void, copy: (turn: Turn) => void, more: (turn: Turn) => void }} Actions
 */

/**
 * @param {HTMLElement} list @param {Actions} actions
 * @returns {(rows: readonly Exchange[], look: Look) => void}
 */
export function createRows(list, actions) {
  /** @type {Look} */
  let look
  /** @type {WeakMap<HTMLElement, string>} */
  const drawn = new WeakMap()
  const fill = keyed(list, {
    key: (/** @type {Exchange} */ { id }) => String(id),
    create: () => h('li', { class: 'exchange' }),
    change: (row, exchange) => {
      const now = signature(exchange, look)
      if (drawn.get(row) === now) return
      drawn.set(row, now)
      draw(row, exchange, look, actions)
    },
  })
  return (rows, now) => {
    look = now
    fill(rows)
  }
}

/** @param {Exchange} exchange @param {Look} look */
function signature({ request, reply, mark }, { turns, protocol, current }) {
  if (mark) return 'mark'
  const parts = [request, reply].map(turn =>
    turn ? [turn.id, turn.start, turn.end, turn.marks.length, turns.stateOf(turn.id), turn.id === current].join() : '',
  )
  return [turns.view, turns.width, protocol, ...parts].join('/')
}

/** @param {HTMLElement} row @param {Exchange} exchange @param {Look} look @param {Actions} actions */
function draw(row, { request, reply, mark }, look, actions) {
  if (mark) {
    row.replaceChildren(markLine(mark))
    return
  }
  const focused = row.contains(document.activeElement) ? document.activeElement : null
  const name = focused?.getAttribute('data-action')
  row.replaceChildren(
    ...[request, reply].map(turn => (turn ? turnElement(turn, look, actions) : h('div', { class: 'no-turn' }))),
  )
  row.classList.toggle('is-single', !request || !reply)
  if (name)
    /** @type {HTMLElement | null} */ (row.querySelector(`[data-action="${name}"]`))?.focus({ preventScroll: true })
}

/** @param {import('./types.js').MarkEntry} mark */
function markLine(mark) {
  return h('p', { class: `mark ${mark.mark}` }, markText(mark))
}

/** @param {Turn} turn @param {Look} look @param {Actions} actions */
function turnElement(turn, { turns, protocol, current }, actions) {
  const { conversation } = turns
  const isRequest = turn.way === conversation.requestWay
  const isMarked = turns.marked.has(turn.id)
  const { blocks, more } = shown(conversation, turn, turns.view, protocol, turns.limitOf(turn.id))
  const label = labelOf(conversation, turn, protocol)
  const element = h('article', {
    class: `turn ${isRequest ? 'request' : 'reply'}`,
    'aria-label': `${isRequest ? 'Request' : 'Reply'}: ${label}`,
  })
  element.classList.toggle('is-marked', isMarked)
  element.classList.toggle('is-current', turn.id === current)
  element.dataset.turn = String(turn.id)
  if (turn.missing > 0)
    element.append(h('p', { class: 'gap' }, `${counted(turn.missing, 'byte')} before this are not kept any more`))
  element.append(headOf(turn, label, isRequest, isMarked, actions))
  for (const block of blocks) element.append(blockElement(block))
  if (more > 0) element.append(moreButton(turn, more, actions))
  return element
}

/** @param {Turn} turn @param {string} label @param {boolean} isRequest @param {boolean} isMarked @param {Actions} actions */
function headOf(turn, label, isRequest, isMarked, actions) {
  const wait = turn.wait === undefined ? '' : `after ${duration(turn.wait)}`
  const name = `${turn.id}`
  const tool = (/** @type {string} */ text, /** @type {() => void} */ run, /** @type {object} */ properties = {}) =>
    button(text, run, {
      class: 'tool',
      'data-action': `${text}${name}`,
      'aria-label': `${text}: ${label}`,
      ...properties,
    })
  return h(
    'header',
    {},
    h('span', { class: 'way', title: isRequest ? 'Request' : 'Reply' }, isRequest ? '→' : '←'),
    h('span', { class: 'label', title: label }, label),
    wait !== '' && h('span', { class: 'wait' }, wait),
    h('span', { class: 'meta' }, size(turn.end - turn.start)),
    h('time', { class: 'meta', datetime: new Date(turn.time).toISOString() }, clock(turn.time)),
    h(
      'span',
      { class: 'turn-tools' },
      tool('Mark', () => actions.mark(turn), { 'aria-pressed': String(isMarked) }),
      tool('Hide', () => actions.hide(turn)),
      tool('Copy', () => actions.copy(turn)),
    ),
  )
}

/** @param {import('./views.js').Block} block */
function blockElement(block) {
  if (block.kind === 'mark') return markLine(block.mark)
  if (block.kind === 'label' || block.kind === 'note') return h('p', { class: block.kind }, block.text)
  const element = h(
    'pre',
    { class: `bytes ${block.kind === 'head' ? 'message-head' : block.kind}`, dir: 'ltr' },
    block.text || ' ',
  )
  if (block.width !== undefined) element.dataset.width = String(block.width)
  return element
}

/** @param {Turn} turn @param {number} more @param {Actions} actions */
function moreButton(turn, more, actions) {
  const text = more > 1024 ** 2 ? `Show 1 MiB more of ${size(more)}` : 'Show all'
  return button(text, () => actions.more(turn), { class: 'more', 'data-action': `More${turn.id}` })
}
