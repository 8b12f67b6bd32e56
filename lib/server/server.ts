/** A server: it accepts connections and keeps account of them until its end. */
import { setMaxListeners } from 'node:events'
import type { Connection } from '../connection/connection.js'
import type { Address } from '../endpoints/address.js'
import type { Bound } from '../endpoints/endpoint.js'
import type { SecureContexts } from '../endpoints/tls/contexts.js'
import type { ServerStats } from '../stats/snapshot.js'
import { abortError } from '../text/errors.js'
import { admit } from './admission.js'
import { type CloseOptions, close, disable, enable, listen } from './closing.js'
import type { ServerOptions } from './listen-options.js'
import { openState, type ServerState, statsOf, type Work } from './state.js'

export type { CloseOptions } from './closing.js'
export type { Work } from './state.js'

export interface Server extends AsyncDisposable {
  /** What it is bound to, with the port that the system chose for 0; of a unix socket the path, and port 0. */
  readonly address: Bound
  /** The connections that are open now. */
  readonly connections: ReadonlySet<Connection>
  /** The pin of its certificate, for `send --pin`: `sha256//…`. Undefined without TLS. */
  readonly pin: string | undefined
  /** The figures at this time. */
  stats(): ServerStats
  /**
   * Sets certificates, keys and authorities for connections that come from now on. Rejects with `ERR_OPTION` and changes
   * nothing if one of them cannot be used.
   */
  setSecureContext(next: SecureContexts): Promise<void>
  /** Stops listening and ends the connections. Resolves with the number of connections that had to be reset. */
  close(options?: CloseOptions): Promise<number>
  /** Resolves when the server is closed and its last connection has ended; rejects with an AbortError after an abort. */
  readonly closed: Promise<void>
}

export interface OpenServer extends Server {
  /** Stops listening and resets the connections, until it is enabled again. Resolves when that is done. */
  disable(): Promise<void>
  /** Listens again on the same address and port; rejects with the error of the system if that is taken by then. */
  enable(): Promise<void>
}

/** Listens; `work` is done for each connection. */
export async function openServer(address: Address, options: ServerOptions, work: Work): Promise<OpenServer> {
  const { contexts, signal } = options
  if (signal?.aborted) throw abortError(signal)
  const state = openState(address, options, work)
  const arrive = admit.bind(undefined, state)
  const listener = await listen(state, arrive)
  state.listener = listener
  if (signal?.aborted) {
    void listener.close()
    throw abortError(signal)
  }
  const inTurn = sequence()
  const closed = whenClosed(state)
  closed.catch(() => {}) // its owner awaits it if the outcome matters
  if (signal) closeOnAbort(state, closed, signal)
  announce(state, listener.bound)
  return {
    address: listener.bound,
    get connections() {
      return new Set(state.active)
    },
    get pin() {
      return contexts.pin
    },
    stats: () => statsOf(state),
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

/** Does one action after the other, in the order of the calls. */
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
  observer.stopped(statsOf(state))
  if (options.signal?.aborted) throw abortError(options.signal)
}

function closeOnAbort(state: ServerState, closed: Promise<void>, signal: AbortSignal): void {
  const abort = () => void close(state, closed, { drain: 0 })
  setMaxListeners(0, signal) // as many servers as its owner likes
  signal.addEventListener('abort', abort, { once: true })
  void state.whenStopped.then(() => signal.removeEventListener('abort', abort))
}

function announce({ observer, options }: ServerState, bound: Bound): void {
  const { contexts, about, maxConnections } = options
  observer.listening({ ...bound, ...(contexts.pin && { pin: contexts.pin }), ...about, maxConnections })
  warnIfExpired(options)
}

function warnIfExpired({ contexts: { validTo }, log }: ServerOptions): void {
  if (validTo && validTo.getTime() < Date.now()) log?.warn({ validTo }, 'the certificate has expired')
}
