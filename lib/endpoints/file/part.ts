/** The unfinished file of an output, and how it gets its name. */
import { type FileHandle, link, lstat, rename, unlink } from 'node:fs/promises'
import { resolve } from 'node:path'
import { TcpPipeError } from '../../text/errors.js'
import { optionName } from '../../text/option-name.js'

/** Returns the name of an unfinished file: NAME.part, NAME.2.part … */
export function partName(path: string, number: number): string {
  return number === 1 ? `${path}.part` : `${path}.${number}.part`
}

interface Writer {
  readonly session: string | undefined
  readonly released: Promise<void>
}

/** The files that this process writes. */
const writing = new Map<string, Writer>()

/**
 * Takes the name of a file that this process writes. Returns the function that releases it.
 *
 * @throws `ERR_FILE_EXISTS` if another connection writes it
 */
export function own(path: string, session?: string): () => void {
  const name = resolve(path)
  if (writing.has(name)) throw new TcpPipeError('ERR_FILE_EXISTS', `'${path}' is being written by another connection`)
  let release!: () => void
  const released = new Promise<void>(resolve => {
    release = resolve
  })
  const writer = { session, released }
  writing.set(name, writer)
  return () => {
    if (writing.get(name) === writer) writing.delete(name)
    release()
  }
}

/** Takes the name for a session. One that begins anew waits until its former file is closed. */
export async function ownFor(path: string, session: string): Promise<() => void> {
  const before = writing.get(resolve(path))
  if (before?.session !== session) return own(path, session)
  await before.released
  return ownFor(path, session)
}

/** Checks that the name still belongs to the file that was written. */
export async function checkPart(part: string, handle: FileHandle): Promise<void> {
  if (await isPart(part, handle)) return
  throw new TcpPipeError('ERR_FILE_REPLACED', `'${part}' is not the file that was written: another program replaced it`)
}

/** Whether the name belongs to the file. */
export async function isPart(part: string, handle: FileHandle): Promise<boolean> {
  const [written, found] = await Promise.all([handle.stat({ bigint: true }), lstat(part, { bigint: true })])
  return written.dev === found.dev && written.ino === found.ino
}

/** Gives the file its name. Uses `link`, which fails where `rename` overwrites. */
export async function claim(part: string, path: string, force: boolean): Promise<void> {
  if (force) return rename(part, path)
  await link(part, path)
  await unlink(part)
}

/** The error for a session that ends before its sender has. */
export function endedEarly(bytes: number): TcpPipeError {
  return new TcpPipeError('ERR_SESSION', `truncated: closed after ${bytes} bytes, before the end of the sender`)
}

/** The error for a name that is taken. */
export function exists(path: string): TcpPipeError {
  return new TcpPipeError(
    'ERR_FILE_EXISTS',
    `'${path}' exists; ${optionName('force')} replaces it, ${optionName('append')} adds to it`,
  )
}
