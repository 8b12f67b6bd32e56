// @ts-check
/**
 * The conversation of a connection: chunks become turns, because where chunks end means nothing. A turn lasts until the
 * other side speaks. Memory is bounded: the oldest turns go first.
 */
import { fromBase64 } from './bytes.js'

/** @typedef {import('./types.js').Way} Way */
/** @typedef {import('./types.js').BytesAnswer} BytesAnswer */
/** @typedef {import('./types.js').MarkEntry} MarkEntry */
/** A mark in a turn stands before the byte at this place. @typedef {{ at: number, mark: MarkEntry }} PlacedMark */
/**
 * `start` and `end` are numbers of bytes from the start of the way. `wait` is the time from the last bytes of the request
 * to the first ones of its reply; `missing` the number of bytes before it that are not kept.
 * @typedef {{ kind: 'turn', id: number, way: Way, stretch: Stretch, start: number, end: number, time: number,
 *   lastTime: number, marks: PlacedMark[], wait: number | undefined, missing: number }} Turn
 * @typedef {{ kind: 'mark', id: number, mark: MarkEntry }} MarkItem
 * @typedef {Turn | MarkItem} Item
 */

/** Bytes of one way without a gap. */
export class Stretch {
  #buffer = new Uint8Array(1024)
  #base
  #length = 0
  /** Finds the messages in it. @type {import('./messages.js').Reader | undefined} */
  reader

  /** @param {Way} way @param {number} start */
  constructor(way, start) {
    this.way = way
    this.start = start
    this.#base = start
  }

  get end() {
    return this.#base + this.#length
  }

  /** @param {Uint8Array} bytes */
  append(bytes) {
    const needed = this.#length + bytes.length
    if (needed > this.#buffer.length) {
      const skipped = this.start - this.#base
      const next = new Uint8Array(Math.max(1024, 2 * (needed - skipped)))
      next.set(this.#buffer.subarray(skipped, this.#length))
      this.#buffer = next
      this.#base += skipped
      this.#length -= skipped
    }
    this.#buffer.set(bytes, this.#length)
    this.#length += bytes.length
  }

  /** A view, good until the next change. */
  bytes(start = this.start, end = this.end) {
    return this.#buffer.subarray(start - this.#base, end - this.#base)
  }

  /** @param {number} place */
  forget(place) {
    this.start = Math.min(place, this.end)
    this.reader?.forget(this.start)
  }
}

/** What the page keeps at most. */
const mostBytes = 8 * 1024 ** 2
const mostItems = 20_000

export class Conversation {
  /** @type {Item[]} */
  items = []
  /** Bytes that the page has dropped itself. */
  forgotten = 0
  /** What the server does not keep any more. */
  dropped = { in: 0, out: 0, marks: 0 }
  /** The sequence number to go on after. */
  next = 0
  #kept = 0
  #ids = 0
  #limits
  /** @type {Partial<Record<Way, Stretch>>} */
  #stretches = {}
  /** @type {Partial<Record<Way, Stretch>>} */
  #first = {}
  /** @type {Turn | undefined} */
  #turn

  /** @param {Way} requestWay @param {{ bytes: number, items: number }} [limits] */
  constructor(requestWay, limits = { bytes: mostBytes, items: mostItems }) {
    this.requestWay = requestWay
    this.#limits = limits
  }

