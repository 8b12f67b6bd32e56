/** Stops a server, permanently or temporarily, and ends its connections. */
import { endpointFor } from '../endpoints/address.js'
import type { Arrival, Listener } from '../endpoints/endpoint.js'
import { abortError, TcpPipeError, timeoutError } from '../text/errors.js'
import { checkTime, longestTime } from '../text/quantities.js'
import { balancersOf } from './balancers.js'
import { newHandshakes, type ServerState } from './state.js'

/** The options of `close`. */
export interface CloseOptions {
  /** Milliseconds to wait for open connections to end before a reset; 0 resets immediately. Default: 10 seconds. */
  drain?: number
}

/** Stops listening permanently. */
export function stop(state: ServerState): void {
  state.isOver = true
  state.handshakes.abort(closedError()) // these clients have received no data yet
  if (!state.isEnabling) void state.listener?.close().then(state.stopped)
}

/** Resolves with the number of connections that were reset. `closed` resolves when the server has ended. */
export async function close(
  state: ServerState,
  closed: Promise<void>,
  { drain = 10_000 }: CloseOptions,
): Promise<number> {
  if (drain !== Number.POSITIVE_INFINITY) checkTime('drain', drain)
  const { running, active, options } = state
  const { signal } = options
  stop(state)
  if (running.size > 0 && drain > 0) await drained(state, drain)
  const cut = active.size
  if (cut > 0) failAll(state, signal?.aborted ? abortError(signal) : drain > 0 ? drainError(drain) : closedError())
  await closed.catch(() => {})
  return cut
}

async function drained({ running }: ServerState, time: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const expired = new Promise<void>(resolve => {
    timer = setTimeout(resolve, Math.min(time, longestTime))
  })
  await Promise.race([Promise.all(running), expired])
  clearTimeout(timer)
}

function failAll({ handshakes, active }: ServerState, reason: Error): void {
  handshakes.abort(reason)
  for (const connection of active) connection.fail(reason)
}

/** Stops listening and resets the connections. */
export async function disable(state: ServerState): Promise<void> {
  if (state.isDisabled || state.isOver) return
  state.isDisabled = true
  const ended = state.listener?.close()
  failAll(state, new TcpPipeError('ERR_CLOSED', 'the server was disabled'))
  await ended
}

/** Resumes listening on the same port. */
export async function enable(state: ServerState, arrive: (arrival: Arrival) => void): Promise<void> {
  if (state.isOver) throw closedError()
  if (!state.isDisabled) return
  state.isEnabling = true
  try {
    state.listener = await listen(state, arrive, state.listener?.bound.port)
    state.isDisabled = false
    state.handshakes = newHandshakes()
  } finally {
    state.isEnabling = false
    if (state.isOver) stop(state)
  }
  if (state.isOver) throw closedError()
}

/** Listens on the address, optionally with another port. */
export function listen(
  { address, options, figures, observer }: ServerState,
  arrive: (arrival: Arrival) => void,
  port?: number,
): Promise<Listener> {
  const bound = port !== undefined && 'port' in address ? { ...address, port } : address
  const { contexts, session, proxyProtocol, maxConnections } = options
  const refused = (remote: string, error: Error) => {
    figures.refused('proxyProtocol')
    observer.refused({ reason: 'proxyProtocol', remote, error })
  }
  const side = {
    get accept() {
      return contexts.accept
    },
    session,
    balancers: balancersOf(proxyProtocol, maxConnections, refused),
  }
  return endpointFor('listen', address).listen(bound, arrive, side)
}

function drainError(time: number): TcpPipeError {
  return timeoutError('drain', `the server is closing, and ${time} ms have passed`)
}

export function closedError(): TcpPipeError {
  return new TcpPipeError('ERR_CLOSED', 'the server was closed')
}
