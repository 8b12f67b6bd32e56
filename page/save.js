// @ts-check
/** Copies and saves. */

/** @param {string} text */
export async function copy(text) {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(text)
    return
  }
  const field = document.createElement('textarea') // without TLS, a page on another machine has no clipboard
  const focused = /** @type {HTMLElement | null} */ (document.activeElement)
  field.value = text
  document.body.append(field)
  field.select()
  const isDone = document.execCommand('copy')
  field.remove()
  focused?.focus({ preventScroll: true })
  if (!isDone) throw new Error('the browser does not copy')
}

/** @param {BlobPart} content @param {string} name @param {string} type */
export function save(content, name, type) {
  const url = URL.createObjectURL(new Blob([content], { type }))
  const link = document.createElement('a')
  link.href = url
  link.download = name
  link.click()
  setTimeout(() => URL.revokeObjectURL(url), 60_000)
}

/** A name that every file system takes. @param {string} text */
export function fileName(text) {
  return text.replace(/[^\w.-]+/g, '-').slice(0, 100)
}
