/** What a TLS handshake has given. */

/** The result of a TLS handshake. */
export interface TlsFacts {
  /** The version of TLS, such as `TLSv1.3`. */
  readonly protocol: string
  readonly cipher: string
  /** The application protocol that both have agreed on (ALPN). */
  readonly alpn?: string
  /** The name that the client requested (SNI), unverified. */
  readonly serverName?: string
  /** The name in the peer's certificate, if the certificate was verified. */
  readonly subject?: string
  /** False if the peer ended without close_notify. */
  readonly closeNotify?: false
}
