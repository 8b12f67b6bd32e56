/** The unfinished file of an output, and how it gets its name. */
import { type FileHandle, link, lstat, rename, unlink } from 'node:fs/promises'
import { resolve } from 'node:path'
import { TcpPipeError } from '../../text/errors.js'
import { optionName } from '../../text/option-name.js'

/** Returns the name of an unfinished file: NAME.part, NAME.2.part … */
export function partName(path: string, number: number): string {
  return number === 1 ? `${path}.part` : `${path}.${number}.part`
}

/** The files that this process writes. */
const writing = new Set<string>()

/** Takes the name of a file that this process writes. Returns the function that releases it. */
export function own(path: string): () => void {
  const name = resolve(path)
  if (writing.has(name)) throw exists(path)
  writing.add(name)
  return () => void writing.delete(name)
}

/** Checks that the name still belongs to the file that was written. */
export async function checkPart(part: string, handle: FileHandle): Promise<void> {
  const [written, found] = await Promise.all([handle.stat({ bigint: true }), lstat(part, { bigint: true })])
  if (written.dev === found.dev && written.ino === found.ino) return
  throw new TcpPipeError('ERR_FILE_REPLACED', `'${part}' is not the file that was written: another program replaced it`)
}

/** Gives the file its name. Uses `link`, which fails where `rename` overwrites. */
export async function claim(part: string, path: string, force: boolean): Promise<void> {
  if (force) return rename(part, path)
  await link(part, path)
  await unlink(part)
}

/** The error for a name that is taken. */
export function exists(path: string): TcpPipeError {
  return new TcpPipeError(
    'ERR_FILE_EXISTS',
    `'${path}' exists; ${optionName('force')} replaces it, ${optionName('append')} adds to it`,
  )
}
