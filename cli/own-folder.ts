/** Folders that are ours alone: what lies in them is executed, or trusted with what users send. */
import type { Stats } from 'node:fs'

/** Why the folder is not ours alone; undefined if it is. */
export function notOurs(stat: Stats): string | undefined {
  if (!stat.isDirectory()) return 'it is not a folder'
  if (process.getuid && stat.uid !== process.getuid()) return 'it belongs to another user'
  const mode = (stat.mode & 0o777).toString(8)
  return (stat.mode & 0o022) === 0 ? undefined : `other users may write to it (mode ${mode})`
}
