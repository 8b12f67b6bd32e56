// @ts-check
/** Controls that several parts use. */
import { h } from './dom.js'

let ids = 0

/** An id that no other element has. */
export function newId() {
  return `c${++ids}`
}

/**
 * Radio buttons that look like one bar.
 * @template {string} Value
 * @param {string} label @param {readonly (readonly [Value, string])[]} choices @param {Value} chosen
 * @param {(value: Value) => void} changed
 */
export function segmented(label, choices, chosen, changed) {
  const name = newId()
  /** @type {Map<string, { input: HTMLInputElement, text: HTMLElement }>} */
  const parts = new Map()
  const labels = choices.map(([value, caption]) => {
    const input = h('input', { type: 'radio', name, value, checked: value === chosen, onchange: () => changed(value) })
    const text = h('span', {}, caption)
    parts.set(value, { input, text })
    return h('label', {}, input, text)
  })
  const element = h('div', { class: 'segmented', role: 'radiogroup', 'aria-label': label }, ...labels)
  return {
    element,
    part: (/** @type {Value} */ value) =>
      /** @type {{ input: HTMLInputElement, text: HTMLElement }} */ (parts.get(value)),
    get value() {
      return /** @type {Value} */ ([...parts.values()].find(({ input }) => input.checked)?.input.value ?? chosen)
    },
    set value(value) {
      for (const { input } of parts.values()) input.checked = input.value === value
    },
    /** @param {boolean} isDisabled */
    set disabled(isDisabled) {
      for (const { input } of parts.values()) input.disabled = isDisabled
    },
  }
}

/**
 * A select. Its options can change while the choice stays.
 * @param {string} label @param {readonly (readonly [string, string])[]} choices @param {(value: string) => void} [changed]
 */
export function select(label, choices, changed) {
  const control = h('select', { onchange: () => changed?.(control.value) })
  const element = h('label', { class: 'labelled' }, h('span', {}, label), control)
  /** @param {readonly (readonly [string, string])[]} now */
  function offer(now) {
    const signature = JSON.stringify(now)
    if (control.dataset.choices === signature) return
    const { value } = control
    control.dataset.choices = signature
    control.replaceChildren(...now.map(([each, caption]) => h('option', { value: each }, caption)))
    if (now.some(([each]) => each === value)) control.value = value
  }
  offer(choices)
  return { element, control, offer }
}

/** @param {string} label @param {(isChecked: boolean) => void} [changed] */
export function checkbox(label, changed, isChecked = false) {
  const control = h('input', { type: 'checkbox', checked: isChecked, onchange: () => changed?.(control.checked) })
  return { element: h('label', { class: 'check' }, control, h('span', {}, label)), control }
}

/** @param {string} text @param {() => void} onclick @param {Record<string, unknown>} [properties] */
export function button(text, onclick, properties = {}) {
  return h('button', { type: 'button', onclick, ...properties }, text)
}

/** Why what changes something cannot be used. */
export const readOnlyHint = 'Read only: enter the token to change something'

/**
 * Switches buttons by whether the page may change something, and says why not.
 * @param {Iterable<HTMLButtonElement>} buttons @param {boolean} mayChange
 */
export function allow(buttons, mayChange) {
  for (const each of buttons) {
    each.disabled = !mayChange
    each.title = mayChange ? '' : readOnlyHint
  }
}

/** For all connections, or for the selected one. @param {import('./main.js').Page} page @returns {[string, string][]} */
export function scopes(page) {
  const { selected } = page
  const all = /** @type {[string, string]} */ (['', 'all connections'])
  return selected?.state === 'open' ? [all, [String(selected.number), `connection ${selected.number} only`]] : [all]
}

/** @type {Record<string, Record<string, string>>} */
const directions = {
  proxy: { forward: 'forward, to the target', reply: 'reply, to the client' },
  serve: { forward: 'forward, from the client', reply: 'reply, to the client' },
  send: { forward: 'forward, to the server', reply: 'reply, from the server' },
}

/** The directions that stages can stand in. @param {import('./main.js').Page} page @returns {[string, string][]} */
export function directionsOf({ stats }) {
  const names = directions[stats?.about.name ?? ''] ?? directions.serve
  const offered = ['forward', 'reply'].filter(each => stats?.segments?.[/** @type {'forward'} */ (each)])
  return offered.map(each => [each, names[each]])
}
