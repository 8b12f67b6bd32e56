/** A server: accepts connections and tracks them until it ends. */
import { setMaxListeners } from 'node:events'
import type { Connection } from '../connection/connection.js'
import type { Address } from '../endpoints/address.js'
import type { Bound } from '../endpoints/endpoint.js'
import type { SecureContexts } from '../endpoints/tls/contexts.js'
import type { Observer } from '../stats/observer.js'
import type { ServerStats } from '../stats/snapshot.js'
import { abortError, attempt } from '../text/errors.js'
import { checkValues } from '../text/values.js'
import { admit } from './admission.js'
import { type CloseOptions, close, disable, enable, listen } from './closing.js'
import type { ServerOptions } from './listen-options.js'
import { openState, type ServerState, statsOf, type Work } from './state.js'

export type { CloseOptions } from './closing.js'
export type { Work } from './state.js'

/** A running server. Disposing of it (`await using`) closes it. */
export interface Server extends AsyncDisposable {
  /** The bound address. `port` is the assigned port if 0 was requested; for a unix socket, the path and port 0. */
  readonly address: Bound
  /** Whether it accepts connections. False after `close`, an abort, or the first connection with `once`. */
  readonly listening: boolean
  /** The connections that are currently open. */
  readonly connections: ReadonlySet<Connection>
  /** The pin of the server certificate, `sha256//…`, for `send --pin`. Undefined without TLS. */
  readonly pin: string | undefined
  /** Returns the current figures. */
  stats(): ServerStats
  /** Adds an observer. It hears of the bytes of new connections only. Returns a function that removes it. */
  observe(observer: Observer): () => void
  /**
   * Also measures the source and the sink of each direction from now on, as the option `measure` does from the start. With
   * false: no longer those of new connections, unless the option is set.
   */
  measure(on?: boolean): void
  /**
   * Sets certificates, keys and authorities for new connections. Rejects with `ERR_OPTION` and changes nothing if one
   * of them is invalid.
   */
  setSecureContext(next: SecureContexts): Promise<void>
  /** Stops listening and ends the connections. Resolves with the number of connections that were reset. */
  close(options?: CloseOptions): Promise<number>
  /** Resolves when the server and its last connection have ended. Rejects with an AbortError after an abort. */
  readonly closed: Promise<void>
}

/** What the figures of a server come from, if they come from elsewhere, such as other processes. */
export interface Remote {
  /** Brings what `stats` and `connections` return up to date. */
  refresh?(): Promise<void>
}

export interface OpenServer extends Server {
  /** Stops listening and resets the connections, until `enable`. Resolves when both are complete. */
  disable(): Promise<void>
  /** Resumes listening on the same address and port. Rejects with the system error if it is in use. */
  enable(): Promise<void>
}

/** Listens, and calls `work` for each connection. */
export async function openServer(address: Address, options: ServerOptions, work: Work): Promise<OpenServer> {
  const { contexts, signal } = options
  if (signal?.aborted) throw abortError(signal)
  const state = openState(address, options, work)
  const arrive = admit.bind(undefined, state)
  const listener = await listen(state, arrive)
  state.listener = listener
  if (signal?.aborted) {
    await listener.close()
    throw abortError(signal)
  }
  const inTurn = sequence()
  const closed = whenClosed(state)
  closed.catch(() => {}) // avoids an unhandled rejection if the owner does not await it
  if (signal) closeOnAbort(state, closed, signal)
  announce(state, listener.bound)
  return {
    address: listener.bound,
    get listening() {
      return !state.isOver && !state.isDisabled
    },
    get connections() {
      return new Set(state.active)
    },
    get pin() {
      return contexts.pin
    },
    stats: () => statsOf(state),
    observe(observer) {
      checkValues({ observer }, { observer: 'observer' })
      return state.observer.add(observer)
    },
    measure(on = true) {
      state.measure = on || (options.measure ?? false)
      if (on) for (const connection of state.active) connection.measure()
    },
    async setSecureContext(next) {
      await contexts.setSecureContext(next)
      warnIfExpired(options)
    },
    close: (closing = {}) => close(state, closed, closing),
    closed,
    disable: () => inTurn(() => disable(state)),
    enable: () => inTurn(() => enable(state, arrive)),
    [Symbol.asyncDispose]: async () => void (await close(state, closed, {})),
  }
}

/** Runs the actions one after another, in call order. */
function sequence(): (action: () => Promise<void>) => Promise<void> {
  let last = Promise.resolve()
  return action => {
    const done = last.then(action)
    last = done.catch(() => {})
    return done
  }
}

async function whenClosed(state: ServerState): Promise<void> {
  const { whenStopped, running, observer, options } = state
  await whenStopped
  await Promise.all(running)
  await options.beside?.()
  observer.stopped(statsOf(state))
  if (options.signal?.aborted) throw abortError(options.signal)
}

function closeOnAbort(state: ServerState, closed: Promise<void>, signal: AbortSignal): void {
  const abort = () => void close(state, closed, { drain: 0 })
  setMaxListeners(0, signal) // any number of servers may share it
  signal.addEventListener('abort', abort, { once: true })
  void state.whenStopped.then(() => signal.removeEventListener('abort', abort))
}

function announce({ observer, options }: ServerState, bound: Bound): void {
  const { contexts, about, maxConnections } = options
  observer.listening({ ...bound, ...(contexts.pin && { pin: contexts.pin }), ...about, maxConnections })
  if ((options.worker?.number ?? 1) > 1) return // the first one warns
  warnIfExpired(options)
  warnIfFew(options)
}

function warnIfExpired({ contexts: { validTo }, log }: ServerOptions): void {
  const warn = () => log?.warn({ validTo }, 'the certificate has expired')
  if (validTo && validTo.getTime() < Date.now()) attempt(warn, () => {}) // a log that throws leaves the port open
}

/** Fewer connections than a server is expected to serve. */
const few = 32

/** At the limit of open files Node stops accepting without an error. */
function warnIfFew({ room = Number.POSITIVE_INFINITY, maxConnections, once, log }: ServerOptions): void {
  const isLess = room < maxConnections || (room === maxConnections && room < few)
  if (isLess && !once)
    log?.warn({ maxConnections, room }, 'the limit of open files has room for few connections; raise it with ulimit -n')
}
