// @ts-check
/** A search that goes on while turns come and go. */
import { needleOf, search } from './search.js'

/** @typedef {import('./search.js').Match} Match */
/** @typedef {import('./turns.js').Turn} Turn */

/** Milliseconds between two searches while more comes. */
const pause = 1000

export class Search {
  /** @type {import('./search.js').Needle | undefined} */
  needle
  /** @type {Match | undefined} */
  current
  /** @type {Match[]} */
  #matches = []
  #last = 0

  get count() {
    return this.needle ? this.#matches.length : undefined
  }

  get index() {
    const { current } = this
    return current ? this.#matches.findIndex(({ turn, at }) => turn === current.turn && at === current.at) : -1
  }

  /** Throws a SyntaxError if it is not a search. @param {string} text @param {readonly Turn[]} turns */
  start(text, turns) {
    this.needle = undefined
    this.current = undefined
    this.needle = needleOf(text)
    this.#search(turns)
  }

  /** @param {readonly Turn[]} turns */
  update(turns) {
    if (this.needle && performance.now() - this.#last > pause) this.#search(turns)
  }

  /** The next match, or the previous one; after the last one, the first. @param {number} by */
  step(by) {
    const { length } = this.#matches
    if (length === 0) return undefined
    const { index } = this
    const next = index < 0 ? (by > 0 ? 0 : length - 1) : (index + by + length) % length
    this.current = this.#matches[next]
    return this.current
  }

  /** @param {readonly Turn[]} turns */
  #search(turns) {
    this.#last = performance.now()
    this.#matches = this.needle ? search(turns, this.needle) : []
  }
}
