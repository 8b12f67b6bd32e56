/** The unfinished file of a session, open, with its notes: written at a position, and it knows who waits for one. */
import { type FileHandle, unlink } from 'node:fs/promises'
import { writeParts } from '../../stages/output-file.js'
import { TcpPipeError } from '../../text/errors.js'
import { isPart } from './part.js'
import type { SessionNotes } from './session-notes.js'

export class KeptFile {
  position: number
  readonly #part: string
  readonly #handle: FileHandle
  readonly #notes: SessionNotes
  readonly #waiting = new Set<{ readonly offset: number; resolve(): void; reject(error: Error): void }>()
  #writing: Promise<void> = Promise.resolve()
  #closed: Promise<void> | undefined

  constructor(part: string, handle: FileHandle, notes: SessionNotes, offset: number) {
    this.#part = part
    this.#handle = handle
    this.#notes = notes
    this.position = offset
  }

  write(parts: readonly Buffer[]): Promise<void> {
    const written = this.#write(parts)
    this.#writing = written.catch(() => {})
    return written
  }

  async #write(parts: readonly Buffer[]): Promise<void> {
    for await (const bytes of writeParts(this.#handle, parts, this.position)) this.position += bytes
    for (const each of this.#waiting) {
      if (each.offset > this.position) continue
      this.#waiting.delete(each)
      each.resolve()
    }
  }

  /** Resolves when the bytes before the offset are written. */
  reached(offset: number): Promise<void> {
    if (offset <= this.position) return Promise.resolve()
    if (this.#closed) return Promise.reject(closedError())
    return new Promise((resolve, reject) => this.#waiting.add({ offset, resolve, reject }))
  }

  /** Brings what precedes the offset to the disk. A file that is closed is there, or is not continued. */
  async save(offset: number): Promise<void> {
    if (!this.#closed) await this.#handle.datasync()
    if (!this.#closed) await this.#notes.save(offset)
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
    for (const { reject } of this.#waiting) reject(closedError())
    this.#waiting.clear()
    await this.#writing
    try {
      if (!isWhole && !this.#closed) await (this.position > 0 ? this.save(this.position) : this.#remove())
    } catch {
      // the reason why it is not whole says more
    } finally {
      await Promise.all([this.close(), this.#notes.close()])
    }
  }

  /** Nothing is there to continue. */
  async #remove(): Promise<void> {
    if (!(await isPart(this.#part, this.#handle))) return
    await Promise.all([unlink(this.#part), this.#notes.remove()])
  }
}

function closedError(): TcpPipeError {
  return new TcpPipeError('ERR_CLOSED', 'the file was closed')
}
