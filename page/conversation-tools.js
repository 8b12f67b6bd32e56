// @ts-check
/** The controls above a conversation. */
import { button, checkbox, newId, segmented, select } from './controls.js'
import { h, setText } from './dom.js'
import { counted, number } from './format.js'
import { mostMatches } from './search.js'

/**
 * @typedef {{ changed: () => void, searched: (text: string) => void, step: (by: number) => void, copyAll: () => void,
 *   saveAll: () => void, saveRaw: (way: 'in' | 'out') => void }} Actions
 */

/** @param {Actions} actions */
export function createTools(actions) {
  const view = segmented(
    'View',
    [
      ['messages', 'Messages'],
      ['text', 'Text'],
      ['hex', 'Hex'],
      ['json', 'JSON lines'],
    ],
    'messages',
    actions.changed,
  )
  const protocol = select(
    'as',
    [
      ['', 'auto'],
      ['resp', 'Redis (RESP)'],
      ['http', 'HTTP/1'],
      ['lines', 'lines'],
      ['binary', 'bytes'],
    ],
    actions.changed,
  )
  protocol.control.setAttribute('aria-label', 'Read messages as')
  const follow = checkbox('Follow', actions.changed, true)
  const onlyMarked = checkbox('Only marked', actions.changed)
  const unhide = button('Unhide all', () => {})
  const search = createSearch(actions)
  const raw = (/** @type {'in' | 'out'} */ way) =>
    button(`Raw ${way}`, () => actions.saveRaw(way), { title: `Save the kept bytes of this way` })
  const element = h(
    'div',
    { class: 'conversation-tools' },
    h('div', { class: 'tools' }, view.element, protocol.element, follow.element, onlyMarked.element, unhide),
    h(
      'div',
      { class: 'tools' },
      ...search.elements,
      button('Copy', actions.copyAll, { 'aria-label': 'Copy what is shown' }),
      button('Save', actions.saveAll, { 'aria-label': 'Save what is shown' }),
      raw('in'),
      raw('out'),
    ),
  )
  return { element, view, protocol, follow: follow.control, onlyMarked: onlyMarked.control, unhide, search }
}

/** @param {Actions} actions */
function createSearch({ searched, step }) {
  const id = newId()
  const result = h('span', { class: 'range', role: 'status' })
  const error = h('span', { class: 'field-error', id: newId() })
  const field = h('input', {
    id,
    type: 'search',
    placeholder: 'Text, or hex:0d0a',
    spellcheck: false,
    'aria-describedby': error.id,
    oninput: () => searched(field.value),
    onkeydown: (/** @type {KeyboardEvent} */ event) => {
      if (event.key !== 'Enter') return
      event.preventDefault()
      step(event.shiftKey ? -1 : 1)
    },
  })
  const previous = button('Previous', () => step(-1), { 'aria-label': 'Previous match', disabled: true })
  const next = button('Next', () => step(1), { 'aria-label': 'Next match', disabled: true })
  const label = h('div', { class: 'labelled' }, h('label', { for: id }, 'Search'), field)

  /** @param {number | undefined} count @param {number} index @param {string} problem */
  function show(count, index, problem = '') {
    setText(error, problem)
    field.setAttribute('aria-invalid', String(problem !== ''))
    previous.disabled = !count
    next.disabled = !count
    if (count === undefined) setText(result, '')
    else if (count === 0) setText(result, 'no match')
    else {
      const all = count >= mostMatches ? `${number(count)} or more` : counted(count, 'match', 'matches')
      setText(result, index < 0 ? all : `${number(index + 1)} of ${all}`)
    }
  }

  return { elements: [label, previous, next, result, error], field, show }
}
