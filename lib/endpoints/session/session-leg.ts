/** A session as a leg. */
import type { SessionFacts } from '../../stats/session-facts.js'
import type { Leg } from '../endpoint.js'
import type { Session } from './session.js'

/** `first` is the leg of the first link, whose addresses the session keeps. */
export function sessionLeg(session: Session, first: Leg): Leg {
  const { remote, port, local, facts } = first
  return {
    ...{ remote, port, local },
    get facts() {
      return { ...facts, session: factsOf(session) }
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

function factsOf({ hello, reconnects, incoming, receipt }: Session): SessionFacts {
  const { name, kind } = hello
  const { sha256, written, skipped } = receipt ?? {}
  const whole = sha256 ?? (kind === 'transfer' && incoming.isEnded ? incoming.sha256 : undefined)
  return {
    ...(name !== undefined && { name }),
    reconnects,
    ...(whole && { sha256: whole }),
    ...(written && { written }),
    ...(skipped && { skipped }),
  }
}
