/** Brings the names of files to the disk: that of a file is in its folder, that of a folder in the one above. */
import { open } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'

/** Syncs the folder of a file, and those above it up to that of the fixed part of its name. */
export async function syncFolders(path: string, fixed: string): Promise<void> {
  const last = resolve(dirname(`${fixed}x`))
  for (let folder = resolve(dirname(path)); ; folder = dirname(folder)) {
    await syncFolder(folder)
    if (folder === last || folder === dirname(folder) || !folder.startsWith(last)) return
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
