/**
 * A file that a session brings: what has arrived survives the process, and a sender that comes back goes on from there. It
 * gets its name only when it is whole and on the disk.
 */
import { open } from 'node:fs/promises'
import { Writable } from 'node:stream'
import { placeOf } from '../../stages/output-file.js'
import { errorCode, TcpPipeError } from '../../text/errors.js'
import { fixedPart } from '../../text/template.js'
import type { SessionSide, Sink, SinkContext } from '../endpoint.js'
import type { Keeper } from '../session/keeper.js'
import { KeptFile } from './kept-file.js'
import { findPart, freePart, hashed, type Kept, mayBeEqual, nothing, right } from './left-part.js'
import { checkPart, claim, exists, own } from './part.js'
import { openNotes } from './session-notes.js'
import { syncFolders } from './sync.js'

interface SessionSinkOptions {
  readonly force: boolean
}

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
  const file = new KeptFile(part, handle, notes, kept.offset)
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
