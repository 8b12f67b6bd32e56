/** The last lines of a log. */

export interface Line {
  readonly sequence: number
  /** Milliseconds since 1970. */
  readonly time: number
  readonly level: string
  readonly text: string
}

export interface Lines {
  readonly lines: readonly Line[]
  /** The number of lines after the one that was asked for that are not kept any more. */
  readonly dropped: number
}

const mostLines = 200
const longestLine = 1000

export class LogLines {
  readonly #lines: Line[] = []
  #sequence = 0

  /** The sequence number of the last line. */
  get last(): number {
    return this.#sequence
  }

  add(level: string, text: string, time = Date.now()): void {
    const short = text.length > longestLine ? `${text.slice(0, longestLine)}…` : text
    this.#lines.push({ sequence: ++this.#sequence, time, level, text: short })
    if (this.#lines.length > mostLines) this.#lines.shift()
  }

  after(sequence: number): Lines {
    const lines = this.#lines.filter(line => line.sequence > sequence)
    return { lines, dropped: Math.max(0, this.#sequence - sequence - lines.length) }
  }
}
