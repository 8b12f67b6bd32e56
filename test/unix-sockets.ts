/** Unix sockets of other processes. */
import { existsSync, readFileSync } from 'node:fs'

/** The flag of a socket that listens (`__SO_ACCEPTCON`) in /proc/net/unix. */
const accepts = ' 00010000 '

/** Whether a process listens at the absolute path. The file is there some time before, and refuses connections until then. */
export function listensAt(path: string): boolean {
  const table = '/proc/net/unix'
  if (!existsSync(table)) return existsSync(path)
  return readFileSync(table, 'utf8')
    .split('\n')
    .some(line => line.endsWith(` ${path}`) && line.includes(accepts))
}
