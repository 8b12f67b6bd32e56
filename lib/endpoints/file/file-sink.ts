/** A file as a sink: writes NAME.part, which gets its final name when complete, without overwriting. */

import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { access, type FileHandle, open, stat, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { Writable } from 'node:stream'
import { HandleFile, notFollowed, type OutputFile, openOutput, placeOf } from '../../stages/output-file.js'
import { abortError, errorCode, errorMessage, TcpPipeError } from '../../text/errors.js'
import { fixedPart, isTemplate, wrongPlaceholder } from '../../text/template.js'
import type { SessionSide, Sink, SinkContext } from '../endpoint.js'
import { Kept } from '../kept.js'
import { checkPart, claim, endedEarly, exists, own, partName } from './part.js'
import { withFolders } from './sync.js'

export interface FileSinkOptions {
  /** Appends to the file, or creates it, without `.part`. Default: false. */
  append?: boolean | undefined
  /** Replaces an existing file. Default: false. */
  force?: boolean | undefined
  /** Aborts when the connection is over. A partial file that opens later than that is removed, since nobody reports it. */
  signal?: AbortSignal | undefined
  /** The session that brings the data, through stages: the file is on the disk before the sender gets its receipt. */
  session?: SessionSide | undefined
  /** The file is on the disk when the sink finishes; with `append`, `onKept` also tells before. Default: with a session. */
  durable?: boolean | undefined
}

/**
 * Returns a sink that writes the file of one connection. After `finish`, the file is closed and has its name. After a
 * failure, NAME.part remains; NAME.2.part, NAME.3.part … if that exists already. Devices and FIFOs are written directly;
 * a FIFO takes the data when it has a reader.
 *
 * @throws `ERR_FILE_EXISTS` if the name is taken, unless `force` or `append`, or if it is a link, unless `force`
 */
export async function fileSink(
  template: string,
  connection: SinkContext,
  { append = false, force = false, signal, session, durable = session !== undefined }: FileSinkOptions = {},
): Promise<Sink> {
  const place = await placeOf(template, connection, true)
  const { path, kind } = place
  if (kind === 'directory') throw new TcpPipeError('ERR_FILE_EXISTS', `'${path}' is a directory`)
  if (append || kind === 'fifo' || kind === 'device') {
    const file = await openOutput(place, append ? 'append' : 'replace')
    const isFile = kind === 'file' || kind === 'missing'
    const named = (sync: () => Promise<void>) => withFolders(path, fixedPart(template), sync)
    const sink = writer(path, file, async () => {
      await file.opened()
      if (durable && isFile) await named(() => (file as HandleFile).handle.sync())
      await file.close()
      return path
    })
    return durable && isFile ? keptOnDisk(sink, file as HandleFile, named) : sink
  }
  if (kind !== 'missing' && !force) throw exists(path)
  return partSink(path, { template, force, signal, session, durable })
}

/**
 * Checks what `fileSink` will need, as far as it does not depend on a connection. Creates nothing.
 *
 * @throws `ERR_OPTION` for an unknown placeholder, or a file or a folder that cannot be written; `ERR_FILE_EXISTS` if the
 * name is taken, unless `force` or `append`
 */
export async function checkFileSink(template: string, { append, force }: FileSinkOptions = {}): Promise<void> {
  const wrong = wrongPlaceholder(template)
  if (wrong) throw fault(template, wrong)
  if (isTemplate(template)) return checkFolder(template, dirname(`${fixedPart(template)}x`))
  if (template.endsWith('/')) throw fault(template, 'this is a folder; expected the name of a file')
  const { kind } = await placeOf(template).catch(error => {
    throw fault(template, errorMessage(error), error)
  })
  if (kind === 'directory') throw fault(template, 'this is a folder; expected the name of a file')
  if (kind === 'fifo' || kind === 'device') return
  if (kind === 'link' && append) throw notFollowed(template)
  if (kind !== 'missing' && !force && !append) throw exists(template)
  if (append && kind === 'file') await checkAccess(template, template, constants.W_OK)
  else await checkFolder(template, dirname(template))
}

/** Checks that files can be made in a folder, and that it can be made if it is missing. */
async function checkFolder(template: string, folder: string): Promise<void> {
  const stats = await stat(folder).catch(error => {
    if (errorCode(error) !== 'ENOENT') throw fault(template, errorMessage(error), error)
  })
  if (!stats) return checkFolder(template, dirname(folder))
  if (!stats.isDirectory()) throw fault(template, `'${folder}' is no folder`)
  await checkAccess(template, folder, constants.W_OK | constants.X_OK)
}

function checkAccess(template: string, path: string, mode: number): Promise<void> {
  return access(path, mode).catch(error => {
    throw fault(template, errorMessage(error), error)
  })
}

function fault(template: string, message: string, cause?: unknown): TcpPipeError {
  return new TcpPipeError('ERR_OPTION', `'${template}' cannot be written: ${message}`, { cause })
}

interface PartOptions extends FileSinkOptions {
  readonly template: string
  readonly force: boolean
}

async function partSink(path: string, { template, force, signal, session, durable }: PartOptions): Promise<Sink> {
  const release = own(path)
  try {
    const { part, handle } = await openPart(path)
    if (signal?.aborted) {
      await discard(part, handle)
      throw abortError(signal)
    }
    const file = session ? new DigestFile(handle, part) : new HandleFile(handle, part)
    const complete = async () => {
      try {
        if (session && !session.isEnded) throw endedEarly(session.received)
        if (durable) await handle.sync()
        await checkPart(part, handle)
        await file.close()
        if (durable) await withFolders(path, fixedPart(template), () => claim(part, path, force))
        else await claim(part, path, force)
        if (file instanceof DigestFile) session?.confirmWritten({ written: file.written })
        return path
      } catch (error) {
        throw errorCode(error) === 'EEXIST' ? exists(path) : error
      }
    }
    return writer(part, file, complete, release)
  } catch (error) {
    release()
    throw error
  }
}

/** Opens a file of its own for each writer: one that exists belongs to another process, or to somebody who needs it. */
async function openPart(path: string, number = 1): Promise<{ part: string; handle: FileHandle }> {
  const part = partName(path, number)
  const handle = await open(part, 'wx').catch(error => {
    if (errorCode(error) !== 'EEXIST') throw error
  })
  return handle ? { part, handle } : openPart(path, number + 1)
}

/** A file that knows what it has. */
class DigestFile extends HandleFile {
  readonly #hash = createHash('sha256')

  override async write(...parts: readonly Uint8Array[]): Promise<void> {
    for (const part of parts) this.#hash.update(part)
    await super.write(...parts)
  }

  get written(): { readonly bytes: number; readonly sha256: string } {
    return { bytes: this.bytes, sha256: this.#hash.copy().digest('hex') }
  }
}

async function discard(part: string, handle: FileHandle): Promise<void> {
  try {
    await checkPart(part, handle)
    await unlink(part)
  } finally {
    await handle.close()
  }
}

/** `complete` returns the final name. */
function writer(name: string, file: OutputFile, complete: () => Promise<string>, release = () => {}): Sink {
  let current = name
  const sink = new Writable({
    highWaterMark: 1024 * 1024,
    write(chunk: Buffer, _encoding, callback) {
      file.write(chunk).then(() => callback(), callback)
    },
    writev(chunks, callback) {
      file.write(...chunks.map(({ chunk }) => chunk)).then(() => callback(), callback)
    },
    final(callback) {
      complete().then(path => {
        current = path
        callback()
      }, callback)
    },
    destroy(error, callback) {
      release()
      file.close().then(() => callback(error), callback)
    },
  })
  return Object.assign(sink, { releases: true, report: () => ({ file: current, bytes: file.bytes }) })
}

/**
 * Tells what is on the disk. While one `fdatasync` runs, what is written waits for the next one. The first one brings the
 * name of the file there, too: `named` does that after the data.
 */
function keptOnDisk(sink: Sink, file: HandleFile, named: (sync: () => Promise<void>) => Promise<void>): Sink {
  const kept = new Kept()
  let isSyncing = false
  const data = () => file.handle.datasync()
  let save = () => named(data)
  const sync = async (): Promise<void> => {
    const { bytes } = file
    await save()
    save = data
    kept.reach(bytes)
    if (file.bytes > bytes && !sink.writableEnded) await sync() // before its end, the sink itself syncs
  }
  const written = () => {
    if (isSyncing) return
    isSyncing = true
    sync().then(
      () => {
        isSyncing = false
      },
      error => void sink.destroy(error),
    )
  }
  return Object.assign(sink, {
    onKept(callback: (bytes: number) => void) {
      file.onWritten = written
      kept.onKept(callback)
    },
  })
}
