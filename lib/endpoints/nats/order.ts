/**
 * The order of a connection: a message that was sent again may be stored after later ones. It is waited for, as long as
 * it can still come.
 */

/** What the headers of a message say. */
export interface Place {
  readonly connection: string
  readonly sequence: number
  /** All messages of the connection below this one were stored before this message was published. */
  readonly stored: number
}

/** Milliseconds to wait for a message that is missing, before those after it are given. */
const patience = 30_000

/**
 * The same, if the missing one has probably gone another way: to another reader of the same consumer, or before the
 * first message of the connection to a reader that has ended.
 */
const shortPatience = 5000

/** The number of connections that are remembered. */
const mostConnections = 10_000

interface State<T> {
  /** All messages below it were given, or are not waited for any more. */
  next: number
  stored: number
  /** Messages after a gap. */
  readonly held: Map<number, Held<T>>
  isFirst: boolean
}

interface Held<T> {
  readonly item: T
  /** When it came. */
  readonly since: number
}

/**
 * Gives each message as soon as nothing before it can still come:
 *
 * 1. All before it were given.
 * 2. A message has come that was published after the missing one was stored (`stored`). The stream delivers in the
 *    order in which it stores, so the missing one was delivered before: to another reader, or before a restart. Not while
 *    the order is unsettled: then it may be on its way again, after a reader that was killed.
 * 3. The missing one was waited for long enough.
 *
 * A message that comes after that is given at once: late, not lost.
 */
export class Order<T> {
  readonly #give: (item: T) => void
  readonly #now: () => number
  readonly #states = new Map<string, State<T>>()
  #isSettling = false
  /** The number of messages that are held. */
  held = 0
  /** Whether other readers get messages of the same consumer. */
  isShared = false

  constructor(give: (item: T) => void, now = () => performance.now()) {
    this.#give = give
    this.#now = now
  }

  /** Takes the next message of the stream. One without a place is given at once. */
  add(item: T, place: Place | undefined): void {
    if (place) this.#insert(item, place)
    else this.#give(item)
  }

  #insert(item: T, { connection, sequence, stored }: Place): void {
    const state = this.#stateOf(connection, stored)
    state.stored = Math.max(state.stored, stored)
    if (sequence < state.next || state.held.has(sequence)) this.#give(item)
    else {
      state.held.set(sequence, { item, since: this.#now() })
      this.held++
      this.#advance(state)
    }
  }

  /** Whether messages that were delivered before may be delivered again, such as those of a reader that was killed. */
  set isSettling(value: boolean) {
    this.#isSettling = value
    if (!value) for (const state of this.#states.values()) this.#advance(state)
  }

  get isSettling(): boolean {
    return this.#isSettling
  }

  /** Gives what has waited long enough, however many gaps are before it. */
  tick(): void {
    if (this.#isSettling || this.held === 0) return
    for (const state of this.#states.values()) {
      const limit = this.isShared || state.isFirst ? shortPatience : patience
      while (this.#now() - (lowest(state)?.since ?? Number.POSITIVE_INFINITY) >= limit) this.#skip(state)
    }
  }

  /** Gives all that is held. */
  release(): void {
    for (const state of this.#states.values()) while (state.held.size > 0) this.#skip(state)
  }

  #stateOf(connection: string, stored: number): State<T> {
    const known = this.#states.get(connection)
    const next = this.#isSettling ? 0 : stored
    const state: State<T> = known ?? { next, stored, held: new Map(), isFirst: true }
    this.#states.delete(connection)
    this.#states.set(connection, state)
    if (this.#states.size > mostConnections) this.#forget()
    return state
  }

  /** Forgets the connection that has been silent for the longest time. */
  #forget(): void {
    const entries = this.#states.entries()
    let oldest = entries.next()
    while (oldest.value?.[1].held.size) oldest = entries.next()
    if (oldest.value) this.#states.delete(oldest.value[0])
  }

  #advance(state: State<T>): void {
    while (state.held.size > 0) {
      const held = state.held.get(state.next)
      if (held) this.#next(state, held)
      else if (!this.#isSettling && state.stored > state.next)
        state.next = Math.min(state.stored, Math.min(...state.held.keys()))
      else return
    }
  }

  #next(state: State<T>, { item }: Held<T>): void {
    state.held.delete(state.next)
    state.next++
    state.isFirst = false
    this.held--
    this.#give(item)
  }

  #skip(state: State<T>): void {
    state.next = Math.min(...state.held.keys())
    this.#advance(state)
  }
}

function lowest<T>({ held }: State<T>): Held<T> | undefined {
  return held.get(Math.min(...held.keys()))
}
