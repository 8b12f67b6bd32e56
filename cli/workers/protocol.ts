/** What the primary and its workers say to each other over the channel that node:cluster gives them. */
import type { Address } from '../../lib/endpoints/address.js'
import type { Reason, SecureContexts, Server, ServerStats, Share } from '../../lib/index.js'
import type { Family } from '../../lib/text/exposition.js'
import type { Answer, Question } from './desk.js'

/** What is the same for all workers, and begins each of them. */
export interface Common {
  /** With the port that all share. */
  readonly listen: Address
  /** The files as the primary has read them: for `--tls auto`, its certificate. */
  readonly contexts: SecureContexts
  /** Whether the primary counts connections. */
  readonly isLimited: boolean
  /** The level of the line that a connection has opened. */
  readonly openedLevel: 'info' | 'debug'
}

export type ToWorker =
  | ({ readonly tell: 'start'; readonly share: Share } & Common)
  /** Without a reason, the client may come in. */
  | { readonly tell: 'entered'; readonly ask: number; readonly reason?: Reason | undefined }
  /** Asks for the figures; for the metrics, also for those of the process. */
  | { readonly tell: 'look'; readonly ask: number; readonly isForMetrics: boolean }
  | { readonly tell: 'measure'; readonly on: boolean }
  | {
      readonly tell: 'end'
      readonly number: number
      readonly how: 'close' | 'reset'
      readonly reason?: string | undefined
    }
  /** From the page. */
  | { readonly tell: 'ask'; readonly ask: number; readonly question: Question }
  | { readonly tell: 'secure'; readonly ask: number; readonly contexts: SecureContexts }
  | { readonly tell: 'close'; readonly drain: number }

export type FromWorker =
  /** It can be told to start. */
  | { readonly tell: 'ready' }
  | {
      readonly tell: 'listening'
      readonly address: Server['address']
      readonly pin: string | undefined
      readonly stats: ServerStats
    }
  | { readonly tell: 'enter'; readonly ask: number; readonly remote: string }
  | { readonly tell: 'left'; readonly ask: number }
  /** Unasked, now and then, so that little is lost with a worker: the figures without the connections. */
  | { readonly tell: 'figures'; readonly stats: ServerStats; readonly open: number }
  | { readonly tell: 'looked'; readonly ask: number; readonly stats: ServerStats; readonly families: readonly Family[] }
  | {
      readonly tell: 'secured'
      readonly ask: number
      readonly pin?: string | undefined
      readonly error?: { readonly message: string; readonly code: string | undefined }
    }
  | { readonly tell: 'answered'; readonly ask: number; readonly answer: Answer }
  /** A breakpoint holds. */
  | { readonly tell: 'hit'; readonly breakpoint: string }
  /** It does not listen any more. */
  | { readonly tell: 'stopped'; readonly stats: ServerStats }
  /** Its last connection has ended. */
  | { readonly tell: 'closed'; readonly stats: ServerStats; readonly cut: number }
