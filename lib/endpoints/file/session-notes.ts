/**
 * The notes beside an unfinished file of a session, one JSON value per line: whose it is, the SHA-256 of everything before
 * some offsets, and, at last, that it is complete. They are compared with the file, so they need no order of their own.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, open, rename, unlink } from 'node:fs/promises'
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
  readonly marks: readonly Mark[]
  /** The whole file, which was complete. */
  readonly complete: Mark | undefined
}

/** The first line has fewer bytes, and all notes have: a file that has more is none of ours. */
const longest = { head: 512, notes: 64 * 1024 * 1024 } as const

/** Returns the name of the notes about an unfinished file. */
export function notesName(part: string): string {
  return `${part}.session`
}

/**
 * Reads the notes about an unfinished file. Undefined if there are none. A line that is not whole ends them. A file that
 * cannot be read is not ours: a peer may have sent a file with such a name.
 */
export async function readNotes(part: string, owner: Owner): Promise<FoundNotes | undefined> {
  try {
    const handle = await open(notesName(part), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    try {
      return await read(handle, owner)
    } finally {
      await handle.close()
    }
  } catch (error) {
    return errorCode(error) === 'ENOENT' ? undefined : others
  }
}

const others: FoundNotes = { isOurs: false, marks: [], complete: undefined }

async function read(handle: FileHandle, owner: Owner): Promise<FoundNotes> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(longest.head), 0, longest.head, 0)
  const [head] = parsed(buffer.toString('utf8', 0, bytesRead))
  if (!isOwner(head, owner) || (await handle.stat()).size > longest.notes) return others
  const [, ...lines] = parsed(await handle.readFile('utf8'))
  const marks = lines.filter(line => isMark(line)) as unknown as Mark[]
  const complete = lines.find(line => isMark(line.complete))?.complete as Mark | undefined
  return { isOurs: true, marks, complete }
}

type Line = Readonly<Record<string, unknown>>

function parsed(text: string): Line[] {
  const lines: Line[] = []
  for (const line of text.split('\n')) {
    try {
      lines.push(Object(JSON.parse(line)))
    } catch {
      break
    }
  }
  return lines
}

function isMark(value: unknown): value is Mark {
  const { offset, sha256 } = (value ?? {}) as Partial<Mark>
  return Number.isSafeInteger(offset) && (offset as number) >= 0 && typeof sha256 === 'string'
}

/** The notes have only a hash of the secret: their reader cannot continue the session. */
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
  #marks: Mark[] = []
  /** The offset of the last one that is written. */
  #last: number
  #isClosed = false

  constructor(path: string, handle: FileHandle, last: number) {
    this.#path = path
    this.#handle = handle
    this.#last = last
  }

  note(mark: Mark): void {
    if (mark.offset > (this.#marks.at(-1)?.offset ?? this.#last)) this.#marks.push(mark)
  }

  /** Writes the notes about the bytes before the offset, and brings them to the disk. */
  async save(offset: number): Promise<void> {
    const due = this.#marks.filter(mark => mark.offset <= offset)
    this.#marks = this.#marks.filter(mark => mark.offset > offset)
    if (due.length === 0) return
    const last = due.at(-1) as Mark
    const lines = due.filter(mark => mark === last || this.#isFar(mark.offset)).map(lineOf)
    this.#last = last.offset
    await this.#handle.appendFile(lines.join(''))
    await this.#handle.datasync()
  }

  /** A sender decides how many checks it sends. The notes stay small all the same. */
  #isFar(offset: number): boolean {
    if (offset - this.#last < Math.max(closest, offset / parts)) return false
    this.#last = offset
    return true
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
    await removeNotes(this.#path)
  }
}

/** The minimum distance of two notes: this number of bytes, and this fraction of the offset. */
const closest = 64 * 1024
const parts = 8192

function lineOf(value: object): string {
  return `${JSON.stringify(value)}\n`
}

/** Removes notes. Another process may have removed them before. */
export async function removeNotes(path: string): Promise<void> {
  await unlink(path).catch(() => {})
}

/** Begins the notes about an unfinished file, with those that are right already. Those of an earlier run stay until then. */
export async function openNotes(
  part: string,
  { id, secret }: Owner,
  marks: readonly Mark[] = [],
): Promise<SessionNotes> {
  const path = notesName(part)
  const fresh = `${path}.${randomBytes(8).toString('hex')}.new` // a name that no sender can have given to its file
  const handle = await open(fresh, 'ax', 0o600)
  try {
    await handle.appendFile([{ session: version, id, secret: hashOf(secret) }, ...marks].map(lineOf).join(''))
    await rename(fresh, path)
  } catch (error) {
    await Promise.all([handle.close(), removeNotes(fresh)])
    throw error
  }
  return new SessionNotes(path, handle, marks.at(-1)?.offset ?? 0)
}
