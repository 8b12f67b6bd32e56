/** Turns a client into a connection: checks access and limits, runs the handshake, starts the work. */
import { openConnection } from '../connection/connection.js'
import { numberOf } from '../connection/identity.js'
import { carriedOut } from '../connection/work.js'
import type { Arrival, Leg } from '../endpoints/endpoint.js'
import type { Reason } from '../stats/snapshot.js'
import { attempt, TcpPipeError, toError } from '../text/errors.js'
import { formatRemote } from '../text/remote.js'
import { closedError, stop } from './closing.js'
import type { Enter } from './listen-options.js'
import type { ServerState } from './state.js'

export function admit(state: ServerState, arrival: Arrival): void {
  const leave = enter(state, arrival)
  if (typeof leave === 'string') {
    void turnAway(state, arrival, leave)
    return
  }
  track(state, leave, state.options.enter ? ask(state, arrival, state.options.enter) : receive(state, arrival))
}

/** Does not know the arrival: that would stay as long as the connection. */
function track({ running }: ServerState, leave: () => void, work: Promise<void>): void {
  const done = work.then(() => {
    running.delete(done)
    leave()
  })
  running.add(done)
}

/** Runs before any read. Returns the function to call when the connection is over, or the reason for a refusal. */
function enter({ mayConnect, running, tally, options }: ServerState, { remote }: Arrival): (() => void) | Reason {
  if (mayConnect && !mayConnect(remote)) return 'access'
  if (running.size >= options.maxConnections) return 'maxConnections'
  return tally ? (tally.enter(remote) ?? 'maxPerIp') : () => {}
}

/** Somebody else decides, too. */
async function ask(state: ServerState, arrival: Arrival, enter: Enter): Promise<void> {
  let leave: (() => void) | Reason | undefined
  try {
    arrival.hold?.()
    leave = await enter(arrival.remote)
    if (typeof leave === 'string') return await turnAway(state, arrival, leave)
    if (state.isOver) throw closedError()
    await receive(state, arrival)
  } catch (error) {
    arrival.refuse(toError(error))
  } finally {
    if (typeof leave === 'function') leave()
  }
}

/** A client who comes back to a session that is open needs no further room. Another one has been told by then. */
async function turnAway(state: ServerState, arrival: Arrival, reason: Reason): Promise<void> {
  const { handshakeTimeout } = state.options
  const reopened = reason === 'access' ? undefined : arrival.reopen?.({ handshakeTimeout })
  if (!reopened) refuse(state, arrival, reason)
  else if (!(await reopened)) countRefusal(state, arrival, reason)
}

function refuse(state: ServerState, arrival: Arrival, reason: Reason): void {
  countRefusal(state, arrival, reason)
  arrival.refuse(new TcpPipeError('ERR_CLOSED', `the connection is refused: ${reason}`))
}

function countRefusal({ figures, observer }: ServerState, { remote }: Arrival, reason: Reason): void {
  figures.refused(reason)
  observer.refused({ reason, remote })
}

/** Whatever is wrong with one client is the end of none but this one. */
function receive(state: ServerState, arrival: Arrival): Promise<void> {
  const { handshakeTimeout } = state.options
  try {
    const opened = arrival.open({ handshakeTimeout, signal: state.handshakes.signal })
    return opened instanceof Promise ? shakeHands(state, arrival, opened) : serve(state, opened)
  } catch (error) {
    arrival.refuse(toError(error))
    return Promise.resolve()
  }
}

/** A client whose handshake fails never becomes a connection. */
async function shakeHands(state: ServerState, arrival: Arrival, opened: Promise<Leg | undefined>): Promise<void> {
  const leg = await opened.catch(error => {
    state.figures.handshakeFailed()
    state.observer.handshakeFailed({ remote: formatRemote(arrival), error })
  })
  try {
    if (leg) return serve(state, leg)
  } catch (error) {
    arrival.refuse(toError(error))
  }
}

/** No async function, whose state would stay as long as the connection. */
function serve(state: ServerState, leg: Leg): Promise<void> {
  const { options, observer, figures, active, work } = state
  const number = numberOf(options.worker, figures.accepted())
  if (options.once) stop(state)
  const connection = openConnection(leg, { ...options, observer, number, measure: state.measure })
  const ended = carriedOut(connection, work(connection, leg)).then(
    summary => {
      active.delete(connection)
      figures.closed(summary)
    },
    error => {
      active.delete(connection)
      leg.reset(error)
    },
  )
  active.add(connection)
  attempt(
    () => options.onConnection?.(connection),
    error => connection.fail(error),
  )
  observer.opened(connection)
  return ended
}
