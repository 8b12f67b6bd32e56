/** A file that a stage writes beside the data of its connection, opened when there is something to write. */

import { type FileHandle, open } from 'node:fs/promises'
import { errorCode, TcpPipeError } from '../text/errors.js'
import { flag } from '../text/options.js'
import { expandTemplate } from '../text/template.js'
import type { ConnectionInfo } from './context.js'

export interface SideFile {
  /** Resolves when the file has it. */
  write(data: Uint8Array): Promise<void>
  /** Opens it if nothing has been written yet. */
  open(): Promise<void>
  close(): Promise<void>
}

/** What the option for the path says of itself. */
export const pathSummary = 'path of the file; {id} {remote} {port} {time} stand for those of the connection'

/** The options that go with the path. */
export const fileFlags = {
  append: flag('write behind what the file holds already'),
  force: flag('overwrite a file that exists'),
}

/** What is wrong with the flags together, in words that follow the name of the transform. */
export function checkFileFlags({ append, force }: { append: boolean; force: boolean }): string | undefined {
  return append && force ? 'append and force exclude each other' : undefined
}

/** What the page of a transform says of its file. */
export const fileNotes =
  'The file is created with the first chunk, or at the end if there was none. A file that exists ends the connection, ' +
  'unless `append` or `force` says what to do, and so does a file that cannot be written. In what stands for a ' +
  'placeholder, other characters than letters, digits, `.`, `_` and `-` become `_`.'

/** `transform` is the name that an error begins with. What is in the way of opening is told by `write` and `open`. */
export function sideFile(
  transform: string,
  template: string,
  { append, force }: { append: boolean; force: boolean },
  connection: ConnectionInfo | undefined,
): SideFile {
  const flags = append ? 'a' : force ? 'w' : 'wx'
  let opening: Promise<FileHandle> | undefined

  function handle(): Promise<FileHandle> {
    opening ??= open(expandTemplate(template, connection), flags).catch(error => explain(transform, error))
    return opening
  }

  return {
    async write(data) {
      await (await handle()).appendFile(data)
    },
    async open() {
      await handle()
    },
    async close() {
      await (await opening?.catch(() => undefined))?.close()
    },
  }
}

function explain(transform: string, error: unknown): never {
  if (errorCode(error) !== 'EEXIST') throw error
  const { path } = error as NodeJS.ErrnoException
  const message = `${transform}: ${path} exists; append=true writes behind it, force=true overwrites it`
  throw new TcpPipeError('ERR_FILE_EXISTS', message, { cause: error })
}
