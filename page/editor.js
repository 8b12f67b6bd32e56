// @ts-check
/** Edits bytes as text with escapes, or as hex. */
import { fromEscaped, fromHex, hexLines, isText, toEscaped } from './bytes.js'
import { newId, segmented } from './controls.js'
import { h, setText } from './dom.js'
import { counted } from './format.js'

/** @param {() => void} changed after each change of the user */
export function createEditor(changed) {
  const hint = h('p', { class: 'hint', id: newId() })
  const error = h('p', { class: 'field-error', id: newId(), role: 'alert' })
  const field = h('textarea', {
    id: newId(),
    class: 'mono',
    rows: '7',
    spellcheck: false,
    autocomplete: 'off',
    'aria-describedby': `${hint.id} ${error.id}`,
    oninput: () => {
      isEdited = true
      check()
      changed()
    },
  })
  const mode = segmented(
    'Edit as',
    [
      ['text', 'Text'],
      ['hex', 'Hex'],
    ],
    'text',
    chosen => convert(chosen),
  )
  const label = h('label', { for: field.id }, 'Held bytes')
  const element = h('div', { class: 'editor' }, h('div', { class: 'tools' }, label, mode.element), field, error, hint)
  let isEdited = false
  let now = /** @type {'text' | 'hex'} */ ('text')
  /** @type {Uint8Array} */
  let original = new Uint8Array()

  /** The bytes in the field. Throws a SyntaxError. */
  function bytes() {
    if (!isEdited) return original
    return now === 'hex' ? fromHex(field.value) : fromEscaped(field.value)
  }

  /** @param {Uint8Array} content */
  function show(content) {
    mode.value = now
    field.value = now === 'hex' ? hexLines(content) : toEscaped(content)
    check()
  }

  /** @param {'text' | 'hex'} chosen */
  function convert(chosen) {
    try {
      const content = bytes()
      now = chosen
      show(content)
    } catch {
      mode.value = now // what is wrong stays, and is said
      check()
    }
  }

  function check() {
    setText(
      hint,
      now === 'hex'
        ? 'Two digits a byte; spaces and line breaks mean nothing.'
        : 'Escapes: \\r \\n \\t \\0 \\\\ \\xHH \\u{HHHH}. Line breaks mean nothing: write \\n.',
    )
    try {
      setText(error, '')
      setText(label, `Held bytes: ${counted(bytes().length, 'byte')}${isEdited ? ', edited' : ''}`)
      field.setAttribute('aria-invalid', 'false')
      return true
    } catch (problem) {
      setText(error, /** @type {Error} */ (problem).message)
      field.setAttribute('aria-invalid', 'true')
      return false
    }
  }

  /** @param {Uint8Array} content @param {boolean} isNew */
  function load(content, isNew) {
    original = content
    isEdited = false
    if (isNew) now = isText(content) ? 'text' : 'hex'
    show(content)
  }

  return {
    element,
    field,
    load,
    bytes,
    check,
    get isEdited() {
      return isEdited
    },
  }
}
