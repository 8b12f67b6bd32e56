/** What an earlier run of a session has left: its unfinished file, and how much of it is right. */
import { createHash, type Hash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { lstat, stat } from 'node:fs/promises'
import { errorCode } from '../../text/errors.js'
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
  return notes || (await isThere(part)) ? findPart(path, owner, number + 1) : undefined
}

/** The name of an unfinished file that nobody has. */
export async function freePart(path: string, number = 1): Promise<string> {
  const part = partName(path, number)
  return (await isThere(part)) || (await isThere(notesName(part))) ? freePart(path, number + 1) : part
}

async function isThere(path: string): Promise<boolean> {
  const stats = await lstat(path).catch(error => {
    if (errorCode(error) !== 'ENOENT') throw error
  })
  return stats !== undefined
}

export async function mayBeEqual(path: string, size: number | undefined, complete: Mark | undefined): Promise<boolean> {
  const { size: found } = await stat(path)
  return found === size || found === complete?.offset
}

/** Hashes a file, and returns what of it is right: up to the last mark that agrees. */
export async function right(part: string, marks: readonly Mark[]): Promise<Kept> {
  let last = nothing()
  const hash = createHash('sha256')
  const left = [...marks].sort((a, b) => a.offset - b.offset)
  const end = left.at(-1)?.offset ?? 0
  let offset = 0
  if (end === 0 || !(await isThere(part))) return last
  for await (const chunk of createReadStream(part, { end: end - 1, highWaterMark: readSize })) {
    for (let at = 0; at < chunk.length; ) {
      const next = left[0]
      if (!next) return last
      const bytes = chunk.subarray(at, at + next.offset - offset)
      hash.update(bytes)
      at += bytes.length
      offset += bytes.length
      if (offset < next.offset) continue
      left.shift()
      if (hash.copy().digest('hex') !== next.sha256) return last
      last = { offset, hash: hash.copy(), marks: [...last.marks, next] }
    }
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
