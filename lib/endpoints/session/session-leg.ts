/** A session as a leg. */
import type { Leg } from '../endpoint.js'
import type { Session } from './session.js'

/** `first` is the leg of the first link, whose addresses the session keeps. */
export function sessionLeg(session: Session, first: Leg): Leg {
  const { remote, port, local, facts } = first
  const { name } = session.hello
  return {
    ...{ remote, port, local },
    get facts() {
      return { ...facts, session: { ...(name !== undefined && { name }), reconnects: session.reconnects } }
    },
    stream: session.stream,
    session,
    bytes: {
      get in() {
        return session.incoming.received
      },
      get out() {
        return session.outgoing.confirmed
      },
    },
    reset: error => session.fail(error),
  }
}
