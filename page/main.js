// @ts-check
/** The page: what it knows, and which part shows what. */
import { Api, ApiError } from './api.js'
import { createBreakpoints } from './breakpoints.js'
import { createCharts } from './charts.js'
import { createConnections } from './connections.js'
import { createConversation } from './conversation.js'
import { byId, onceAFrame, setText } from './dom.js'
import { createFaults } from './faults.js'
import { createHeader } from './header.js'
import { createHeld } from './held.js'
import { Live } from './live.js'
import { createLog } from './log.js'
import { createPipeline } from './pipeline.js'

/** @typedef {import('./types.js').Stats} Stats */
/** @typedef {import('./types.js').Connection} Connection */

/** Milliseconds between two looks at what is held, while there is a breakpoint. */
const heldPause = 300

export class Page {
  api = new Api()
  /** @type {Stats | undefined} */
  stats
  /** The clock of the server less that of the browser, in milliseconds. */
  clockOffset = 0
  /** @type {import('./types.js').ConnectionsAnswer | undefined} */
  list
  /** What is listed. */
  query = { state: 'all', sort: 'number', order: 'desc', filter: '', offset: 0, limit: 50 }
  /** The connection that is looked at, as it was known last. @type {Connection | undefined} */
  selected
  /** The pipeline of the selected connection is in the events; that of the server is asked for. */
  pipelineOf = /** @type {'server' | 'connection'} */ ('server')
  isLive = false
  /** The token was taken for wrong. */
  #tokenIsOld = false
  #live = new Live(this.api, {
    parameters: () => this.#parameters(),
    heard: (name, data) => this.#heard(name, data),
    changed: status => this.#statusChanged(status),
    unknown: () => this.#forgetSelected(),
  })
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #noticeTimer
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #queryTimer
  #header = createHeader(this)
  #pipeline = createPipeline(this)
  #connections = createConnections(this)
  #conversation = createConversation(this)
  #breakpoints = createBreakpoints(this)
  #held = createHeld(this)
  #faults = createFaults(this)
  #charts = createCharts()
  #log = createLog()
  #drawStats = onceAFrame(() => {
    for (const part of [this.#header, this.#pipeline, this.#breakpoints, this.#held, this.#faults]) part.update()
  })
  #drawList = onceAFrame(() => this.#connections.update())

  start() {
    this.#connections.update()
    this.#conversation.update()
    this.#live.open()
    setInterval(() => this.isLive && !document.hidden && this.stats?.breakpoints?.length && this.refresh(), heldPause)
  }

  get mayChange() {
    return this.isLive && (this.stats?.mayChange ?? false)
  }

  /** @param {string} token */
  useToken(token) {
    this.#tokenIsOld = false
    this.api.setToken(token)
    this.#live.open()
  }

  /** @param {Partial<Page['query']>} change @param {number} [delay] milliseconds, while somebody types */
  setQuery(change, delay = 0) {
    Object.assign(this.query, { offset: 0 }, change)
    clearTimeout(this.#queryTimer)
    this.#queryTimer = setTimeout(() => this.#live.open(), delay)
  }

  /** @param {Connection | undefined} connection */
  select(connection) {
    if (connection?.id === this.selected?.id) return
    this.selected = connection
    if (!connection) this.pipelineOf = 'server'
    this.#conversation.select()
    this.#connections.update()
    this.#drawStats()
    this.#live.open()
  }

  /** Asks for the figures now, after something has been changed. A later change asks again. */
  async refresh() {
    const { changes } = this.api
    try {
      const [{ breakpoints, held }, { on: faults }] = await Promise.all([
        this.api.get('/api/breakpoints'),
        this.api.get('/api/faults'),
      ])
      if (this.stats && this.api.changes === changes) Object.assign(this.stats, { breakpoints, held, faults })
    } catch {
      // the next event tells
    }
    this.#drawStats()
  }

  /** Changes something; a failure is said. @param {string} path @param {object} [body] @param {string} [done] */
  async change(path, body = {}, done = '') {
    try {
      const result = await this.api.post(path, body)
      if (done) this.notice(done)
      return result
    } catch (error) {
      this.fail(error)
      return undefined
    }
  }

  /** @param {unknown} error */
  fail(error) {
    const isOwn = error instanceof ApiError || error instanceof SyntaxError
    this.notice(isOwn ? error.message : 'The server does not answer', true)
  }

  /** @param {string} text */
  notice(text, isError = false) {
    const notice = byId('notice')
    setText(notice, text)
    notice.classList.toggle('error', isError)
    clearTimeout(this.#noticeTimer)
    this.#noticeTimer = setTimeout(() => setText(notice, ''), isError ? 15_000 : 5000)
  }

  #parameters() {
    const { selected, query } = this
    return { ...query, connection: selected?.id, after: selected && this.#conversation.next() }
  }

  /** The numbers and ids of connections begin again. */
  #restarted() {
    const text = 'The program has been started again'
    this.notice(this.#tokenIsOld ? `${text} and has a new token` : text, this.#tokenIsOld)
    this.api.changes = 0
    this.#faults.load()
    if (!this.selected) return
    this.#deselect()
    this.#live.open()
  }

  #forgetSelected() {
    if (!this.selected) return
    this.notice(`Connection ${this.selected.number} is not kept any more`)
    this.#deselect()
  }

  #deselect() {
    this.selected = undefined
    this.pipelineOf = 'server'
    this.#conversation.select()
    this.#connections.update()
  }

  /** @param {import('./live.js').Status} status */
  #statusChanged(status) {
    const isNew = status.state === 'live' && !this.isLive
    this.isLive = status.state === 'live'
    this.#header.showStatus(status)
    if (isNew) this.#faults.load()
    if (status.state === 'refused' && status.hadToken) this.#withoutToken()
    this.#drawStats()
    this.#drawList()
  }

  /** A wrong token is refused even where none is needed. */
  #withoutToken() {
    this.api.setToken(null)
    this.#tokenIsOld = true
    this.notice('The token is wrong; a restarted program has a new one', true)
    this.#live.open()
  }

  /** @param {string} name @param {any} data */
  #heard(name, data) {
    if (name === 'stats') this.#heardStats(data)
    else if (name === 'connections') this.#heardList(data)
    else if (name === 'bytes') this.#heardBytes(data)
    else if (name === 'history') this.#charts.add(data)
    else if (name === 'log') this.#log.add(data)
  }

  /** @param {Stats} stats */
  async #heardStats(stats) {
    const isServers = this.selected && this.pipelineOf === 'server'
    const before = this.stats?.pipeline
    if (this.stats && this.stats.about.pid !== stats.about.pid) this.#restarted()
    if (stats.changes < this.api.changes) return // made before what has been changed since
    this.stats = stats
    this.clockOffset = stats.time - Date.now()
    if (isServers) {
      stats.pipeline = before
      this.#drawStats()
      const whole = await this.api.get('/api/stats').catch(() => undefined)
      if (whole && this.stats === stats) stats.pipeline = whole.pipeline
    }
    this.#drawStats()
  }

  /** @param {import('./types.js').ConnectionsAnswer} list */
  #heardList(list) {
    this.list = list
    const known = list.connections.find(({ id }) => id === this.selected?.id)
    if (known) this.selected = known
    if (!this.selected && this.stats?.about.name === 'send' && list.connections[0]) this.select(list.connections[0])
    this.#conversation.about()
    this.#drawList()
  }

  /** @param {import('./types.js').BytesAnswer} answer */
  #heardBytes(answer) {
    if (answer.id !== this.selected?.id) return
    this.#conversation.add(answer)
    const isHeld = answer.entries.some(entry => 'mark' in entry && entry.mark !== 'opened' && entry.mark !== 'fault')
    if (isHeld) this.refresh()
  }
}

new Page().start()
