/** One worker, as the primary sees it: its process, what it has told, and what it is asked. */
import type { Readable } from 'node:stream'
import type { Reason, SecureContexts, ServerStats } from '../../lib/index.js'
import type { Desk } from '../../lib/ui/desk.js'
import { patience, remoteDesk } from './desk.js'
import type { Guests } from './limits.js'
import type { FromWorker, ToWorker } from './protocol.js'

/** What a worker of node:cluster is here. */
export interface WorkerProcess {
  send(message: ToWorker, handle: undefined, options: undefined, sent: () => void): unknown
  kill(signal: NodeJS.Signals): void
  on(event: 'message', listener: (message: FromWorker) => void): unknown
  on(event: 'error', listener: (error: Error) => void): unknown
  once(event: 'exit', listener: (code: number | null, signal: NodeJS.Signals | null) => void): unknown
  readonly process: { readonly stderr: Readable | null }
}

/** `starting` until it can be told to start, `ready` until it listens, `stopped` when it does not any more. */
export type MemberState = 'starting' | 'ready' | 'listening' | 'stopped' | 'closed' | 'dead'

/** What a member tells its team. */
export interface MemberEvents {
  /** It can be told to start. */
  ready(): void
  listening(told: Extract<FromWorker, { tell: 'listening' }>): void
  /** It has another state. */
  changed(): void
  /** A breakpoint of the page holds there. */
  hit(breakpoint: string): void
  dead(code: number | null, signal: NodeJS.Signals | null): void
}

type Answer = Extract<FromWorker, { ask: number; tell: 'looked' | 'secured' | 'answered' }>

export class Member {
  readonly number: number
  state: MemberState = 'starting'
  /** The figures that are known: without one, it has had no connection. */
  stats: ServerStats | undefined
  /** Its open connections. */
  open = 0
  /** The connections that it has reset after the drain timeout. */
  cut = 0
  #listening: number | undefined
  /** The certificates that it has begun with. */
  contexts: SecureContexts | undefined
  /** What the page asks. */
  readonly desk: Desk
  /** Whether its last connection has ended before it has. */
  hasClosed = false
  readonly #process: WorkerProcess
  readonly #guests: Guests
  readonly #answers = new Map<number, (answer?: Answer) => void>()
  #lastAsk = 0

  constructor(number: number, process: WorkerProcess, guests: Guests, events: MemberEvents) {
    this.number = number
    this.#process = process
    this.#guests = guests
    this.desk = remoteDesk(number, async question => {
      const answer = await this.#ask(ask => ({ tell: 'ask', ask, question }), patience)
      return answer?.tell === 'answered' ? answer.answer : undefined
    })
    process.on('message', message => this.#take(message, events))
    process.on('error', ignore) // a connection or a message for one that has just died
    process.once('exit', (code, signal) => {
      this.state = 'dead'
      guests.allLeft()
      for (const answer of this.#answers.values()) answer()
      events.dead(code, signal)
    })
  }

  get hasListened(): boolean {
    return this.#listening !== undefined
  }

  /** Milliseconds since it listens: how long it takes to start depends on the machine. */
  get lived(): number {
    return this.#listening === undefined ? 0 : performance.now() - this.#listening
  }

  get isListening(): boolean {
    return this.state === 'listening'
  }

  get stderr(): Readable | null {
    return this.#process.process.stderr
  }

  tell(message: ToWorker): void {
    if (this.state !== 'dead') this.#process.send(message, undefined, undefined, ignore)
  }

  kill(): void {
    this.#process.kill('SIGKILL')
  }

  /** Brings `stats` up to date. Resolves with what it has answered, if it has in time. */
  async look(isForMetrics = false): Promise<Extract<Answer, { tell: 'looked' }> | undefined> {
    if (!['listening', 'stopped'].includes(this.state)) return undefined
    const answer = await this.#ask(ask => ({ tell: 'look', ask, isForMetrics }), patience)
    return answer?.tell === 'looked' ? answer : undefined
  }

  /** Resolves with what it has answered, unless it dies. */
  async secure(contexts: SecureContexts) {
    const answer = await this.#ask(ask => ({ tell: 'secure', ask, contexts }))
    return answer?.tell === 'secured' ? answer : undefined
  }

  #ask(message: (ask: number) => ToWorker, time?: number): Promise<Answer | undefined> {
    const ask = ++this.#lastAsk
    return new Promise(resolve => {
      const timer = time === undefined ? undefined : setTimeout(() => this.#answers.get(ask)?.(), time)
      this.#answers.set(ask, answer => {
        clearTimeout(timer)
        this.#answers.delete(ask)
        resolve(answer)
      })
      this.tell(message(ask))
    })
  }

  #take(message: FromWorker, events: MemberEvents): void {
    if ('stats' in message) {
      const isWhole = message.tell !== 'figures'
      this.stats = isWhole ? message.stats : { ...message.stats, connections: this.stats?.connections ?? [] }
      this.open = isWhole ? message.stats.connections.length : message.open
    }
    const { tell } = message
    if (tell === 'enter') this.#enter(message)
    else if (tell === 'left') this.#guests.left(message.ask)
    else if (tell === 'looked' || tell === 'secured' || tell === 'answered') this.#answers.get(message.ask)?.(message)
    else if (tell === 'hit') events.hit(message.breakpoint)
    else if (tell !== 'figures') this.#turn(message, events)
  }

  #turn(
    message: Exclude<FromWorker, { tell: 'enter' | 'left' | 'looked' | 'secured' | 'answered' | 'hit' | 'figures' }>,
    events: MemberEvents,
  ) {
    this.state = message.tell
    if (message.tell === 'ready') events.ready()
    else if (message.tell === 'listening') {
      this.#listening = performance.now()
      events.listening(message)
    } else {
      if (message.tell === 'closed') {
        this.hasClosed = true
        this.cut = message.cut
      }
      events.changed()
    }
  }

  #enter({ ask, remote }: Extract<FromWorker, { tell: 'enter' }>): void {
    const reason: Reason | undefined = this.#guests.enter(ask, remote)
    this.tell({ tell: 'entered', ask, reason })
  }
}

function ignore(): void {}
