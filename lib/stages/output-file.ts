/** A file to write: where it is, whether it may be opened, and how. Follows no link that a peer or another user could make. */
import { closeSync, constants, openSync, type Stats, writevSync } from 'node:fs'
import { type FileHandle, lstat, mkdir, open, stat, statfs } from 'node:fs/promises'
import { Socket } from 'node:net'
import { dirname } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { abortError, errorCode, TcpPipeError } from '../text/errors.js'
import { expandTemplate, fixedPart, type Named } from '../text/template.js'

/** The name of a file, and what has this name. */
export interface Place {
  readonly path: string
  readonly kind: Kind
  /** The name is a link that leads there. */
  readonly isLink: boolean
}

/** `link` is a link that is not followed; `device` is everything that is no file, directory, FIFO or link. */
type Kind = 'missing' | 'file' | 'directory' | 'fifo' | 'device' | 'link'

/** What happens to a file that exists. */
export type Mode = 'append' | 'replace' | 'refuse'

/** A file that is open, or, if it is a FIFO, that waits for its reader. */
export interface OutputFile {
  /** The number of bytes written. */
  readonly bytes: number
  /** Resolves when the file is open. */
  opened(): Promise<unknown>
  /** Resolves after the parts are written, in order. */
  write(...parts: readonly Uint8Array[]): Promise<void>
  /** Closes the file. Pending writes to a FIFO reject. */
  close(): Promise<void>
}

const { O_WRONLY, O_CREAT, O_APPEND, O_TRUNC, O_EXCL, O_NOFOLLOW, O_NONBLOCK } = constants

const modes: Record<Mode, number> = { append: O_APPEND, replace: O_TRUNC, refuse: O_EXCL }

/**
 * Returns the place of the file of a connection. With `createFolders`, creates its missing folders.
 *
 * @throws `ERR_FILE_EXISTS` if a folder that a placeholder names is a link: it could lead anywhere
 */
export async function placeOf(template: string, connection?: Named, createFolders = false): Promise<Place> {
  const path = expandTemplate(template, connection)
  const fixed = fixedPart(template)
  if (createFolders) await mkdir(dirname(`${fixed}x`), { recursive: true })
  const start = fixed.lastIndexOf('/') + 1
  for (let end = path.indexOf('/', start); end >= 0; end = path.indexOf('/', end + 1))
    await checkFolder(path.slice(0, end), createFolders)
  return { path, ...(await find(path, fixed === template)) }
}

async function checkFolder(folder: string, create: boolean): Promise<void> {
  if (create) await mkdir(folder).catch(error => ignore(error, 'EEXIST'))
  const stats = await statOrNone(lstat(folder))
  if (stats?.isSymbolicLink()) throw new TcpPipeError('ERR_FILE_EXISTS', `'${folder}' is a link, and is not followed`)
}

/**
 * Follows a link to a device or a FIFO, unless a peer has a part in its name. Follows the names of open descriptors,
 * such as /dev/stderr, which are links.
 */
async function find(path: string, isFixed: boolean): Promise<Pick<Place, 'kind' | 'isLink'>> {
  const own = kindOf(await statOrNone(lstat(path)))
  if (own !== 'link') return { kind: own, isLink: false }
  const kind = kindOf(await statOrNone(stat(path)))
  const isSpecial = kind === 'fifo' || kind === 'device'
  const isFollowed = kind === 'directory' || isDescriptor(path) || (isFixed && isSpecial)
  return { kind: isFollowed ? kind : 'link', isLink: true }
}

function isDescriptor(path: string): boolean {
  return /^\/dev\/(stdin|stdout|stderr|fd\/\d+)$|^\/proc\/self\/fd\/\d+$/.test(path)
}

function kindOf(stats: Stats | undefined): Kind {
  if (!stats) return 'missing'
  if (stats.isSymbolicLink()) return 'link'
  if (stats.isDirectory()) return 'directory'
  if (stats.isFIFO()) return 'fifo'
  return stats.isFile() ? 'file' : 'device'
}

function statOrNone(stats: Promise<Stats>): Promise<Stats | undefined> {
  return stats.catch(error => ignore(error, 'ENOENT'))
}

/**
 * Opens a file. The mode does not apply to a device or a FIFO, which are written as they are.
 *
 * @throws `ERR_FILE_EXISTS` for a link; the system error if it cannot be opened: `EEXIST` if it exists in mode `refuse`
 */
export async function openOutput({ path, kind, isLink }: Place, mode: Mode): Promise<OutputFile> {
  if (kind === 'link') throw notFollowed(path)
  const links = isLink ? 0 : O_NOFOLLOW
  if (kind === 'fifo') return new FifoFile(path, O_WRONLY | O_NONBLOCK | links)
  const flags = kind === 'device' ? 0 : O_CREAT | O_NONBLOCK | modes[mode]
  return new HandleFile(await open(path, O_WRONLY | links | flags), kind === 'device' ? undefined : path)
}

