/** How much of what a sink was given is kept, for a source that may forget it then. */
export class Kept {
  #bytes = 0
  #told: ((bytes: number) => void) | undefined

  /** For `Sink.onKept`. */
  readonly onKept = (callback: (bytes: number) => void): void => {
    this.#told = callback
  }

  /** So many bytes more are kept. */
  add(bytes: number): void {
    this.reach(this.#bytes + bytes)
  }

  /** So many bytes are kept in total. */
  reach(bytes: number): void {
    if (bytes <= this.#bytes) return
    this.#bytes = bytes
    this.#told?.(bytes)
  }
}
