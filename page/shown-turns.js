// @ts-check
/** Which turns are shown, and how: what has been hidden or marked, and how much of each. Knows no elements. */
import { exchangesOf } from './turns.js'
import { clippedLimit, noLimit } from './views.js'

/** @typedef {import('./turns.js').Conversation} Conversation */
/** @typedef {import('./turns.js').Exchange} Exchange */
/** @typedef {import('./turns.js').Item} Item */

/** Bytes that one more click shows. */
const step = 1024 ** 2
/** Rows that are shown at once, and that one more click shows. */
const windowRows = 200

export class ShownTurns {
  /** @type {import('./views.js').View} */
  view = 'messages'
  /** What the user says it is. @type {import('./messages.js').Protocol | ''} */
  protocol = ''
  onlyMarked = false
  /** Bytes in a row of hex. */
  width = 16
  follow = true
  /** @type {Set<number>} */
  hidden = new Set()
  /** @type {Set<number>} */
  marked = new Set()
  /** Bytes that are shown of a turn, if not the usual ones. @type {Map<number, number>} */
  #more = new Map()
  /** The first row, unless the last ones are followed. @type {number | undefined} */
  #first
  #rows = windowRows

  /** @param {Conversation} conversation */
  constructor(conversation) {
    this.conversation = conversation
  }

  /** @param {Item} item */
  isShown({ id }) {
    if (this.hidden.has(id)) return false
    return !this.onlyMarked || this.marked.has(id)
  }

  /** Everything that is shown, whether in the window or not: what is exported. */
  items() {
    return this.conversation.items.filter(item => this.isShown(item))
  }

  /** The rows of the window, and how many there are before and after it. */
  window() {
    const rows = exchangesOf(this.items(), this.conversation.requestWay)
    const end = rows.length
    let start = Math.max(0, end - this.#rows)
    if (!this.follow && this.#first !== undefined) {
      const first = rows.findIndex(({ id }) => id >= /** @type {number} */ (this.#first))
      if (first >= 0) start = first
    }
    if (this.follow || this.#first === undefined) this.#first = rows[start]?.id
    const shown = rows.slice(start, start + this.#rows)
    return { rows: shown, before: start, after: end - start - shown.length }
  }

  showEarlier() {
    const { conversation } = this
    const rows = exchangesOf(this.items(), conversation.requestWay)
    const first = rows.findIndex(({ id }) => id >= (this.#first ?? 0))
    this.follow = false
    this.#first = rows[Math.max(0, first - windowRows)]?.id
    this.#rows = Math.min(this.#rows + windowRows, 5 * windowRows)
  }

  showLater() {
    const rows = exchangesOf(this.items(), this.conversation.requestWay)
    const first = rows.findIndex(({ id }) => id >= (this.#first ?? 0))
    this.#first = rows[Math.min(rows.length - 1, first + windowRows)]?.id
  }

  /** Brings the row of a turn into the window. @param {number} id */
  moveTo(id) {
    const rows = exchangesOf(this.items(), this.conversation.requestWay)
    const index = rows.findIndex(({ request, reply }) => request?.id === id || reply?.id === id)
    this.follow = false
    this.#rows = windowRows
    this.#first = rows[Math.max(0, index - windowRows / 2)]?.id
  }

  /** @param {boolean} isOn */
  setFollow(isOn) {
    this.follow = isOn
    this.#rows = windowRows
  }

  /** @param {number} id */
  showMore(id) {
    const now = this.#more.get(id) ?? 0
    this.#more.set(id, now + step)
  }

  /** @param {number} id @returns {import('./views.js').Limit} */
  limitOf(id) {
    const bytes = this.#more.get(id)
    const { width } = this
    if (bytes === undefined) return { ...clippedLimit, width }
    return { ...noLimit, width, bytes, messages: 2000 * (bytes / step) }
  }

  /** What the row of a turn depends on, apart from its bytes. @param {number} id */
  stateOf(id) {
    return `${this.marked.has(id)} ${this.#more.get(id) ?? ''}`
  }

  /** Forgets what concerned turns that are gone. */
  tidy() {
    const oldest = this.conversation.items[0]?.id ?? 0
    for (const set of [this.hidden, this.marked]) for (const id of set) if (id < oldest) set.delete(id)
    for (const id of this.#more.keys()) if (id < oldest) this.#more.delete(id)
  }
}
