/**
 * The notes beside an unfinished file of a session, one JSON value per line: whose it is, the SHA-256 of everything before
 * some offsets, and, at last, that it is complete. They are compared with the file, so they need no order of their own.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import { type FileHandle, open, readFile, unlink } from 'node:fs/promises'
import { errorCode } from '../../text/errors.js'
import type { Mark } from '../session/outgoing.js'

const version = 1

/** Whose file it is. */
export interface Owner {
  readonly id: string
  readonly secret: string
}

/** What an earlier run has noted. */
export interface FoundNotes {
  readonly isOurs: boolean
  /** In ascending order. */
  readonly marks: readonly Mark[]
  /** The whole file, which was complete. */
  readonly complete: Mark | undefined
}

/** Returns the name of the notes about an unfinished file. */
export function notesName(part: string): string {
  return `${part}.session`
}

/** Reads the notes about an unfinished file. Undefined if there are none. A line that is not whole ends them. */
export async function readNotes(part: string, owner: Owner): Promise<FoundNotes | undefined> {
  const text = await readFile(notesName(part), 'utf8').catch(error => {
    if (errorCode(error) !== 'ENOENT') throw error
  })
  if (text === undefined) return undefined
  const [head, ...lines] = parsed(text)
  const marks = lines.filter(line => isMark(line)) as unknown as Mark[]
  const complete = (lines.find(line => isMark(line.complete))?.complete ?? undefined) as Mark | undefined
  return { isOurs: isOwner(head, owner), marks, complete }
}

type Line = Readonly<Record<string, unknown>>

function parsed(text: string): Line[] {
  const lines: Line[] = []
  for (const line of text.split('\n')) {
    try {
      lines.push(JSON.parse(line))
    } catch {
      break
    }
  }
  return lines
}

function isMark(value: unknown): value is Mark {
  const { offset, sha256 } = (value ?? {}) as Partial<Mark>
  return Number.isSafeInteger(offset) && typeof sha256 === 'string'
}

/** The notes have only a hash of the secret: whoever may read them cannot continue the session. */
function isOwner(head: Line | undefined, { id, secret }: Owner): boolean {
  if (head?.session !== version || head.id !== id || typeof head.secret !== 'string') return false
  const [found, own] = [Buffer.from(head.secret), Buffer.from(hashOf(secret))]
  return found.length === own.length && timingSafeEqual(found, own)
}

function hashOf(secret: string): string {
  return createHash('sha256').update(secret).digest('hex')
}

export class SessionNotes {
  readonly #path: string
  readonly #handle: FileHandle
  #lines: { readonly offset: number; readonly text: string }[] = []
  #isClosed = false

  constructor(path: string, handle: FileHandle) {
    this.#path = path
    this.#handle = handle
  }

  note(mark: Mark): void {
    this.#lines.push({ offset: mark.offset, text: lineOf(mark) })
  }

  /** Writes the notes about the bytes before the offset, and brings them to the disk. */
  async save(offset: number): Promise<void> {
    const due = this.#lines.filter(line => line.offset <= offset)
    this.#lines = this.#lines.filter(line => line.offset > offset)
    if (due.length === 0) return
    await this.#handle.appendFile(due.map(({ text }) => text).join(''))
    await this.#handle.datasync()
  }

  async complete(whole: Mark): Promise<void> {
    await this.#handle.appendFile(lineOf({ complete: whole }))
    await this.#handle.datasync()
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    await this.#handle.close()
  }

  async remove(): Promise<void> {
    await this.close()
    await unlink(this.#path).catch(() => {}) // somebody else was faster
  }
}

function lineOf(value: object): string {
  return `${JSON.stringify(value)}\n`
}

/** Begins the notes about an unfinished file, with those that are right already. */
export async function openNotes(
  part: string,
  { id, secret }: Owner,
  marks: readonly Mark[] = [],
): Promise<SessionNotes> {
  const path = notesName(part)
  const handle = await open(path, 'w', 0o600)
  await handle.appendFile([{ session: version, id, secret: hashOf(secret) }, ...marks].map(lineOf).join(''))
  return new SessionNotes(path, handle)
}
