/** The unfinished file of a session, open, with its notes: written at a position, and it knows who waits for one. */
import { type FileHandle, unlink } from 'node:fs/promises'
import { TcpPipeError } from '../../text/errors.js'
import type { SessionNotes } from './session-notes.js'

export class KeptFile {
  position: number
  readonly #part: string
  readonly #handle: FileHandle
  readonly #notes: SessionNotes
  readonly #waiting = new Set<{ readonly offset: number; resolve(): void; reject(error: Error): void }>()
  #closed: Promise<void> | undefined

  constructor(part: string, handle: FileHandle, notes: SessionNotes, offset: number) {
    this.#part = part
    this.#handle = handle
    this.#notes = notes
    this.position = offset
  }

  async write(parts: readonly Buffer[]): Promise<void> {
    for (let left = parts; left.length > 0; ) {
      const { bytesWritten } = await this.#handle.writev(left, this.position)
      this.position += bytesWritten
      left = after(left, bytesWritten)
    }
    for (const each of this.#waiting) {
      if (each.offset > this.position) continue
      this.#waiting.delete(each)
      each.resolve()
    }
  }

  /** Resolves when the bytes before the offset are written. */
  reached(offset: number): Promise<void> {
    if (offset <= this.position) return Promise.resolve()
    return new Promise((resolve, reject) => this.#waiting.add({ offset, resolve, reject }))
  }

  async save(offset: number): Promise<void> {
    await Promise.all([this.#handle.datasync(), this.#notes.save(offset)])
  }

  async rewind(offset: number): Promise<void> {
    await this.#handle.truncate(offset)
    this.position = offset
  }

  close(): Promise<void> {
    this.#closed ??= this.#handle.close()
    return this.#closed
  }

  /** What is known of an unfinished file stays, for a sender that comes back. */
  async leave(isWhole: boolean): Promise<void> {
    const error = new TcpPipeError('ERR_CLOSED', 'the file was closed')
    for (const { reject } of this.#waiting) reject(error)
    this.#waiting.clear()
    const isEmpty = !isWhole && this.position === 0
    try {
      if (isEmpty) await Promise.all([unlink(this.#part), this.#notes.remove()])
      else if (!isWhole) await this.#notes.save(this.position)
    } finally {
      await Promise.all([this.close(), this.#notes.close()])
    }
  }
}

/** What is left of buffers after some bytes. */
function after(parts: readonly Buffer[], taken: number): readonly Buffer[] {
  let left = taken
  const first = parts.findIndex(part => {
    if (part.length > left) return true
    left -= part.length
    return false
  })
  if (first < 0) return []
  return [(parts[first] as Buffer).subarray(left), ...parts.slice(first + 1)]
}
