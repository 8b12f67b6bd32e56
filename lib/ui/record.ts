/** What the page remembers: the bytes of connections, those that have ended, and the last minutes. */
import type { Identity, ObservedConnection, Observer, Way } from '../stats/observer.js'
import type { ConnectionStats, Direction } from '../stats/snapshot.js'
import type { Summary } from '../stats/summary.js'
import { errorCode, errorMessage } from '../text/errors.js'
import { Counter } from './counts.js'
import { Keep, type KeepLimits, type Kept, type Mark } from './keep.js'
import type { Shown } from './shown.js'

export interface RecordOptions extends KeepLimits {
  /** Whether the bytes of connections with TLS are kept, too. */
  readonly tls: boolean
}

/** A connection that is open, or has ended. */
export interface Conversation {
  readonly identity: Identity
  /** While it is open. */
  connection: ObservedConnection | undefined
  /** Milliseconds since 1970. */
  readonly opened: number
  readonly kept: Kept
  /** Whether its bytes are kept; `tls`: not, because it has TLS. */
  keeps: 'yes' | 'no' | 'tls'
  /** The way of the last bytes, and when they passed. */
  last: Way | undefined
  at: number
  /** Set when it has ended. */
  ended?: Ended
}

/** How a connection ended. */
export interface Ended {
  readonly duration: number
  readonly bytesIn: number
  readonly bytesOut: number
  readonly tls: boolean
  readonly target?: ConnectionStats['target']
  /** The balancer that has named the peer. */
  readonly via?: string
  readonly closedBy: Summary['closedBy']
  readonly reason?: string
  readonly error?: string
  readonly code?: string
  readonly timeout?: string
  readonly side?: string
  readonly warnings?: readonly string[]
}

/** To turn `performance.now()` into milliseconds since 1970: the getter takes as long as to keep a chunk. */
const origin = performance.timeOrigin

/** The connections that are remembered after their end. */
const mostEnded = 1000

/** The characters of a message that are remembered, and the number of warnings. */
const longestText = 500
const mostWarnings = 10

export interface PageRecord {
  readonly keep: Keep
  readonly counter: Counter
  readonly keeps: RecordOptions
  /** By their ids. */
  readonly conversations: ReadonlyMap<string, Conversation>
  /** The ids of those that have ended, the oldest first. */
  readonly ended: ReadonlySet<string>
  /** Adds a mark to the bytes of a connection. */
  mark(id: string, mark: Mark): void
  wayOf(direction: Direction): Way
  stop(): void
}

/** Remembers what the server does from now on. */
export function openRecord(shown: Shown, keeps: RecordOptions): PageRecord {
  const conversations = new Map<string, Conversation>()
  const ended = new Set<string>()
  const keep = new Keep(keeps)
  const counter = new Counter(() => conversations.size - ended.size)
  const { answers } = shown
  const asks = answers === 'out' ? 'in' : 'out'
  const wayOf = (direction: Direction): Way => (direction === 'reply' ? answers : asks)

  function open(connection: ObservedConnection, about: string, keeps: Conversation['keeps']): void {
    const { id, number, remote, port } = connection
    const identity = { id, number, remote, port }
    const more = { keeps, last: undefined, at: 0 }
    conversations.set(id, { identity, connection, opened: Date.now(), kept: keep.open(), ...more })
    mark(id, { mark: 'opened', text: about })
  }

  /** One whose pipelines have begun tells nobody else of its bytes. */
  function openEarlier(connection: ObservedConnection): void {
    const isNew = connection.stats().directions.length === 0
    if (isNew) open(connection, '', keeps.perConnection > 0 ? 'yes' : 'no')
    else open(connection, 'before the page was: its bytes are not kept', 'no')
  }

  function mark(id: string, mark: Mark): void {
    conversations.get(id)?.kept.mark(mark, Date.now())
  }

  function forget(id: string): void {
    conversations.get(id)?.kept.clear()
    conversations.delete(id)
    ended.delete(id)
  }

  const observer: Observer = {
    opened(connection) {
      counter.accepted()
      open(connection, '', keeps.perConnection > 0 ? 'yes' : 'no')
    },
    passed({ id }, way, chunk) {
      counter.passed(way, chunk.length)
      const conversation = conversations.get(id)
      if (!conversation) return
      const now = performance.now()
      if (conversation.last !== way) {
        if (conversation.last === undefined) refuseSecrets(conversation, keeps)
        else if (way === answers) counter.replied(now - conversation.at)
        conversation.last = way
      }
      conversation.at = now
      if (conversation.keeps === 'yes') conversation.kept.add(way, chunk, origin + now)
    },
    faulted({ id }, { fault, offset, direction }) {
      mark(id, { mark: 'fault', text: fault, offset, ...(direction && { way: wayOf(direction) }) })
    },
    closed(summary) {
      const conversation = conversations.get(summary.id)
      if (!conversation) return
      conversation.ended = endOf(summary)
      conversation.connection = undefined
      mark(summary.id, { mark: 'closed', text: closedText(conversation.ended) })
      ended.add(summary.id)
      if (ended.size > mostEnded) forget(ended.values().next().value as string)
    },
  }

  const stop = shown.observe(observer)
  for (const connection of shown.connections) openEarlier(connection)
  return {
    ...{ keep, counter, keeps, conversations, ended, mark, wayOf, stop },
  }
}

/** Its bytes would be secret without us. A connection knows its other side when its first bytes pass. */
function refuseSecrets(conversation: Conversation, { tls }: RecordOptions): void {
  if (!tls && conversation.keeps === 'yes' && conversation.connection?.hasTls) conversation.keeps = 'tls'
}

function endOf(summary: Summary): Ended {
  const { duration, bytesIn, bytesOut, closedBy, reason, timeout, side, warnings, target, via, tls, error } = summary
  const code = errorCode(error)
  return {
    ...{ duration, bytesIn, bytesOut, closedBy, tls: tls !== undefined },
    ...(target && { target }),
    ...(via !== undefined && { via }),
    ...(reason !== undefined && { reason: short(reason) }),
    ...(error && { error: short(errorMessage(error)) }),
    ...(code !== undefined && { code }),
    ...(timeout && { timeout }),
    ...(side && { side }),
    ...(warnings.length > 0 && { warnings: warnings.slice(0, mostWarnings).map(short) }),
  }
}

function closedText({ closedBy, reason, error }: Ended): string {
  return [`by ${closedBy}`, reason, error].filter(part => part !== undefined).join(': ')
}

function short(text: string): string {
  return text.length > longestText ? `${text.slice(0, longestText)}…` : text
}
