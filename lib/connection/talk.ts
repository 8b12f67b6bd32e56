/** Who spoke last on each leg of a connection. */
import type { Leg } from '../endpoints/endpoint.js'

interface Turn {
  peerWasLast: boolean
  /** Whether the peer sent data after our end. */
  cameAfterEnd: boolean
}

/**
 * The turns of the legs. An idle connection has none. What is called for each chunk looks nothing up: with 1,000 connections a
 * lookup costs several cache misses.
 */
export class Talk {
  #turns: Map<Leg, Turn> | undefined

  /** Returns what is called when data of the peer of `leg` was read. */
  hearing(leg: Leg): () => void {
    let turn: Turn | undefined
    return () => {
      turn ??= this.#open(leg)
      turn.peerWasLast = true
      if (leg.stream.writableEnded) turn.cameAfterEnd = true
    }
  }

  /** Returns what is called when data was written to `leg`. */
  telling(leg: Leg): () => void {
    let turn: Turn | undefined
    return () => {
      turn ??= this.#open(leg)
      turn.peerWasLast = false
    }
  }

  /** Returns undefined before the first byte. */
  of(leg: Leg): Turn | undefined {
    return this.#turns?.get(leg)
  }

  #open(leg: Leg): Turn {
    const turn = this.of(leg) ?? { peerWasLast: false, cameAfterEnd: false }
    this.#turns ??= new Map()
    this.#turns.set(leg, turn)
    return turn
  }
}
