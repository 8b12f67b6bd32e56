/** A file as a sink: written as NAME.part, claimed under its name without overwriting when it is complete. */

import type { Stats } from 'node:fs'
import { type FileHandle, link, mkdir, open, realpath, rename, stat, unlink } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { Writable } from 'node:stream'
import { errorCode, TcpPipeError } from '../../text/errors.js'
import { expandTemplate } from '../../text/template.js'
import type { Sink, SinkContext } from '../endpoint.js'

export interface FileSinkOptions {
  /** Write at the end of a file that exists; no `.part`. */
  append?: boolean | undefined
  /** Replace a file that exists. */
  force?: boolean | undefined
}

/**
 * A file for one connection. `finish` means that it is closed and has its name; a failure leaves NAME.part.
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

/** A folder that is named after a peer must be one: a link there could lead anywhere. Those before it are the operator's. */
async function checkFolder(template: string, path: string): Promise<void> {
  const base = dirname(`${template.split('{', 1)}x`)
  const folder = dirname(path)
  if ((await realpath(folder)) !== join(await realpath(base), relative(base, folder)))
    throw new TcpPipeError('ERR_FILE_EXISTS', `'${folder}' is a link, and is not followed`)
}

/** Parts that this process is writing; another one's leftover is replaced. */
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

/** `link` fails where `rename` would overwrite. */
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
