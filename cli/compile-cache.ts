/** Keeps compiled code on disk between runs: `module.enableCompileCache`, which Node.js has from 22.1 on. */
import { lstatSync, mkdirSync } from 'node:fs'
import * as module from 'node:module'
import { join } from 'node:path'

/**
 * Uses `tcp-pipe` in `$XDG_CACHE_HOME` or in `~/.cache`. Without a folder that is ours alone, as under `sudo`, code is
 * compiled at each start: what lies in the folder is executed.
 */
export function useCompileCache({ XDG_CACHE_HOME, HOME } = process.env): void {
  const { enableCompileCache } = module as { enableCompileCache?: (directory: string) => unknown }
  const parent = XDG_CACHE_HOME || HOME
  if (!enableCompileCache || !parent) return
  try {
    if (!isOurs(parent)) return
    const caches = XDG_CACHE_HOME || join(parent, '.cache')
    const directory = join(caches, 'tcp-pipe')
    for (const each of [caches, directory]) make(each)
    if (isOurs(caches) && isOurs(directory)) enableCompileCache(directory)
  } catch {} // a folder that cannot be made: no cache
}

/** Whether the path is a folder, no link to one, that belongs to us, and that no other user may write to. */
function isOurs(path: string): boolean {
  const stat = lstatSync(path)
  return stat.isDirectory() && stat.uid === process.getuid?.() && (stat.mode & 0o022) === 0
}

/** Not `recursive`, nor left to Node.js: both wait for ever in /proc. */
function make(directory: string): void {
  try {
    mkdirSync(directory, 0o700)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}
