/** Who spoke last on each leg of a connection. */
import type { Leg } from '../endpoints/endpoint.js'

interface Turn {
  peerWasLast: boolean
  /** Whether the peer sent data after our end. */
  cameAfterEnd: boolean
}

/** The turns of the legs. An idle connection has none. */
export class Talk {
  #turns: Map<Leg, Turn> | undefined

  /** Data of the peer of `leg` was read. */
  heard(leg: Leg): void {
    const turn = this.of(leg) ?? this.#open(leg)
    turn.peerWasLast = true
    if (leg.stream.writableEnded) turn.cameAfterEnd = true
  }

  /** Data was written to `leg`. */
  told(leg: Leg): void {
    const turn = this.of(leg) ?? this.#open(leg)
    turn.peerWasLast = false
  }

  /** Returns undefined before the first byte. */
  of(leg: Leg): Turn | undefined {
    return this.#turns?.get(leg)
  }

  #open(leg: Leg): Turn {
    const turn = { peerWasLast: false, cameAfterEnd: false }
    this.#turns ??= new Map()
    this.#turns.set(leg, turn)
    return turn
  }
}
