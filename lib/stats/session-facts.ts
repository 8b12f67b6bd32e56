/** Facts about a reliable session, for the summary and the log. */
export interface SessionFacts {
  /** The name that the sender gives to its data. */
  readonly name?: string
  /** The number of connections after the first one. */
  readonly reconnects: number
  /** The SHA-256 of a complete transfer, in hex. */
  readonly sha256?: string
  /** What the receiver has written, if its transforms have changed it; for the sender. */
  readonly written?: { readonly bytes: number; readonly sha256: string }
  /** The receiver had an equal file already; for the sender. */
  readonly skipped?: true
}
