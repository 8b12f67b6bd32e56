/** What `send --reliable` sends: files, the files in folders, and stdin, each with its name. */
import type { Dirent, Stats } from 'node:fs'
import { access, constants, readdir, stat } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { errorMessage, TcpPipeError } from '../lib/text/errors.js'

/** What a word of the command line names. */
export interface Operand {
  /** Undefined for stdin. */
  readonly path: string | undefined
  readonly name: string | undefined
  readonly isFolder: boolean
}

/** A transfer. */
export interface Item {
  /** Undefined for stdin. */
  readonly path: string | undefined
  readonly name: string | undefined
  /** Bytes; undefined unless it is a regular file. */
  readonly size: number | undefined
}

/** Called for what is not sent, and why. */
export type Skip = (path: string, why: string) => void

/**
 * Reads the words of the command line: `x/y.txt` is sent as `y.txt`, and `x/photos` as `photos/…`. `name` is that of
 * stdin, or else of the only file.
 *
 * @throws `ERR_OPTION` if one cannot be read, or two have the same name
 */
export async function operandsOf(words: readonly string[], name?: string): Promise<Operand[]> {
  const given = words.length > 0 ? words : ['-']
  const operands: Operand[] = []
  for (const word of given) operands.push(word === '-' ? stdin(name) : await operandOf(word))
  for (const [i, { path, name }] of operands.entries()) {
    const other = operands.slice(0, i).find(each => name !== undefined && each.name === name)
    if (other) throw fault(`${quoted(other.path)} and ${quoted(path)} would both be '${name}' at the receiver`)
  }
  return name === undefined || given.includes('-') ? operands : [named(operands, name)]
}

function stdin(name: string | undefined): Operand {
  return { path: undefined, name, isFolder: false }
}

function named([only, second]: readonly Operand[], name: string): Operand {
  if (second) throw fault('--name is for stdin or for a single file; several are given')
  if (only?.isFolder) throw fault(`--name is for stdin or for a single file; ${quoted(only.path)} is a folder`)
  return { ...(only as Operand), name }
}

function quoted(path: string | undefined): string {
  return path === undefined ? 'stdin' : `'${path}'`
}

async function operandOf(path: string): Promise<Operand> {
  try {
    const stats = await stat(path)
    await access(path, constants.R_OK)
    return { path, name: basename(resolve(path)), isFolder: stats.isDirectory() }
  } catch (cause) {
    const why = errorMessage(cause).replace(/, \w+ '.*'$/, '')
    throw new TcpPipeError('ERR_OPTION', `'${path}' cannot be read: ${why}`, { cause })
  }
}

/** Finds the files in folders, in the order of their names. Links are not followed there. */
export async function walk(operands: readonly Operand[], skip: Skip): Promise<Item[]> {
  const items: Item[] = []
  for (const { path, name, isFolder } of operands) {
    if (path === undefined) items.push({ path, name, size: undefined })
    else if (isFolder) await walkFolder(path, name as string, items, skip)
    else await addFile(path, name as string, items, skip)
  }
  return items
}

async function walkFolder(path: string, name: string, items: Item[], skip: Skip): Promise<void> {
  const entries = await readdir(path, { withFileTypes: true }).catch(error => {
    skip(path, errorMessage(error))
    return []
  })
  entries.sort((a, b) => (a.name < b.name ? -1 : 1))
  for (const entry of entries) {
    const [inner, innerName] = [join(path, entry.name), name === '' ? entry.name : `${name}/${entry.name}`]
    if (entry.isDirectory()) await walkFolder(inner, innerName, items, skip)
    else if (entry.isFile()) await addFile(inner, innerName, items, skip)
    else skip(inner, `it is ${kindOf(entry)}`)
  }
}

async function addFile(path: string, name: string, items: Item[], skip: Skip): Promise<void> {
  const stats = await stat(path).catch((error): Stats | undefined => {
    skip(path, errorMessage(error))
    return undefined
  })
  if (stats) items.push({ path, name, size: stats.isFile() ? stats.size : undefined })
}

function kindOf(entry: Dirent): string {
  if (entry.isSymbolicLink()) return 'a symbolic link'
  if (entry.isSocket()) return 'a socket'
  return entry.isFIFO() ? 'a FIFO' : 'a device'
}

function fault(message: string): TcpPipeError {
  return new TcpPipeError('ERR_OPTION', message)
}
