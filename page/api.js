// @ts-check
/** Requests to the API, with the token. */

const tokenKey = 'tcp-pipe token'

export class ApiError extends Error {
  /** @param {number} status @param {string} message */
  constructor(status, message) {
    super(message)
    this.status = status
  }
}

export class Api {
  /** @type {string | null} */
  #token = null
  /** The number of changes that the program had made when the last one was answered. */
  changes = 0

  constructor() {
    const { hash, pathname, search } = location
    const given = /^#token=(.+)$/.exec(hash)?.[1]
    if (given) history.replaceState(null, '', pathname + search)
    try {
      if (given) sessionStorage.setItem(tokenKey, decodeURIComponent(given))
      this.#token = sessionStorage.getItem(tokenKey)
    } catch {
      this.#token = given ?? null
    }
  }

  get hasToken() {
    return this.#token !== null
  }

  /** @param {string | null} token */
  setToken(token) {
    this.#token = token
    try {
      if (token === null) sessionStorage.removeItem(tokenKey)
      else sessionStorage.setItem(tokenKey, token)
    } catch {
      // the storage is switched off: the token lasts until the page is left
    }
  }

  /** @param {string} path @param {RequestInit} [options] */
  async fetch(path, options = {}) {
    const headers = new Headers(options.headers)
    if (this.#token !== null && /^[\x21-\x7e]+$/.test(this.#token))
      headers.set('authorization', `Bearer ${this.#token}`)
    const response = await fetch(path, { ...options, headers, cache: 'no-store', credentials: 'omit' })
    if (!response.ok) throw new ApiError(response.status, await messageOf(response))
    return response
  }

  /** @param {string} path @returns {Promise<any>} */
  async get(path) {
    return (await this.fetch(path)).json()
  }

  /** @param {string} path @param {object} [body] @returns {Promise<any>} */
  async post(path, body = {}) {
    const headers = { 'content-type': 'application/json' }
    const response = await this.fetch(path, { method: 'POST', headers, body: JSON.stringify(body) })
    this.changes = Math.max(this.changes, Number(response.headers.get('tcp-pipe-changes')))
    const text = await response.text()
    return text === '' ? {} : JSON.parse(text)
  }
}

/** @param {Response} response */
async function messageOf(response) {
  try {
    const { error } = await response.json()
    return String(error.message)
  } catch {
    return `the server answered ${response.status}`
  }
}

/** A path with parameters; those that are undefined are left out. @param {string} path @param {Record<string, unknown>} parameters */
export function withParameters(path, parameters) {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(parameters))
    if (value !== undefined && value !== null && value !== '') query.set(name, String(value))
  const text = query.toString()
  return text ? `${path}?${text}` : path
}
