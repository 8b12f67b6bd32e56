/**
 * A file that a session brings: what has arrived survives the process, and a sender that comes back goes on from there. It
 * gets its name only when it is whole and on the disk.
 */
import { constants } from 'node:fs'
import { type FileHandle, open, unlink } from 'node:fs/promises'
import { Writable } from 'node:stream'
import { placeOf } from '../../stages/output-file.js'
import { abortError, errorCode, TcpPipeError, toError } from '../../text/errors.js'
import { fixedPart } from '../../text/template.js'
import type { SessionSide, Sink, SinkContext } from '../endpoint.js'
import type { Keeper } from '../session/keeper.js'
import { fileSink } from './file-sink.js'
import { KeptFile } from './kept-file.js'
import {
  type Found,
  findPart,
  freePart,
  hashed,
  type Kept,
  mayBeEqual,
  nothing,
  right,
  unlinkTwin,
} from './left-part.js'
import { checkPart, claim, endedEarly, exists, ownFor } from './part.js'
import { notesName, openNotes, removeNotes, type SessionNotes } from './session-notes.js'
import { sync, withFolders } from './sync.js'

interface SessionSinkOptions {
  readonly force: boolean
  /** Aborts when the connection is over. */
  readonly signal?: AbortSignal | undefined
}

/**
 * Returns a sink that keeps the file of a session, and lets the session begin where an earlier run has stopped. A file that
 * is there, and may be the one of the sender, is compared: if it is equal, nothing is written.
 *
 * @throws `ERR_FILE_EXISTS` if the name is taken, unless `force`
 */
export async function sessionSink(
  template: string,
  connection: SinkContext & { readonly session: SessionSide },
  { force, signal }: SessionSinkOptions,
): Promise<Sink> {
  const { path, kind } = await placeOf(template, connection, true)
  if (kind === 'fifo' || kind === 'device')
    return fileSink(template, connection, { signal, session: connection.session })
  const { session } = connection
  const { hello } = session
  const release = await ownFor(path, hello.id)
  try {
    if (kind === 'directory') throw new TcpPipeError('ERR_FILE_EXISTS', `'${path}' is a directory`)
    const found = await findPart(path, hello)
    const isTaken = kind !== 'missing'
    const target = { path, force, release, fixed: fixedPart(template) }
    if (kind === 'file' && !hello.restart && (await mayBeEqual(path, hello, found?.complete)))
      return equalSink(target, await hashed(path), session, found)
    if (isTaken && !force) throw exists(path)
    if (isTaken && found) await unlinkTwin(path, found)
    if (signal?.aborted) throw abortError(signal)
    return await partSink(target, found, session)
  } catch (error) {
    release()
    throw error
  }
}

/** Where the file gets its name. */
interface Target {
  readonly path: string
  readonly force: boolean
  readonly release: () => void
  /** The part of the name before its first placeholder: its folder was there before. */
  readonly fixed: string
}

/** The file is there. If the sender has other bytes, it begins anew, and then it is taken. */
function equalSink({ path, fixed, release }: Target, kept: Kept, session: SessionSide, found: Found | undefined): Sink {
  const { offset, hash } = kept
  let isEqual = false
  const sink: Sink = new Writable({
    write: (_chunk, _encoding, callback) => callback(exists(path)),
    final(callback) {
      withFolders(path, fixed, () => syncFile(path)).then(() => {
        isEqual = session.isEnded
        if (isEqual) session.confirmWritten({ skipped: true })
        callback()
      }, callback)
    },
    destroy(error, callback) {
      release()
      callback(error)
    },
  })
  session.begin({
    resumed: { offset, hash },
    note() {},
    async written() {},
    async saved() {},
    async rewind() {
      throw exists(path)
    },
    over: () => void (isEqual && found && removeLeft(path, found)),
  })
  return Object.assign(sink, {
    isExact: true,
    report: () => ({ file: path, bytes: offset, ...(isEqual && { skipped: true }) }),
  })
}

async function syncFile(path: string): Promise<void> {
  const handle = await open(path, 'r')
  await sync(handle).finally(() => handle.close())
}

/** What a run has left that was killed between the name and the receipt. */
async function removeLeft(path: string, found: Found): Promise<void> {
  await unlinkTwin(path, found).catch(() => {}) // nobody needs it, and nobody misses it
  await removeNotes(notesName(found.part))
}

