/** What a stage and a log line know of the connection that they belong to. */
export interface ConnectionInfo {
  /** Short, unique over restarts, sorts by time. */
  readonly id: string
  /** The peer's address, or the path of a unix socket. */
  readonly remote: string
  /** The peer's port; undefined for a unix socket. */
  readonly port: number | undefined
  /** Which of the connection's two pipelines a stage stands in. */
  readonly direction: 'forward' | 'reply'
}
