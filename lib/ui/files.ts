/** The files of the page. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { TcpPipeError } from '../text/errors.js'

export interface PageFile {
  readonly type: string
  readonly body: Buffer
}

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
}

/**
 * Returns a function that reads the file of a path such as `/page.css`. It knows the files that there were when it was
 * made, so no path leads elsewhere.
 *
 * @throws `ERR_OPTION` if the files are missing, because a bundler has left them out
 */
export function pageFiles(start = dirname(fileURLToPath(import.meta.url))): (path: string) => PageFile | undefined {
  const folder = pageFolder(start)
  const names = readdirSync(folder, { recursive: true, withFileTypes: true }).filter(entry => entry.isFile())
  const files = new Map(
    names.map(({ parentPath, name }) => {
      const file = join(parentPath, name)
      return [file.slice(folder.length).replaceAll('\\', '/'), file]
    }),
  )
  return path => {
    const file = files.get(path === '/' ? '/index.html' : path)
    const type = file && types[extname(file)]
    return file && type ? { type, body: readFileSync(file) } : undefined
  }
}

/** Beside this file or above it, for it may be part of a bundle. */
function pageFolder(folder: string): string {
  const page = join(folder, 'page')
  if (existsSync(join(page, 'index.html'))) return page
  const above = dirname(folder)
  if (above === folder)
    throw new TcpPipeError('ERR_OPTION', 'the files of the page are missing; expected tcp-pipe/dist/page')
  return pageFolder(above)
}
