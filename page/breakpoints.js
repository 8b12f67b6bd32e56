// @ts-check
/** Adds, lists and removes breakpoints. What they hold is in held.js. */
import { fromHex, visibleLine } from './bytes.js'
import { allow, button, checkbox, directionsOf, newId, scopes, segmented, select } from './controls.js'
import { byId, h, keyed, setText } from './dom.js'
import { counted, duration } from './format.js'

/** @typedef {import('./types.js').Breakpoint} Breakpoint */
/** @typedef {import('./main.js').Page} Page */

/** @param {Page} page */
export function createBreakpoints(page) {
  const form = createForm(page)
  const list = h('ul', { class: 'entries', 'aria-label': 'Breakpoints that are set' })
  const none = h('p', { class: 'empty' }, 'No breakpoint is set.')
  const missing = h('p', { class: 'empty', hidden: true })
  byId('breakpoints-body').append(form.element, list, none, missing)
  const fill = keyed(list, {
    key: (/** @type {Breakpoint} */ { id }) => id,
    create: breakpoint => createEntry(page, breakpoint),
    change: (entry, breakpoint) => {
      setText(/** @type {Element} */ (entry.firstElementChild), textOf(breakpoint))
      allow(entry.querySelectorAll('button'), page.mayChange)
    },
  })

  function update() {
    const { stats } = page
    if (!stats) return
    const isThere = directionsOf(page).length > 0
    form.element.hidden = !isThere
    missing.hidden = isThere
    setText(missing, `${stats.about.name} has no direction that a breakpoint could hold.`)
    const breakpoints = stats.breakpoints ?? []
    fill(breakpoints)
    none.hidden = !isThere || breakpoints.length > 0
    form.update()
  }

  return { update }
}

/** @param {Breakpoint} breakpoint */
function textOf({ direction, on, hex, turn, connection, once, time, hits }) {
  const what = turn ? 'any turn' : hex ? `hex ${hex.slice(0, 60)}` : `text “${visibleLine(on ?? '').slice(0, 60)}”`
  const where = connection === null ? 'all connections' : `connection ${connection}`
  const parts = [
    direction,
    what,
    where,
    once && 'once',
    `goes on after ${duration(time)}`,
    `hit ${counted(hits, 'time')}`,
  ]
  return parts.filter(Boolean).join(' · ')
}

/** @param {Page} page @param {Breakpoint} breakpoint */
function createEntry(page, breakpoint) {
  const remove = async () => {
    await page.change(`/api/breakpoints/${encodeURIComponent(breakpoint.id)}/remove`, {}, 'The breakpoint is removed')
    await page.refresh()
  }
  return h('li', {}, h('span'), button('Remove', remove, { 'aria-label': `Remove: ${textOf(breakpoint)}` }))
}

/** @param {Page} page */
function createForm(page) {
  const error = h('p', { class: 'field-error', id: newId(), role: 'alert' })
  const id = newId()
  const value = h('input', { id, spellcheck: false, autocomplete: 'off', 'aria-describedby': error.id, class: 'mono' })
  const valueLabel = h('label', { for: id }, 'Text')
  const direction = select('Direction', directionsOf(page))
  const scope = select('Of', scopes(page))
  const kind = segmented(
    'Hold at',
    [
      ['on', 'Text'],
      ['hex', 'Hex'],
      ['turn', 'Any turn'],
    ],
    'on',
    chosen => {
      setText(valueLabel, chosen === 'hex' ? 'Hex' : 'Text')
      value.disabled = chosen === 'turn'
      value.placeholder =
        chosen === 'hex' ? '0d 0a' : chosen === 'turn' ? 'the first bytes after the other side spoke' : 'SET'
    },
  )
  value.placeholder = 'SET'
  const time = h('input', { id: newId(), type: 'number', min: '0.1', max: '3600', step: 'any', value: '60' })
  const once = checkbox('Once')
  const add = h('button', { type: 'submit', class: 'primary' }, 'Add breakpoint')
  const element = h(
    'form',
    { class: 'fields', 'aria-label': 'New breakpoint', novalidate: true },
    direction.element,
    h('div', { class: 'labelled' }, h('span', { 'aria-hidden': 'true' }, 'Hold at'), kind.element),
    h('div', { class: 'labelled wide' }, valueLabel, value),
    scope.element,
    h('div', { class: 'labelled' }, h('label', { for: time.id }, 'Goes on after (s)'), time),
    once.element,
    add,
    error,
  )

  element.onsubmit = async event => {
    event.preventDefault()
    setText(error, '')
    try {
      const body = bodyOf({ kind: kind.value, value: value.value, direction, scope, time, once: once.control.checked })
      await page.api.post('/api/breakpoints', body)
      page.notice('The breakpoint is set')
    } catch (problem) {
      setText(error, problem instanceof Error ? problem.message : String(problem))
    }
    await page.refresh()
  }

  function update() {
    direction.offer(directionsOf(page))
    scope.offer(scopes(page))
    allow([add], page.mayChange)
  }

  return { element, update }
}

/**
 * @param {{ kind: 'on' | 'hex' | 'turn', value: string, direction: { control: HTMLSelectElement },
 *   scope: { control: HTMLSelectElement }, time: HTMLInputElement, once: boolean }} form
 */
function bodyOf({ kind, value, direction, scope, time, once }) {
  if (kind !== 'turn' && value === '') throw new SyntaxError('Say what to hold at')
  if (kind === 'hex') fromHex(value)
  const seconds = Number(time.value)
  if (!(seconds >= 0.1 && seconds <= 3600)) throw new SyntaxError('The time must be 0.1 to 3600 seconds')
  const number = scope.control.value
  return {
    direction: direction.control.value,
    ...(kind === 'on' && { on: value }),
    ...(kind === 'hex' && { hex: value.replace(/[\s:,]/g, '') }),
    ...(kind === 'turn' && { turn: true }),
    ...(number && { connection: Number(number) }),
    once,
    time: Math.round(seconds * 1000),
  }
}
