/** Brings the names of files to the disk: that of a file is in its folder, that of a folder in the one above. */
import { type FileHandle, open } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { errorCode } from '../../text/errors.js'

/**
 * Gives a file its name, and brings that to the disk: syncs the folder of the file, and those above it up to that of the
 * fixed part of its name. A folder that cannot be opened fails before the file has its name.
 */
export async function withFolders(path: string, fixed: string, name: () => Promise<unknown>): Promise<void> {
  const folders: FileHandle[] = []
  try {
    for (const folder of foldersOf(path, fixed)) folders.push(await open(folder, 'r'))
    await name()
    for (const folder of folders) await sync(folder)
  } finally {
    await Promise.all(folders.map(folder => folder.close()))
  }
}

function foldersOf(path: string, fixed: string): string[] {
  const last = resolve(dirname(`${fixed}x`))
  const folders = [resolve(dirname(path))]
  for (let folder = folders[0] as string; folder !== last && folder.startsWith(last); ) {
    folder = dirname(folder)
    folders.push(folder)
  }
  return folders
}

/** Some file systems have nothing to bring to the disk, and say so. */
export async function sync(handle: Pick<FileHandle, 'sync'>): Promise<void> {
  await handle.sync().catch(error => {
    if (!['EINVAL', 'ENOTSUP'].includes(errorCode(error) as string)) throw error
  })
}
