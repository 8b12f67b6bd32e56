/** A file as a sink: writes NAME.part, which gets its final name when complete, without overwriting. */

import { type FileHandle, link, lstat, open, rename, unlink } from 'node:fs/promises'
import { resolve } from 'node:path'
import { Writable } from 'node:stream'
import { HandleFile, type OutputFile, openOutput, placeOf } from '../../stages/output-file.js'
import { abortError, errorCode, TcpPipeError } from '../../text/errors.js'
import type { Sink, SinkContext } from '../endpoint.js'

export interface FileSinkOptions {
  /** Appends to the file, or creates it, without `.part`. Default: false. */
  append?: boolean | undefined
  /** Replaces an existing file. Default: false. */
  force?: boolean | undefined
  /** Aborts when the connection is over. A partial file that opens later than that is removed, since nobody reports it. */
  signal?: AbortSignal | undefined
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
  { append = false, force = false, signal }: FileSinkOptions = {},
): Promise<Sink> {
  const place = await placeOf(template, connection, true)
  const { path, kind } = place
  if (kind === 'directory') throw new TcpPipeError('ERR_FILE_EXISTS', `'${path}' is a directory`)
  if (append || kind === 'fifo' || kind === 'device') {
    const file = await openOutput(place, append ? 'append' : 'replace')
    return writer(path, file, async () => {
      await file.opened()
      await file.close()
      return path
    })
  }
  if (kind !== 'missing' && !force) throw exists(path)
  return partSink(path, force, signal)
}

/** The files that this process writes. */
const writing = new Set<string>()

async function partSink(path: string, force: boolean, signal: AbortSignal | undefined): Promise<Sink> {
  const name = resolve(path)
  if (writing.has(name)) throw exists(path)
  writing.add(name)
  const release = () => void writing.delete(name)
  try {
    const { part, handle } = await openPart(path)
    if (signal?.aborted) {
      await discard(part, handle)
      throw abortError(signal)
    }
    const file = new HandleFile(handle)
    const complete = async () => {
      try {
        await checkPart(part, handle)
        await file.close()
        await claim(part, path, force)
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
  const part = number === 1 ? `${path}.part` : `${path}.${number}.part`
  const handle = await open(part, 'wx').catch(error => {
    if (errorCode(error) !== 'EEXIST') throw error
  })
  return handle ? { part, handle } : openPart(path, number + 1)
}

async function discard(part: string, handle: FileHandle): Promise<void> {
  try {
    await checkPart(part, handle)
    await unlink(part)
  } finally {
    await handle.close()
  }
}

/** Checks that the name still belongs to the file that was written. */
async function checkPart(part: string, handle: FileHandle): Promise<void> {
  const [written, found] = await Promise.all([handle.stat({ bigint: true }), lstat(part, { bigint: true })])
  if (written.dev === found.dev && written.ino === found.ino) return
  throw new TcpPipeError('ERR_FILE_REPLACED', `'${part}' is not the file that was written: another program replaced it`)
}

/** Uses `link`, which fails where `rename` overwrites. */
async function claim(part: string, path: string, force: boolean): Promise<void> {
  if (force) return rename(part, path)
  await link(part, path)
  await unlink(part)
}

/** `complete` returns the final name. */
function writer(name: string, file: OutputFile, complete: () => Promise<string>, release = () => {}): Sink {
  let current = name
  const sink = new Writable({
    highWaterMark: 256 * 1024,
    write(chunk: Buffer, _encoding, callback) {
      file.write(chunk).then(() => callback(), callback)
    },
    writev(chunks, callback) {
      file.write(Buffer.concat(chunks.map(({ chunk }) => chunk))).then(() => callback(), callback)
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
  return Object.assign(sink, { report: () => ({ file: current, bytes: file.bytes }) })
}

function exists(path: string): TcpPipeError {
  return new TcpPipeError(
    'ERR_FILE_EXISTS',
    `'${path}' exists; it is replaced only with force, and added to with append`,
  )
}
