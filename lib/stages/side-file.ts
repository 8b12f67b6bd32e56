/** A file that a stage writes in addition to its output. It opens with the first write. */

import { errorCode, TcpPipeError } from '../text/errors.js'
import { flag } from '../text/options.js'
import { wrongPlaceholder } from '../text/template.js'
import type { ConnectionInfo } from './context.js'
import { type OutputFile, openOutput, placeOf } from './output-file.js'

export interface SideFile {
  /** Resolves after the data is written to the file. */
  write(data: Uint8Array): Promise<void>
  /** Opens the file unless it is open already. */
  open(): Promise<void>
  close(): Promise<void>
}

/** The help text of the path option. */
export const pathSummary = 'path of the file; {id} {remote} {port} {time} are replaced by the values of the connection'

/** The options that accompany the path. */
export const fileFlags = {
  append: flag('write at the end of a file that exists'),
  force: flag('overwrite a file that exists'),
}

/** Returns what is wrong with the path, or why the flags cannot be combined. The text follows the name of the transform. */
export function checkFile(options: { file?: string | undefined; append: boolean; force: boolean }): string | undefined {
  const { file = '', append, force } = options
  const wrong = wrongPlaceholder(file)
  if (wrong) return `file: ${wrong}`
  return append && force ? 'append and force exclude each other' : undefined
}

/** The notes about the file on the page of a transform. */
export const fileNotes =
  'The first chunk creates the file; without a chunk, the end of the stream does. The connection fails if the file ' +
  'exists and neither `append` nor `force` is set, or if the file cannot be written. Devices and FIFOs are written as ' +
  'they are; the bytes wait until a FIFO has a reader. A link in place of the file, or of a folder that a placeholder ' +
  'names, is not followed. In the value of a placeholder, characters other than letters, digits, `.`, `_` and `-` ' +
  'become `_`.'

/** Error messages begin with `transform`. `write` and `open` reject if the file cannot be opened. */
export function sideFile(
  transform: string,
  template: string,
  { append, force }: { append: boolean; force: boolean },
  connection: ConnectionInfo | undefined,
): SideFile {
  const mode = append ? 'append' : force ? 'replace' : 'refuse'
  let opening: Promise<OutputFile> | undefined

  function file(): Promise<OutputFile> {
    opening ??= placeOf(template, connection)
      .then(place => openOutput(place, mode))
      .catch(error => explain(transform, error))
    return opening
  }

  return {
    async write(data) {
      await (await file()).write(data)
    },
    async open() {
      await (await file()).opened()
    },
    async close() {
      await (await opening?.catch(() => undefined))?.close()
    },
  }
}

function explain(transform: string, error: unknown): never {
  if (error instanceof TcpPipeError)
    throw new TcpPipeError(error.code, `${transform}: ${error.message}`, { cause: error })
  if (errorCode(error) !== 'EEXIST') throw error
  const { path } = error as NodeJS.ErrnoException
  const message = `${transform}: ${path} exists; append=true writes at its end, force=true overwrites it`
  throw new TcpPipeError('ERR_FILE_EXISTS', message, { cause: error })
}
