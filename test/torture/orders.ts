/** What the processes of the torture tell each other. */

/** Where the bytes of a transfer are: a part of the file that all share. */
export interface Piece {
  readonly name: string
  readonly offset: number
  readonly size: number
}

export interface SendOrder {
  readonly base: string
  readonly port: number
  /** The certificate of the receiver: sends over TLS. */
  readonly certificate?: string | undefined
  /** Files, one after the other over the same connections; a stream if there is no file. */
  readonly pieces: readonly (Piece & { readonly path?: string | undefined })[]
  readonly isMasked: boolean
  /** How many digests are wrong. */
  readonly wrong: number
}

export interface Receipted {
  readonly bytes: number
  readonly sha256: string
  readonly written?: { readonly bytes: number; readonly sha256: string } | undefined
  readonly reconnects: number
}

/** What has become of each piece: a receipt, or why there is none. */
export type Sent = readonly (Receipted | { readonly error: string })[]

export type Ports = Readonly<Record<Entrance, number>>

/** The servers of a receiver; `unmasks` has a transform. */
export type Entrance = 'plain' | 'tls' | 'unmasks'
