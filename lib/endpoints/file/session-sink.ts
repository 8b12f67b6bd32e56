/**
 * A file that a session brings: what has arrived survives the process, and a sender that comes back goes on from there. It
 * gets its name only when it is whole and on the disk.
 */
import { createHash, type Hash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { type FileHandle, lstat, open, stat, unlink } from 'node:fs/promises'
import { Writable } from 'node:stream'
import { placeOf } from '../../stages/output-file.js'
import { errorCode, TcpPipeError } from '../../text/errors.js'
import { fixedPart } from '../../text/template.js'
import type { SessionSide, Sink, SinkContext } from '../endpoint.js'
import type { Keeper } from '../session/keeper.js'
import type { Mark } from '../session/outgoing.js'
import { checkPart, claim, exists, own, partName } from './part.js'
import { openNotes, readNotes, type SessionNotes } from './session-notes.js'
import { syncFolders } from './sync.js'

interface SessionSinkOptions {
  readonly force: boolean
}

/** What is there of the file: the bytes that are right, their hash, and the marks before them. */
interface Kept {
  readonly offset: number
  readonly hash: Hash
  readonly marks: readonly Mark[]
}

const nothing = (): Kept => ({ offset: 0, hash: createHash('sha256'), marks: [] })

/**
 * Returns a sink that keeps the file of a session, and lets the session begin where an earlier run has stopped. A file that
 * is there and has the size that the sender announces is compared: if it is equal, nothing is written.
 *
 * @throws `ERR_FILE_EXISTS` if the name is taken, unless `force`
 */
export async function sessionSink(
  template: string,
  connection: SinkContext & { readonly session: SessionSide },
  { force }: SessionSinkOptions,
): Promise<Sink> {
  const { path, kind } = await placeOf(template, connection, true)
  const release = own(path)
  try {
    const { session } = connection
    const { hello } = session
    const found = await findPart(path, hello)
    const isTaken = kind !== 'missing'
    if (kind === 'directory') throw new TcpPipeError('ERR_FILE_EXISTS', `'${path}' is a directory`)
    if (isTaken && !hello.restart && kind === 'file' && (await mayBeEqual(path, hello.size, found?.complete)))
      return equalSink(path, await hashed(path), session, release)
    if (isTaken && !force) throw exists(path)
    const kept = found && !hello.restart ? await right(found.part, found.marks) : nothing()
    return await partSink(path, found?.part ?? (await freePart(path)), kept, session, {
      force,
      release,
      fixed: fixedPart(template),
    })
  } catch (error) {
    release()
    throw error
  }
}

interface Found {
  readonly part: string
  readonly marks: readonly Mark[]
  readonly complete: Mark | undefined
}

/** Finds the unfinished file of an earlier run of the session. */
async function findPart(path: string, owner: SessionSide['hello'], number = 1): Promise<Found | undefined> {
  const part = partName(path, number)
  const notes = await readNotes(part, owner)
  if (notes?.isOurs) {
    const { marks, complete } = notes
    return { part, marks: complete ? [...marks, complete] : marks, complete }
  }
  return notes || (await isThere(part)) ? findPart(path, owner, number + 1) : undefined
}

/** The name of an unfinished file that nobody has. */
async function freePart(path: string, number = 1): Promise<string> {
  const part = partName(path, number)
  return (await isThere(part)) || (await isThere(`${part}.session`)) ? freePart(path, number + 1) : part
}

async function isThere(path: string): Promise<boolean> {
  const stats = await lstat(path).catch(error => {
    if (errorCode(error) !== 'ENOENT') throw error
  })
  return stats !== undefined
}

async function mayBeEqual(path: string, size: number | undefined, complete: Mark | undefined): Promise<boolean> {
  const { size: found } = await stat(path)
  return found === size || found === complete?.offset
}

/** Hashes a file, and returns what of it is right: up to the last mark that agrees. */
async function right(part: string, marks: readonly Mark[]): Promise<Kept> {
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

async function hashed(path: string): Promise<Kept> {
  const hash = createHash('sha256')
  let offset = 0
  for await (const chunk of createReadStream(path, { highWaterMark: readSize })) {
    hash.update(chunk)
    offset += chunk.length
  }
  return { offset, hash, marks: [] }
}

/** The file is there. If the sender has other bytes, it begins anew, and then it is taken. */
function equalSink(path: string, { offset, hash }: Kept, session: SessionSide, release: () => void): Sink {
  const sink: Sink = new Writable({
    write: (_chunk, _encoding, callback) => callback(exists(path)),
    final(callback) {
      session.confirmWritten({ skipped: true })
      callback()
    },
    destroy(error, callback) {
      release()
      callback(error)
    },
  })
  const keeper: Keeper = {
    resumed: { offset, hash },
    note() {},
    async written() {},
    async saved() {},
    async rewind() {
      throw exists(path)
    },
    over: () => void removeLeftNotes(path, session),
  }
  session.begin(keeper)
  return Object.assign(sink, { report: () => ({ file: path, bytes: offset, skipped: true }) })
}

/** Those of a run that was killed between the name and the receipt. */
async function removeLeftNotes(path: string, { hello }: SessionSide): Promise<void> {
  const found = await findPart(path, hello).catch(() => undefined)
  if (found) await (await openNotes(found.part, hello)).remove()
}

interface PartOptions {
  readonly force: boolean
  readonly release: () => void
  /** The part of the name before its first placeholder: its folder was there before. */
  readonly fixed: string
}

async function partSink(
  path: string,
  part: string,
  kept: Kept,
  session: SessionSide,
  { force, release, fixed }: PartOptions,
): Promise<Sink> {
  const notes = await openNotes(part, session.hello, kept.marks)
  const handle = await open(part, kept.offset > 0 ? 'r+' : 'w').catch(async error => {
    await notes.remove()
    throw error
  })
  const file = new KeptFile(part, handle, notes, kept)
  let current = part
  let isWhole = false

  async function complete(): Promise<void> {
    const { hello, received } = session
    if (file.position !== received)
      throw new TcpPipeError('ERR_SESSION', `${received} bytes arrived and ${file.position} were written`)
    if (hello.size !== undefined && hello.size !== received)
      throw new TcpPipeError('ERR_SESSION', `truncated: the sender announced ${hello.size} bytes, and sent ${received}`)
    if (hello.mode !== undefined) await handle.chmod(hello.mode & 0o777)
    if (hello.mtime !== undefined) await handle.utimes(hello.mtime / 1000, hello.mtime / 1000)
    await handle.sync()
    await notes.complete({ offset: received, sha256: session.sha256 as string })
    await checkPart(part, handle)
    await file.close()
    await claim(part, path, force).catch(error => {
      throw errorCode(error) === 'EEXIST' ? exists(path) : error
    })
    await syncFolders(path, fixed)
    current = path
    isWhole = true
  }

  const sink: Sink = new Writable({
    highWaterMark: 1024 * 1024,
    write: (chunk: Buffer, _encoding, callback) => void file.write([chunk]).then(() => callback(), callback),
    writev: (chunks, callback) => void file.write(chunks.map(({ chunk }) => chunk)).then(() => callback(), callback),
    final: callback => void complete().then(() => callback(), callback),
    destroy(error, callback) {
      release()
      file.leave(isWhole).then(() => callback(error), callback)
    },
  })
  const keeper: Keeper = {
    ...(kept.offset > 0 && { resumed: kept }),
    note: (offset, sha256) => notes.note({ offset, sha256 }),
    written: offset => file.reached(offset),
    saved: offset => file.save(offset),
    rewind: offset => file.rewind(offset),
    over: () => void (isWhole && notes.remove()),
  }
  if (kept.offset > 0) await handle.truncate(kept.offset)
  session.begin(keeper)
  const resumed = kept.offset > 0 && { resumed: kept.offset }
  return Object.assign(sink, { report: () => ({ file: current, bytes: file.position, ...resumed }) })
}

/** An open file that is written at a position, and knows who waits for it. */
class KeptFile {
  position: number
  readonly #part: string
  readonly #handle: FileHandle
  readonly #notes: SessionNotes
  readonly #waiting = new Set<{ readonly offset: number; resolve(): void; reject(error: Error): void }>()
  #closed: Promise<void> | undefined

  constructor(part: string, handle: FileHandle, notes: SessionNotes, { offset }: Kept) {
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
