/** What keeps the data of a session so that it survives the process: a file, with notes beside it. */
import type { Hash } from 'node:crypto'

export interface Keeper {
  /** What it has from an earlier run: the number of bytes, and their hash. */
  readonly resumed?: { readonly offset: number; readonly hash: Hash } | undefined
  /** Takes note that everything before the offset has this SHA-256. */
  note(offset: number, sha256: string): void
  /** Resolves when it has written the bytes before the offset. */
  written(offset: number): Promise<void>
  /** Resolves when the bytes before the offset, and the notes about them, are on the disk. */
  saved(offset: number): Promise<void>
  /** Drops the bytes after the offset. It has written everything that it was given. */
  rewind(offset: number): Promise<void>
  /** The session is over. If it was successful, the peer has the receipt. */
  over(): void
}
