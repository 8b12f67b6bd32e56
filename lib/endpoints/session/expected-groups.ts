/** The groups of sessions that a server which stops still expects: their client has failed one, or lost its link. */

/** Milliseconds that a server which stops waits for the next session of a client. */
export const graceTime = 2000

export class ExpectedGroups {
  readonly #timers = new Map<string, NodeJS.Timeout>()
  readonly #over: () => void

  /** Calls `over` when none is expected any more. */
  constructor(over: () => void) {
    this.#over = over
  }

  expect(group: string): void {
    clearTimeout(this.#timers.get(group))
    const forget = () => {
      this.#timers.delete(group)
      this.#over()
    }
    this.#timers.set(group, setTimeout(forget, graceTime))
  }

  isExpected(group: string): boolean {
    return this.#timers.has(group)
  }

  get areExpected(): boolean {
    return this.#timers.size > 0
  }
}
