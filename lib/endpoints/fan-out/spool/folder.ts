/**
 * The folder of a process for the spools of one address. While the process lives it listens on a unix socket beside the
 * folder; the kernel refuses connections to it as soon as the process is dead. Then another process takes over its spools.
 */
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, open, readdir, rename, rmdir, stat, unlink } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { errorCode } from '../../../text/errors.js'
import { sync } from '../../file/sync.js'
import { connectError } from '../../unix.js'

/** How the names of spools end: of a connection that runs, and of one whose client has the answer. */
export const suffixes = { open: '.open', sealed: '.spool' } as const

/** The bytes that the name of a lock adds to that of the spool folder. */
export const lockLength = '/0123456789.lock'.length

/** A spool that a dead process has left. */
export interface LeftSpool {
  readonly path: string
  readonly bytes: number
}

export interface SpoolFolder {
  readonly path: string
  /** Taken over, in the order of their connections. */
  readonly left: readonly LeftSpool[]
  /** The number of spools of connections that a dead process had not answered. They were removed. */
  readonly unfinished: number
  /** What else dead processes have left: the names of other addresses. */
  readonly others: readonly string[]
  /** Gives the spools in it to the next process. */
  close(): Promise<void>
}

/** Makes the folder, and takes over what dead processes have left for the address. */
export async function openSpoolFolder(root: string, address: string): Promise<SpoolFolder> {
  await mkdir(root, { recursive: true, mode: 0o700 })
  const owner = randomBytes(5).toString('hex')
  const lock = await listenAt(lockOf(root, owner)) // before there is a folder that could be taken over
  const path = join(root, `${owner}@${nameOf(address)}`)
  await mkdir(path, { mode: 0o700 })
  await syncFolder(root)
  const found = await takeOver(root, path, nameOf(address))
  return {
    path,
    ...found,
    async close() {
      await rmdir(path).catch(error => ignore(error, 'ENOTEMPTY'))
      lock.close()
    },
  }
}

/** Brings the names in a folder to the disk. */
export async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await sync(handle)
  } finally {
    await handle.close()
  }
}

/** A name of at most 200 bytes, of which the address can be read. */
function nameOf(address: string): string {
  const name = encodeURIComponent(address)
  if (name.length <= 200) return name
  return `${name.slice(0, 160)}~${createHash('sha256').update(address).digest('hex').slice(0, 32)}`
}

/** A name that was cut, or made by somebody else, stays as it is. */
function addressOf(name: string): string {
  try {
    return decodeURIComponent(name)
  } catch {
    return name
  }
}

function lockOf(root: string, owner: string): string {
  return join(root, `${owner}.lock`)
}

async function listenAt(path: string): Promise<Server> {
  const server = createServer(socket => socket.destroy()).listen(path)
  await once(server, 'listening')
  return server.unref()
}

async function takeOver(root: string, path: string, name: string) {
  const found = { left: [] as LeftSpool[], unfinished: 0, others: new Set<string>() }
  for (const each of await readdir(root)) {
    const [, owner, address] = /^([0-9a-f]{10})@(.+)$/.exec(each) ?? []
    const from = join(root, each)
    if (!owner || !address || from === path) continue
    const code = await connectError(lockOf(root, owner))
    if (code !== 'ECONNREFUSED' && code !== 'ENOENT') continue
    if (address !== name) {
      if ((await namesIn(from)).some(isSealed)) found.others.add(addressOf(address))
      continue
    }
    for (const file of await namesIn(from)) {
      if (isSealed(file)) await rename(join(from, file), join(path, file)).catch(error => ignore(error, 'ENOENT'))
      else found.unfinished += await removed(join(from, file))
    }
    await rmdir(from).catch(error => ignore(error, 'ENOTEMPTY', 'ENOENT'))
    await removed(lockOf(root, owner))
  }
  for (const file of (await namesIn(path)).sort()) {
    const { size } = await stat(join(path, file))
    found.left.push({ path: join(path, file), bytes: size })
  }
  return { ...found, others: [...found.others] }
}

/** Two processes may take over at the same time. */
async function namesIn(folder: string): Promise<string[]> {
  return (await readdir(folder).catch(error => ignore(error, 'ENOENT'))) ?? []
}

function isSealed(file: string): boolean {
  return file.endsWith(suffixes.sealed)
}

/** The number of files removed. */
async function removed(path: string): Promise<number> {
  try {
    await unlink(path)
    return 1
  } catch (error) {
    ignore(error, 'ENOENT')
    return 0
  }
}

function ignore(error: unknown, ...codes: string[]): undefined {
  if (!codes.includes(errorCode(error) as string)) throw error
}
