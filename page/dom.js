// @ts-check
/** Makes and changes elements. Text comes in as text only: nothing here reads markup. */

/** @typedef {Node | string | null | undefined | false} Child */

/**
 * `h('button', { type: 'button', onclick: save }, 'Save')`. Functions and booleans become properties, all else attributes.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag @param {Record<string, unknown>} [properties] @param {Child[]} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue
    if (typeof value === 'function' || typeof value === 'boolean') Object.assign(element, { [name]: value })
    else element.setAttribute(name, String(value))
  }
  element.append(...children.filter(child => child !== null && child !== undefined && child !== false))
  return element
}

/**
 * An element of index.html. @template {HTMLElement} [E=HTMLElement]
 * @param {string} id @returns {E}
 */
export function byId(id) {
  const element = document.getElementById(id)
  if (!element) throw new Error(`there is no element ${id}`)
  return /** @type {E} */ (element)
}

/** Sets a text that may be the same as before. @param {Element} element @param {string} text */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text
}

/** @param {Element} element @param {string} name @param {string | undefined} value undefined: without it */
export function setAttribute(element, name, value) {
  if (value === undefined) element.removeAttribute(name)
  else if (element.getAttribute(name) !== value) element.setAttribute(name, value)
}

/**
 * Puts children in this order, and removes all others. The one with the focus is never moved, because moving takes the
 * focus away.
 * @param {Element} parent @param {readonly Element[]} children
 */
export function arrange(parent, children) {
  const fixed = children.find(child => child.parentNode === parent && child.contains(document.activeElement))
  let next = parent.firstElementChild
  for (const child of children) {
    if (child === fixed) {
      while (next && next !== child) {
        const after = next.nextElementSibling
        parent.append(next)
        next = after
      }
    }
    if (child === next) next = next.nextElementSibling
    else parent.insertBefore(child, next)
  }
  while (next) {
    const after = next.nextElementSibling
    next.remove()
    next = after
  }
}

/**
 * The children of an element by key: made once, changed in place.
 * @template Value
 * @param {Element} parent
 * @param {{ key: (value: Value) => string, create: (value: Value) => HTMLElement, change: (element: HTMLElement, value: Value) => void }} how
 */
export function keyed(parent, { key, create, change }) {
  /** @type {Map<string, HTMLElement>} */
  let elements = new Map()
  return (/** @type {readonly Value[]} */ values) => {
    /** @type {Map<string, HTMLElement>} */
    const now = new Map()
    for (const value of values) {
      const element = elements.get(key(value)) ?? create(value)
      change(element, value)
      now.set(key(value), element)
    }
    elements = now
    arrange(parent, [...now.values()])
  }
}

/** Calls at most once a frame, however often it is asked to. @param {() => void} run */
export function onceAFrame(run) {
  let isWaiting = false
  return () => {
    if (isWaiting) return
    isWaiting = true
    requestAnimationFrame(() => {
      isWaiting = false
      run()
    })
  }
}
