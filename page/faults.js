// @ts-check
/** A switch for each fault, with its options. */
import { visibleLine } from './bytes.js'
import { allow, button, directionsOf, newId, readOnlyHint, scopes, select } from './controls.js'
import { byId, h, keyed, setAttribute, setText } from './dom.js'
import { counted } from './format.js'

/** @typedef {import('./types.js').Fault} Fault */
/** @typedef {import('./types.js').FaultKind} FaultKind */
/** @typedef {import('./types.js').FaultOption} FaultOption */
/** @typedef {import('./main.js').Page} Page */

/** @param {Page} page */
export function createFaults(page) {
  const list = h('ul', { class: 'faults', 'aria-label': 'Faults' })
  const none = h('p', { class: 'empty' }, 'Loading')
  byId('faults-body').append(list, none)
  /** @type {FaultKind[] | undefined} */
  let available
  /** @type {FaultPart[]} */
  let faults = []

  async function load() {
    try {
      const answer = await page.api.get('/api/faults')
      offer(answer.available)
    } catch {
      setText(none, 'The faults could not be loaded.')
    }
  }

  /** @param {FaultKind[]} now */
  function offer(now) {
    if (JSON.stringify(now) === JSON.stringify(available)) return
    available = now
    faults = now.map(kind => new FaultPart(page, kind))
    list.replaceChildren(...faults.map(({ element }) => element))
    none.hidden = now.length > 0
    setText(none, `${page.stats?.about.name ?? 'This program'} has no faults to switch on.`)
    update()
  }

  function update() {
    for (const fault of faults) fault.update(page.stats?.faults ?? [])
  }

  return { load, update }
}

class FaultPart {
  #page
  #kind
  #fields
  #direction = select('Direction', [])
  #scope
  #error = h('p', { class: 'field-error', role: 'alert' })
  #another = h('button', { type: 'submit', hidden: true }, 'Switch on once more')
  #running
  #toggle
  #details
  #fill
  /** Those that are on. @type {Fault[]} */
  #on = []

  /** @param {Page} page @param {FaultKind} kind */
  constructor(page, kind) {
    this.#page = page
    this.#kind = kind
    this.#fields = kind.options.map(createField)
    this.#scope = select('Of', scopes(page))
    this.#running = h('ul', { class: 'entries', 'aria-label': `Running: ${kind.name}` })
    const name = h('span', { id: newId(), class: 'fault-name' }, visibleLine(kind.name))
    this.#toggle = button('', () => (this.#on.length > 0 ? this.#allOff() : this.#switchOn()), {
      class: 'switch',
      role: 'switch',
      'aria-checked': 'false',
      'aria-labelledby': name.id,
    })
    this.#details = h('details', { class: 'fault-options' }, h('summary', {}, visibleLine(kind.summary)), this.#form())
    this.element = h('li', { class: 'fault-entry' }, this.#toggle, name, this.#details, this.#running)
    this.#fill = keyed(this.#running, {
      key: (/** @type {Fault} */ { id }) => id,
      create: ({ id, spec }) => {
        const label = { 'aria-label': `Switch off: ${visibleLine(spec)}` }
        return h(
          'li',
          {},
          h('span'),
          button('Switch off', () => this.#off(id), label),
        )
      },
      change: (entry, fault) => setText(/** @type {Element} */ (entry.firstElementChild), runningText(fault)),
    })
  }

  #form() {
    const required = this.#fields.filter(({ option }) => option.required)
    const optional = this.#fields.filter(({ option }) => !option.required)
    const more = h('div', { class: 'fields' }, ...optional.map(({ element }) => element))
    const form = h(
      'form',
      { class: 'fields', 'aria-label': `Options of ${this.#kind.name}`, novalidate: true },
      ...required.map(({ element }) => element),
      this.#direction.element,
      this.#scope.element,
      this.#another,
      optional.length > 0 && h('details', {}, h('summary', {}, `More options (${optional.length})`), more),
      this.#error,
    )
    form.onsubmit = event => {
      event.preventDefault()
      if (this.#page.mayChange) this.#switchOn()
    }
    return form
  }

  async #switchOn() {
    setText(this.#error, '')
    const missing = this.#fields.find(({ option, input }) => option.required && input.value.trim() === '')
    if (missing) {
      this.#fail(`Give a value for ${missing.option.name}`)
      missing.input.focus()
      return
    }
    const { name } = this.#kind
    const filled = this.#fields.filter(({ input }) => input.value.trim() !== '')
    const options = Object.fromEntries(filled.map(({ option, input }) => [option.name, input.value]))
    const number = this.#scope.control.value
    const body = { name, direction: this.#direction.control.value, options }
    try {
      await this.#page.api.post('/api/faults', number ? { ...body, connection: Number(number) } : body)
      this.#page.notice(`${name} is on`)
      await this.#page.refresh()
    } catch (problem) {
      this.#fail(problem instanceof Error ? problem.message : String(problem))
    }
  }

  /** @param {string} message */
  #fail(message) {
    this.#details.open = true
    setText(this.#error, message)
  }

  async #allOff() {
    for (const { id } of this.#on) await this.#off(id)
  }

  /** @param {string} id */
  async #off(id) {
    const path = `/api/faults/${encodeURIComponent(id)}/remove`
    await this.#page.change(path, {}, `${this.#kind.name} is off`)
    await this.#page.refresh()
  }

  #show() {
    const isOn = this.#on.length > 0
    const { mayChange } = this.#page
    setAttribute(this.#toggle, 'aria-checked', String(isOn))
    this.element.classList.toggle('is-on', isOn)
    this.#another.hidden = !isOn
    this.#fill(this.#on)
    allow([this.#toggle, this.#another, ...this.#running.querySelectorAll('button')], mayChange)
    this.#toggle.title = mayChange ? '' : readOnlyHint
  }

  /** @param {readonly Fault[]} all */
  update(all) {
    this.#on = all.filter(fault => fault.name === this.#kind.name)
    this.#direction.offer(directionsOf(this.#page))
    this.#scope.offer(scopes(this.#page))
    this.#show()
  }
}

/** @param {Fault} fault */
function runningText({ spec, direction, connection, fired }) {
  const where = connection === null ? 'all connections' : `connection ${connection}`
  return [visibleLine(spec), direction, where, `fired ${counted(fired, 'time')}`].join(' · ')
}

/** @param {FaultOption} option */
function createField(option) {
  const hint = h('span', { class: 'hint', id: newId() }, visibleLine(hintOf(option)))
  const input = h('input', {
    id: newId(),
    spellcheck: false,
    autocomplete: 'off',
    'aria-describedby': hint.id,
    placeholder: option.default ?? undefined,
    'aria-required': option.required ? 'true' : undefined,
  })
  const label = h('label', { for: input.id }, option.required ? `${option.name} (required)` : option.name)
  return { option, input, element: h('div', { class: 'labelled' }, label, input, hint) }
}

/** @param {FaultOption} option */
function hintOf({ summary, allowed, default: preset }) {
  return [summary, allowed && `Allowed: ${allowed}`, preset && !summary.includes('default') && `Default: ${preset}`]
    .filter(Boolean)
    .join('. ')
}
