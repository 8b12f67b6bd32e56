/** Keeps compiled code on disk between runs: `module.enableCompileCache`, which Node.js has from 22.1 on. */
import { lstatSync, mkdirSync } from 'node:fs'
import * as module from 'node:module'
import { join } from 'node:path'
import { notOurs } from './own-folder.js'

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

/** A link to a folder of ours is not ours. */
function isOurs(path: string): boolean {
  return notOurs(lstatSync(path)) === undefined
}

/** Not `recursive`, nor left to Node.js: both wait for ever in /proc. */
function make(directory: string): void {
  try {
    mkdirSync(directory, 0o700)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}