  /** Adds an answer of the API. Returns the ids of what is new or has changed. @param {BytesAnswer} answer */
  add(answer) {
    /** @type {Set<number>} */
    const changed = new Set()
    this.dropped = answer.dropped
    for (const entry of answer.entries) {
      if (entry.sequence <= this.next) continue
      this.next = entry.sequence
      changed.add('data' in entry ? this.#addBytes(entry) : this.#addMark(entry))
    }
    this.next = Math.max(this.next, answer.next)
    this.#forgetOldest()
    return changed
  }

  /** The oldest bytes of a way that are there. @param {Way} way */
  firstOf(way) {
    return this.#first[way]
  }

  /** Turns only. */
  get turns() {
    return /** @type {Turn[]} */ (this.items.filter(({ kind }) => kind === 'turn'))
  }

  /** @param {import('./types.js').DataEntry} entry */
  #addBytes({ way, offset, time, data }) {
    const bytes = fromBase64(data)
    let stretch = this.#stretches[way]
    const missing = offset - (stretch?.end ?? 0)
    if (!stretch || missing !== 0) {
      stretch = new Stretch(way, offset)
      this.#stretches[way] = stretch
      this.#first[way] ??= stretch
    }
    const last = this.#turn
    const isSame = last?.way === way && last.stretch === stretch
    const turn = isSame ? last : this.#open(stretch, offset, time, Math.max(0, missing))
    stretch.append(bytes)
    turn.end = stretch.end
    turn.lastTime = time
    this.#kept += bytes.length
    return turn.id
  }

  /** @param {Stretch} stretch @param {number} start @param {number} time @param {number} missing @returns {Turn} */
  #open(stretch, start, time, missing) {
    const { way } = stretch
    const before = this.#turn
    const isReply = before?.way === this.requestWay && way !== this.requestWay && missing === 0
    const wait = isReply ? time - before.lastTime : undefined
    /** @type {Turn} */
    const turn = {
      kind: 'turn',
      id: ++this.#ids,
      way,
      stretch,
      start,
      end: start,
      time,
      lastTime: time,
      marks: [],
      wait,
      missing,
    }
    this.items.push(turn)
    this.#turn = turn
    return turn
  }

  /** A mark stands in the turn that is under way; what opens or closes the connection stands by itself. @param {MarkEntry} mark */
  #addMark(mark) {
    if (this.#turn && mark.mark !== 'opened' && mark.mark !== 'closed') {
      this.#turn.marks.push({ at: this.#placeOf(mark, this.#turn), mark })
      return this.#turn.id
    }
    const item = { kind: /** @type {const} */ ('mark'), id: ++this.#ids, mark }
    this.items.push(item)
    return item.id
  }

  /** @param {MarkEntry} mark @param {Turn} turn */
  #placeOf({ way, offset }, turn) {
    if (way !== turn.way || offset === undefined) return turn.end
    return Math.min(Math.max(offset, turn.start), turn.end)
  }

  #forgetOldest() {
    let count = 0
    const { bytes, items } = this.#limits
    while (count < this.items.length - 1 && (this.#kept > bytes || this.items.length - count > items)) {
      const item = this.items[count++]
      if (item.kind !== 'turn') continue
      this.#kept -= item.end - item.start
      this.forgotten += item.end - item.start
      item.stretch.forget(item.end)
      if (this.#first[item.way] !== item.stretch && item.stretch.end > item.end) this.#first[item.way] = item.stretch
    }
    this.items.splice(0, count)
    this.#forgetPart()
  }

  /** A single turn may be larger than all that is kept. */
  #forgetPart() {
    const turn = this.items[0]
    if (this.#kept <= this.#limits.bytes || turn?.kind !== 'turn') return
    const surplus = this.#kept - this.#limits.bytes
    turn.start += surplus
    turn.missing += surplus
    turn.marks = turn.marks.filter(({ at }) => at >= turn.start)
    turn.stretch.forget(turn.start)
    this.#kept -= surplus
    this.forgotten += surplus
  }
}

/**
 * What stands in one row: a request and its reply, or one of them, or a mark.
 * @typedef {{ id: number, request?: Turn, reply?: Turn, mark?: MarkEntry }} Exchange
 */

/** @param {readonly Item[]} items @param {Way} requestWay */
export function exchangesOf(items, requestWay) {
  /** @type {Exchange[]} */
  const exchanges = []
  for (const item of items) {
    const last = exchanges.at(-1)
    if (item.kind === 'mark') exchanges.push({ id: item.id, mark: item.mark })
    else if (item.way === requestWay) exchanges.push({ id: item.id, request: item })
    else if (last?.request && !last.reply) last.reply = item
    else exchanges.push({ id: item.id, reply: item })
  }
  return exchanges
}
