/** Keeps compiled code on disk between runs: `module.enableCompileCache`, which Node.js has from 22.1 on. */
import { mkdirSync, statSync } from 'node:fs'
import * as module from 'node:module'
import { join } from 'node:path'

/**
 * Uses `tcp-pipe` in `$XDG_CACHE_HOME` or in `~/.cache`. Without a folder that is ours, as under `sudo`, code is compiled at
 * each start. Never a folder that all users share: its code would be executed.
 */
export function useCompileCache({ XDG_CACHE_HOME, HOME } = process.env): void {
  const { enableCompileCache } = module as { enableCompileCache?: (directory: string) => unknown }
  const caches = XDG_CACHE_HOME || (HOME && join(HOME, '.cache'))
  if (!enableCompileCache || !caches) return
  try {
    const directory = join(caches, 'tcp-pipe')
    if (statSync(HOME || caches).uid !== process.getuid?.()) return
    for (const each of [caches, directory]) make(each)
    if (statSync(directory).uid === process.getuid?.()) enableCompileCache(directory)
  } catch {} // a folder that cannot be made: no cache
}

/** Not `recursive`, nor left to Node.js: both wait for ever in /proc. */
function make(directory: string): void {
  try {
    mkdirSync(directory, 0o700)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}
