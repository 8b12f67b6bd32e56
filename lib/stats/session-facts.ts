/** Facts about a reliable session, for the summary and the log. */
export interface SessionFacts {
  /** The name that the sender gives to its data. */
  readonly name?: string
  /** The number of connections after the first one. */
  readonly reconnects: number
}
