// @ts-check
/** Follows the events of the server. Connects again by itself, later and later. */
import { ApiError, withParameters } from './api.js'
import { eventParser } from './events.js'

/** Milliseconds without an event after which the connection counts as lost: `stats` comes once a second. */
const silence = 15_000
const longestPause = 15_000

/**
 * @typedef {{ state: 'connecting' | 'live' } | { state: 'waiting', seconds: number, message: string } |
 *   { state: 'ended' } | { state: 'refused', message: string, hadToken: boolean }} Status
 */

export class Live {
  #api
  #parameters
  #heard
  #changed
  #failures = 0
  #hasEnded = false
  /** @type {AbortController | undefined} */
  #current
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer

  /**
   * @param {import('./api.js').Api} api
   * @param {{ parameters: () => Record<string, unknown>, heard: (name: string, data: any) => void,
   *   changed: (status: Status) => void, unknown: () => void }} how
   */
  constructor(api, { parameters, heard, changed, unknown }) {
    this.#api = api
    this.#parameters = parameters
    this.#heard = heard
    this.#changed = changed
    this.unknown = unknown
  }

  /** Connects, or connects anew with other parameters. */
  async open() {
    clearTimeout(this.#timer)
    this.#current?.abort()
    const current = new AbortController()
    this.#current = current
    if (this.#failures > 0) this.#changed({ state: 'connecting' })
    try {
      await this.#follow(current)
      if (this.#current === current) this.#retry('the connection has ended')
    } catch (error) {
      if (this.#current === current) this.#failed(error)
    } finally {
      current.abort()
    }
  }

  /** @param {AbortController} current */
  async #follow(current) {
    const response = await this.#api.fetch(withParameters('/api/events', this.#parameters()), {
      signal: current.signal,
    })
    if (!response.body) return
    const parse = eventParser((name, data) => {
      if (current.signal.aborted) return
      if (name === 'end') this.#ended()
      else this.#heard(name, JSON.parse(data))
    })
    const reader = response.body.getReader()
    let last = performance.now()
    const watch = setInterval(() => performance.now() - last > silence && current.abort(), 1000)
    current.signal.addEventListener('abort', () => reader.cancel().catch(() => {}))
    try {
      for (let isFirst = true; ; isFirst = false) {
        const { done, value } = await reader.read()
        if (done) return
        last = performance.now()
        if (isFirst) this.#connected()
        parse(value)
      }
    } finally {
      clearInterval(watch)
    }
  }

  #connected() {
    this.#failures = 0
    this.#hasEnded = false
    this.#changed({ state: 'live' })
  }

  #ended() {
    this.#hasEnded = true
    this.#changed({ state: 'ended' })
  }

  /** @param {unknown} error */
  #failed(error) {
    if (!(error instanceof ApiError)) {
      this.#retry('the server does not answer')
      return
    }
    if (error.status === 404) this.unknown()
    if (error.status === 401) this.#changed({ state: 'refused', message: error.message, hadToken: this.#api.hasToken })
    else this.#retry(error.message)
  }

  /** @param {string} message */
  #retry(message) {
    clearTimeout(this.#timer)
    const pause = Math.min(longestPause, 500 * 2 ** this.#failures++)
    if (this.#hasEnded) this.#changed({ state: 'ended' })
    else this.#changed({ state: 'waiting', seconds: Math.ceil(pause / 1000), message })
    this.#timer = setTimeout(() => this.open(), pause)
  }
}