/** The error for a link that is not followed. */
export function notFollowed(path: string): TcpPipeError {
  const message = `'${path}' is a link, and is not followed; expected the path that it leads to`
  return new TcpPipeError('ERR_FILE_EXISTS', message)
}

/**
 * Writes parts in order, at a position or at that of the file, with as few calls as possible: to join them first would cost
 * a copy and fresh memory. Yields the number of bytes of each call.
 */
export async function* writeParts(
  handle: FileHandle,
  parts: readonly Uint8Array[],
  position?: number,
): AsyncGenerator<number> {
  let at = position
  for (let left = parts; left.length > 0; ) {
    const { bytesWritten } = await handle.writev(left, at)
    if (at !== undefined) at += bytesWritten
    left = after(left, bytesWritten)
    yield bytesWritten
  }
}

/** What is left of parts after some bytes. */
function after(parts: readonly Uint8Array[], taken: number): readonly Uint8Array[] {
  let left = taken
  const first = parts.findIndex(part => {
    if (part.length > left) return true
    left -= part.length
    return false
  })
  if (first < 0) return []
  return [(parts[first] as Uint8Array).subarray(left), ...parts.slice(first + 1)]
}

/** What a file system that is in memory calls itself: tmpfs and ramfs of Linux. */
const inMemory = [0x01021994, 0x858458f6]

/** The number of bytes after which it is worth to ask. */
const much = 1024 * 1024

/**
 * A file that another thread writes, unless it is in memory: then nothing can block, and for 1 GiB the other thread costs
 * 0.13 s of processor time.
 */
export class HandleFile implements OutputFile {
  bytes = 0
  readonly handle: FileHandle
  /** Called after each write. */
  onWritten: (() => void) | undefined
  readonly #path: string | undefined
  #isInMemory: boolean | undefined
  #closed: Promise<void> | undefined

  /** The path is that of a regular file. */
  constructor(handle: FileHandle, path?: string) {
    this.handle = handle
    this.#path = path
  }

  async opened(): Promise<void> {}

  async write(...parts: readonly Uint8Array[]): Promise<void> {
    if (this.#isInMemory) this.#writeNow(parts)
    else for await (const bytes of writeParts(this.handle, parts)) this.bytes += bytes
    this.onWritten?.()
    if (this.bytes >= much) this.#isInMemory ??= await isInMemory(this.#path)
  }

  #writeNow(parts: readonly Uint8Array[]): void {
    for (let left = parts; left.length > 0; ) {
      const bytes = writevSync(this.handle.fd, left)
      this.bytes += bytes
      left = after(left, bytes)
    }
  }

  close(): Promise<void> {
    this.#closed ??= this.handle.close()
    return this.#closed
  }
}

async function isInMemory(path: string | undefined): Promise<boolean> {
  if (path === undefined) return false
  return statfs(path).then(
    ({ type }) => inMemory.includes(type),
    () => false,
  )
}

/** The longest time in milliseconds between two attempts to open a FIFO. */
const longestWait = 100

/** Writes a FIFO as a socket: a thread that waits for the reader could not be released. */
class FifoFile implements OutputFile {
  bytes = 0
  readonly #closing = new AbortController()
  readonly #socket: Promise<Socket>

  constructor(path: string, flags: number) {
    this.#socket = openFifo(path, flags, this.#closing.signal)
    this.#socket.catch(() => {}) // reported by what needs the socket
  }

  opened(): Promise<unknown> {
    return this.#socket
  }

  async write(...parts: readonly Uint8Array[]): Promise<void> {
    const data = Buffer.concat(parts)
    const socket = await this.#socket
    await new Promise<void>((resolve, reject) => {
      socket.write(data, error => {
        const { signal } = this.#closing
        if (!error && !socket.destroyed) resolve()
        else reject(signal.aborted ? abortError(signal) : error) // Node 20 reports no error of a destroyed socket
      })
    })
    this.bytes += data.length
  }

  async close(): Promise<void> {
    this.#closing.abort()
    const socket = await this.#socket.catch(() => undefined)
    if (socket && !socket.closed) await new Promise(resolve => socket.once('close', resolve).destroy())
  }
}

/** No event tells that a FIFO has a reader: until then, `open` fails with ENXIO. */
async function openFifo(path: string, flags: number, signal: AbortSignal): Promise<Socket> {
  let descriptor = attempt(path, flags)
  for (let time = 2; descriptor === undefined; time = Math.min(time * 2, longestWait)) {
    await wait(time, undefined, { signal })
    descriptor = attempt(path, flags)
  }
  return toSocket(descriptor)
}

/** Does not block, because of O_NONBLOCK. */
function attempt(path: string, flags: number): number | undefined {
  try {
    return openSync(path, flags)
  } catch (error) {
    return ignore(error, 'ENXIO')
  }
}

function toSocket(fd: number): Socket {
  try {
    return new Socket({ fd, readable: false, writable: true }).on('error', () => {}) // `write` reports it
  } catch (error) {
    closeSync(fd) // the FIFO was replaced by a file
    throw error
  }
}

function ignore(error: unknown, code: string): undefined {
  if (errorCode(error) !== code) throw error
}
