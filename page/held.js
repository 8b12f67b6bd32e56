// @ts-check
/** What is held now: seen wherever the page stands, edited, let go, dropped or reset. */
import { fromBase64, toBase64 } from './bytes.js'
import { allow, button } from './controls.js'
import { byId, h, keyed, setAttribute, setText } from './dom.js'
import { Editor } from './editor.js'
import { counted } from './format.js'

/** @typedef {import('./types.js').Held} Held */
/** @typedef {import('./main.js').Page} Page */

/** @param {Page} page */
export function createHeld(page) {
  return new HeldPart(page)
}

class HeldPart {
  #page
  #drawer = byId('held')
  #jump = byId('held-jump')
  #title = h('h2', { id: 'held-title' }, 'Held')
  #list = h('ul', { class: 'held-list', 'aria-label': 'Held directions' })
  #more = h('p', { class: 'note' })
  #editor = new Editor(() => this.update())
  #buttons = [
    button('Let go', () => this.#release(), { class: 'primary' }),
    button('Drop', () => this.#act('drop', 'What was held is dropped')),
    button('Reset', () => this.#act('reset', 'The connection is reset'), { class: 'danger' }),
  ]
  #fill
  /** @type {Held[]} */
  #held = []
  /** What the editor shows. @type {{ id: string, bytes: number } | undefined} */
  #loaded
  /** @type {string | undefined} */
  #chosen
  #isLoading = false

  /** @param {Page} page */
  constructor(page) {
    this.#page = page
    this.#drawer.append(
      h('div', { class: 'held-side' }, this.#title, this.#list),
      h(
        'div',
        { class: 'held-edit' },
        this.#editor.element,
        this.#more,
        h('div', { class: 'tools' }, ...this.#buttons),
      ),
    )
    this.#jump.onclick = () => {
      this.#drawer.focus()
      this.#editor.field.focus()
    }
    this.#fill = keyed(this.#list, {
      key: (/** @type {Held} */ { id }) => id,
      create: ({ id }) =>
        h(
          'li',
          {},
          button('', () => this.#choose(id)),
          h('span', { class: 'countdown' }),
        ),
      change: (entry, held) => this.#changeEntry(entry, held),
    })
    new ResizeObserver(() => this.#leaveRoom()).observe(this.#drawer)
    setInterval(() => this.#held.length > 0 && this.#fill(this.#held), 500)
  }

  /** What is scrolled to, or gets the focus, is not under the drawer. */
  #leaveRoom() {
    const { hidden, offsetHeight } = this.#drawer
    document.documentElement.style.scrollPaddingBottom = hidden ? '' : `${offsetHeight}px`
  }

  update() {
    this.#held = this.#page.stats?.held ?? []
    const { length } = this.#held
    const text = `${counted(length, 'direction')} held`
    this.#jump.hidden = length === 0
    setText(this.#jump, text)
    setText(this.#title, text)
    const hadFocus = this.#drawer.contains(document.activeElement)
    if (this.#drawer.hidden !== (length === 0)) {
      this.#drawer.hidden = length === 0
      if (length === 0 && hadFocus) byId(this.#page.selected ? 'conversation' : 'main').focus({ preventScroll: true })
    }
    if (!this.#held.some(({ id }) => id === this.#chosen)) this.#chosen = this.#held[0]?.id
    this.#fill(this.#held)
    const held = this.#held.find(({ id }) => id === this.#chosen)
    if (held) this.#show(held)
  }

  /** @param {string} id */
  #choose(id) {
    this.#chosen = id
    this.update()
  }

  /** @param {HTMLElement} entry @param {Held} held */
  #changeEntry(entry, { id, number, direction, until, bytes, ended }) {
    const [choose, countdown] = entry.children
    setText(choose, `Connection ${number}, ${direction}: ${counted(bytes, 'byte')}${ended ? ', then its end' : ''}`)
    setAttribute(choose, 'aria-pressed', String(id === this.#chosen))
    const left = Math.max(0, Math.ceil((until - Date.now() - this.#page.clockOffset) / 1000))
    setText(countdown, `goes on in ${left} s`)
    countdown.classList.toggle('soon', left <= 10)
  }

  /** @param {Held} held */
  #show(held) {
    const loaded = this.#loaded?.id === held.id ? this.#loaded : undefined
    const news = held.bytes - (loaded?.bytes ?? 0)
    if (!loaded || (news > 0 && !this.#editor.isEdited)) this.#load(held.id, !loaded)
    this.#more.hidden = !loaded || news <= 0
    setText(this.#more, `${counted(news, 'byte')} more have come. They follow unchanged.`)
    allow(this.#buttons, this.#page.mayChange && loaded !== undefined)
    if (loaded && !this.#editor.check()) this.#buttons[0].disabled = true
    this.#editor.allow(loaded !== undefined, this.#page.mayChange)
  }

  /** @param {string} id @param {boolean} isNew */
  async #load(id, isNew) {
    if (this.#isLoading) return
    this.#isLoading = true
    try {
      const held = /** @type {Held} */ (await this.#page.api.get(`/api/held/${encodeURIComponent(id)}`))
      if (id === this.#chosen && (isNew || !this.#editor.isEdited)) {
        this.#editor.load(fromBase64(held.data ?? ''), isNew)
        this.#loaded = { id, bytes: held.bytes }
      }
    } catch {
      // it has gone on by itself: the next event tells
      return
    } finally {
      this.#isLoading = false
    }
    this.update()
  }

  #release() {
    const { isEdited } = this.#editor
    if (!isEdited) return this.#act('release', 'What was held goes on')
    try {
      const data = toBase64(this.#editor.bytes())
      return this.#act('release', 'What you have edited goes on', { data, bytes: this.#loaded?.bytes })
    } catch (error) {
      return this.#page.fail(error)
    }
  }

  /** @param {'release' | 'drop' | 'reset'} action @param {string} done @param {object} [body] */
  async #act(action, done, body = {}) {
    const id = this.#loaded?.id
    if (id === undefined) return
    await this.#page.change(`/api/held/${encodeURIComponent(id)}/${action}`, body, done)
    await this.#page.refresh()
  }
}
