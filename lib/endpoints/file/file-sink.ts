/** A file as a sink: writes NAME.part, which gets its final name when complete, without overwriting. */

import type { Stats } from 'node:fs'
import { type FileHandle, link, lstat, mkdir, open, realpath, rename, stat, unlink } from 'node:fs/promises'
import { dirname, join, relative, resolve } from 'node:path'
import { Writable } from 'node:stream'
import { errorCode, TcpPipeError } from '../../text/errors.js'
import { expandTemplate } from '../../text/template.js'
import type { Sink, SinkContext } from '../endpoint.js'

export interface FileSinkOptions {
  /** Appends to the file, or creates it, without `.part`. Default: false. */
  append?: boolean | undefined
  /** Replaces an existing file. Default: false. */
  force?: boolean | undefined
}

/**
 * Returns a sink that writes the file of one connection. After `finish`, the file is closed and has its name. After a
 * failure, NAME.part remains; NAME.2.part, NAME.3.part … if that exists already.
 *
 * @throws `ERR_FILE_EXISTS` if the name is taken, unless `force` or `append`
 */
export async function fileSink(
  template: string,
  connection: SinkContext,
  options: FileSinkOptions = {},
): Promise<Sink> {
  const path = expandTemplate(template, connection)
  await mkdir(dirname(path), { recursive: true })
  await checkFolder(template, path)
  const present = await statOf(path)
  if (options.append || (present && !present.isFile())) {
    if (present?.isDirectory()) throw new TcpPipeError('ERR_FILE_EXISTS', `'${path}' is a directory`)
    return writer(path, await open(path, options.append ? 'a' : 'w'), handle => handle.close())
  }
  if (present && !options.force) throw exists(path)
  return partSink(path, options.force === true)
}

/** Rejects a symbolic link as the folder of a peer: it could lead anywhere. Does not check the folders above it. */
async function checkFolder(template: string, path: string): Promise<void> {
  const base = dirname(`${template.split('{', 1)}x`)
  const folder = dirname(path)
  if ((await realpath(folder)) !== join(await realpath(base), relative(base, folder)))
    throw new TcpPipeError('ERR_FILE_EXISTS', `'${folder}' is a link, and is not followed`)
}

/** The files that this process writes. */
const writing = new Set<string>()

async function partSink(path: string, force: boolean): Promise<Sink> {
  const name = resolve(path)
  if (writing.has(name)) throw exists(path)
  writing.add(name)
  const release = () => void writing.delete(name)
  try {
    const { part, handle } = await openPart(path)
    const complete = async () => {
      try {
        await checkPart(part, handle).finally(() => handle.close())
        await claim(part, path, force)
        return path
      } catch (error) {
        throw errorCode(error) === 'EEXIST' ? exists(path) : error
      }
    }
    return writer(part, handle, complete, release)
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

function writer(
  name: string,
  handle: FileHandle,
  complete: (handle: FileHandle) => Promise<string | void>,
  release = () => {},
): Sink {
  let file = name
  let bytes = 0
  let open = true
  const sink = new Writable({
    highWaterMark: 256 * 1024,
    write(chunk: Buffer, _encoding, callback) {
      writeAll(chunk).then(() => callback(), callback)
    },
    writev(chunks, callback) {
      writeAll(Buffer.concat(chunks.map(({ chunk }) => chunk))).then(() => callback(), callback)
    },
    final(callback) {
      open = false
      complete(handle).then(path => {
        file = path ?? file
        callback()
      }, callback)
    },
    destroy(error, callback) {
      release()
      if (open) handle.close().then(() => callback(error), callback)
      else callback(error)
      open = false
    },
  })

  async function writeAll(chunk: Buffer): Promise<void> {
    for (let offset = 0; offset < chunk.length; ) {
      const { bytesWritten } = await handle.write(chunk, offset)
      offset += bytesWritten
      bytes += bytesWritten
    }
  }

  return Object.assign(sink, { report: () => ({ file, bytes }) })
}

async function statOf(path: string): Promise<Stats | undefined> {
  return stat(path).catch(ignoreMissing)
}

function ignoreMissing(error: unknown): undefined {
  if (errorCode(error) === 'ENOENT') return undefined
  throw error
}

function exists(path: string): TcpPipeError {
  return new TcpPipeError(
    'ERR_FILE_EXISTS',
    `'${path}' exists; it is replaced only with force, and added to with append`,
  )
}
