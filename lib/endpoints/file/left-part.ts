/** What an earlier run of a session has left: its unfinished file, and how much of it is right. */
import { createHash, type Hash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { type FileHandle, lstat, stat, unlink } from 'node:fs/promises'
import { errorCode } from '../../text/errors.js'
import type { Hello } from '../session/hello.js'
import type { Mark } from '../session/outgoing.js'
import { partName } from './part.js'
import { notesName, type Owner, readNotes } from './session-notes.js'

/** What is there of the file: the bytes that are right, their hash, and the marks before them. */
export interface Kept {
  readonly offset: number
  readonly hash: Hash
  readonly marks: readonly Mark[]
}

export const nothing = (): Kept => ({ offset: 0, hash: createHash('sha256'), marks: [] })

/** The unfinished file of an earlier run of a session. */
export interface Found {
  readonly part: string
  readonly marks: readonly Mark[]
  readonly complete: Mark | undefined
}

/** Finds the unfinished file of an earlier run of the session. */
export async function findPart(path: string, owner: Owner, number = 1): Promise<Found | undefined> {
  const part = partName(path, number)
  const notes = await readNotes(part, owner)
  if (notes?.isOurs) {
    const { marks, complete } = notes
    return { part, marks: complete ? [...marks, complete] : marks, complete }
  }
  return notes || (await statsOf(part)) ? findPart(path, owner, number + 1) : undefined
}

/** The name of an unfinished file that nobody has. */
export async function freePart(path: string, number = 1): Promise<string> {
  const part = partName(path, number)
  return (await statsOf(part)) || (await statsOf(notesName(part))) ? freePart(path, number + 1) : part
}

function statsOf(path: string) {
  return lstat(path).catch(error => {
    if (errorCode(error) !== 'ENOENT') throw error
  })
}

/**
 * Whether a file may be the one of the sender: because an earlier run of the session has completed it, or by its size, if
 * the sender can read again.
 */
export async function mayBeEqual(
  path: string,
  { rereadable, size }: Pick<Hello, 'rereadable' | 'size'>,
  complete: Mark | undefined,
): Promise<boolean> {
  const { size: found } = await stat(path)
  return found === complete?.offset || (rereadable && (size ?? found) === found)
}

/** Removes the former name of a file that has its final one: a run was killed between the two. */
export async function unlinkTwin(path: string, { part }: Found): Promise<void> {
  const [whole, left] = await Promise.all([statsOf(path), statsOf(part)])
  if (whole && left && whole.dev === left.dev && whole.ino === left.ino) await unlink(part)
}

/** Hashes a file, and returns what of it is right: up to the last mark that agrees. The file stays open. */
export async function right(handle: FileHandle, marks: readonly Mark[]): Promise<Kept> {
  let last = nothing()
  const hash = createHash('sha256')
  const buffer = Buffer.allocUnsafe(readSize)
  let offset = 0
  for (const mark of [...marks].sort((a, b) => a.offset - b.offset)) {
    while (offset < mark.offset) {
      const { bytesRead } = await handle.read(buffer, 0, Math.min(readSize, mark.offset - offset), offset)
      if (bytesRead === 0) return last
      hash.update(buffer.subarray(0, bytesRead))
      offset += bytesRead
    }
    if (hash.copy().digest('hex') !== mark.sha256) return last
    last = { offset, hash: hash.copy(), marks: [...last.marks, mark] }
  }
  return last
}

const readSize = 512 * 1024

export async function hashed(path: string): Promise<Kept> {
  const hash = createHash('sha256')
  let offset = 0
  for await (const chunk of createReadStream(path, { highWaterMark: readSize })) {
    hash.update(chunk)
    offset += chunk.length
  }
  return { offset, hash, marks: [] }
}
