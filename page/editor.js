// @ts-check
/** Edits bytes as text with escapes, or as hex. */
import { fromEscaped, fromHex, hexLines, isText, toEscaped } from './bytes.js'
import { newId, segmented } from './controls.js'
import { h, setText } from './dom.js'
import { counted } from './format.js'

/** @typedef {'text' | 'hex'} Mode */

const hints = {
  hex: 'Two digits a byte; spaces and line breaks mean nothing.',
  text: 'Escapes: \\r \\n \\t \\0 \\\\ \\xHH \\u{HHHH}. Line breaks mean nothing: write \\n.',
}

export class Editor {
  isEdited = false
  /** @type {Mode} */
  #now = 'text'
  /** @type {Uint8Array} */
  #original = new Uint8Array()
  #hint = h('p', { class: 'hint', id: newId() })
  #error = h('p', { class: 'field-error', id: newId(), role: 'alert' })
  #label
  #mode = segmented(
    'Edit as',
    [
      ['text', 'Text'],
      ['hex', 'Hex'],
    ],
    this.#now,
    chosen => this.#convert(chosen),
  )

  /** @param {() => void} changed after each change of the user */
  constructor(changed) {
    this.field = h('textarea', {
      id: newId(),
      class: 'mono',
      rows: '7',
      spellcheck: false,
      autocomplete: 'off',
      'aria-describedby': `${this.#hint.id} ${this.#error.id}`,
      oninput: () => {
        this.isEdited = true
        this.check()
        changed()
      },
    })
    this.#label = h('label', { for: this.field.id }, 'Held bytes')
    const head = h('div', { class: 'tools' }, this.#label, this.#mode.element)
    this.element = h('div', { class: 'editor' }, head, this.field, this.#error, this.#hint)
  }

  /** The bytes in the field. Throws a SyntaxError. */
  bytes() {
    if (!this.isEdited) return this.#original
    return this.#now === 'hex' ? fromHex(this.field.value) : fromEscaped(this.field.value)
  }

  /** @param {Uint8Array} content @param {boolean} isNew of something else than before: opens as what suits it */
  load(content, isNew) {
    this.#original = content
    this.isEdited = false
    if (isNew) this.#now = isText(content) ? 'text' : 'hex'
    this.#show(content)
  }

  /** @param {boolean} isLoaded until then, what the user does would be lost @param {boolean} mayChange */
  allow(isLoaded, mayChange) {
    this.field.readOnly = !isLoaded || !mayChange
    this.#mode.disabled = !isLoaded
  }

  /** Whether what is in the field is valid; what is wrong is said. */
  check() {
    setText(this.#hint, hints[this.#now])
    let problem = ''
    try {
      const size = counted(this.bytes().length, 'byte')
      setText(this.#label, `Held bytes: ${size}${this.isEdited ? ', edited' : ''}`)
    } catch (error) {
      problem = /** @type {Error} */ (error).message
    }
    setText(this.#error, problem)
    this.field.setAttribute('aria-invalid', String(problem !== ''))
    return problem === ''
  }

  /** @param {Uint8Array} content */
  #show(content) {
    this.#mode.value = this.#now
    this.field.value = this.#now === 'hex' ? hexLines(content) : toEscaped(content)
    this.check()
  }

  /** What is wrong stays, and is said. @param {Mode} chosen */
  #convert(chosen) {
    if (!this.check()) {
      this.#mode.value = this.#now
      return
    }
    const content = this.bytes()
    this.#now = chosen
    this.#show(content)
  }
}