/** The unfinished file, open. */
interface Opened {
  readonly part: string
  readonly handle: FileHandle
  readonly kept: Kept
  readonly notes: SessionNotes
}

/** Opens the file of an earlier run, or a new one: one that another program makes meanwhile belongs to that. */
async function openPart(path: string, found: Found | undefined, session: SessionSide): Promise<Opened> {
  const { hello } = session
  const part = found?.part ?? (await freePart(path))
  const left = found && !hello.restart ? await openLeft(found) : undefined
  if (found && !left) await unlink(part).catch(error => ignore(error, 'ENOENT'))
  const handle = left?.handle ?? (await open(part, 'wx').catch(error => ignore(error, 'EEXIST')))
  if (!handle) return openPart(path, found, session)
  const kept = left?.kept ?? nothing()
  try {
    if (left) await handle.truncate(kept.offset)
    return { part, handle, kept, notes: await openNotes(part, hello, kept.marks) }
  } catch (error) {
    if (!left) await unlink(part)
    await handle.close()
    throw error
  }
}

/** Opens what an earlier run has left, if any of it is right. */
async function openLeft({ part, marks }: Found): Promise<{ handle: FileHandle; kept: Kept } | undefined> {
  const handle = await open(part, constants.O_RDWR | constants.O_NOFOLLOW).catch(error => ignore(error, 'ENOENT'))
  if (!handle) return undefined
  try {
    const kept = await right(handle, marks)
    if (kept.offset > 0) return { handle, kept }
  } catch (error) {
    await handle.close()
    throw error
  }
  await handle.close()
}

function ignore(error: unknown, code: string): undefined {
  if (errorCode(error) !== code) throw error
}

async function partSink(target: Target, found: Found | undefined, session: SessionSide): Promise<Sink> {
  const { path, force, release, fixed } = target
  const { part, handle, kept, notes } = await openPart(path, found, session)
  const file = new KeptFile(part, handle, notes, kept.offset)
  let current = part
  let isWhole = false

  async function complete(): Promise<void> {
    const { hello, received } = session
    if (!session.isEnded) throw endedEarly(received)
    if (file.position !== received) throw fault(`${received} bytes arrived and ${file.position} were written`)
    if (hello.mode !== undefined) await handle.chmod(hello.mode & 0o777)
    if (hello.mtime !== undefined) await handle.utimes(hello.mtime / 1000, hello.mtime / 1000)
    await handle.sync()
    await notes.complete({ offset: received, sha256: session.sha256 as string })
    await checkPart(part, handle)
    await file.close()
    await withFolders(path, fixed, () => claim(part, path, force)).catch(error => {
      throw errorCode(error) === 'EEXIST' ? exists(path) : error
    })
    current = path
    isWhole = true
  }

  const sink: Sink = new Writable({
    highWaterMark: 1024 * 1024,
    write: (chunk: Buffer, _encoding, callback) => void file.write([chunk]).then(() => callback(), callback),
    writev: (chunks, callback) => void file.write(chunks.map(({ chunk }) => chunk)).then(() => callback(), callback),
    final: callback => void complete().then(() => callback(), callback),
    destroy(error, callback) {
      void file.leave(isWhole).then(() => {
        release()
        callback(error)
      })
    },
  })
  /** What the disk has not got may be lost later, though a second attempt succeeds. */
  const failing = async (work: Promise<void>) =>
    work.catch(error => {
      sink.destroy(toError(error))
      throw error
    })
  const keeper: Keeper = {
    ...(kept.offset > 0 && { resumed: kept }),
    note: (offset, sha256) => notes.note({ offset, sha256 }),
    written: offset => file.reached(offset),
    saved: offset => failing(file.save(offset)),
    rewind: offset => failing(file.rewind(offset)),
    over: () => void (isWhole && notes.remove()),
  }
  session.begin(keeper)
  const resumed = kept.offset > 0 && { resumed: kept.offset }
  return Object.assign(sink, { isExact: true, report: () => ({ file: current, bytes: file.position, ...resumed }) })
}

function fault(message: string): TcpPipeError {
  return new TcpPipeError('ERR_SESSION', message)
}
