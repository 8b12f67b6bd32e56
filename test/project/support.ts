import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The folder of the project. */
export const root = fileURLToPath(new URL('../../..', import.meta.url))

/** The program as it is installed. */
export const cli = join(root, JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).bin['tcp-pipe'])

/** The arguments of `env` that start Node on a file. tap would load itself into each child: `env` keeps it out. */
export const node = ['-u', 'NODE_OPTIONS', process.execPath]

export function read(path: string): string {
  return readFileSync(join(root, path), 'utf8')
}

/** All files below a folder that end so, as paths from the project's folder. */
export function files(folder: string, ending: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith(ending))
    .map(name => join(folder, name))
    .sort()
}
