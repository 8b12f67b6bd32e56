/** A file as a sink: writes NAME.part, which gets its final name when complete, without overwriting. */

import type { Stats } from 'node:fs'
import { type FileHandle, link, mkdir, open, realpath, rename, stat, unlink } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
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
 * failure, NAME.part remains.
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
  const part = `${path}.part`
  const handle = await openPart(part, path)
  return writer(part, handle, async () => {
    await handle.close()
    await claim(part, path, options.force === true)
    return path
  })
}

/** Rejects a symbolic link as the folder of a peer: it could lead anywhere. Does not check the folders above it. */
async function checkFolder(template: string, path: string): Promise<void> {
  const base = dirname(`${template.split('{', 1)}x`)
  const folder = dirname(path)
  if ((await realpath(folder)) !== join(await realpath(base), relative(base, folder)))
    throw new TcpPipeError('ERR_FILE_EXISTS', `'${folder}' is a link, and is not followed`)
}

/** The `.part` files that this process writes. Replaces a leftover of another process. */
const openParts = new Set<string>()

async function openPart(part: string, path: string): Promise<FileHandle> {
  if (openParts.has(part)) throw exists(path)
  openParts.add(part)
  try {
    await unlink(part).catch(ignoreMissing)
    return await open(part, 'wx')
  } catch (error) {
    openParts.delete(part)
    throw error
  }
}

/** Uses `link`, which fails where `rename` overwrites. */
async function claim(part: string, path: string, force: boolean): Promise<void> {
  if (force) return rename(part, path)
  await link(part, path).catch(error => {
    throw errorCode(error) === 'EEXIST' ? exists(path) : error
  })
  await unlink(part)
}

function writer(name: string, handle: FileHandle, complete: (handle: FileHandle) => Promise<string | void>): Sink {
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
      openParts.delete(name)
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
