import { type FileHandle, open } from 'node:fs/promises'
import { defineTransform, flag, text } from '../lib/define.js'
import { errorCode, TcpPipeError } from '../lib/errors.js'
import { expandTemplate } from '../lib/template.js'

/** Writes all bytes to a file, too; they pass unchanged, at the speed of the file. */
export const tee = defineTransform({
  name: 'tee',
  summary: 'write all bytes to a file, too',
  group: 'inspect',
  unit: 'bytes',
  options: {
    file: text('path of the file; {id} {remote} {port} {time} stand for those of the connection', {
      positional: true,
      required: true,
    }),
    append: flag('write behind what the file holds already'),
    force: flag('overwrite a file that exists'),
  },
  example: { spec: 'tee /dev/null append=true', input: 'Hello\n', output: 'Hello\n' },
  notes:
    'The file is created with the first chunk, or at the end if there was none. A file that exists ends the connection, ' +
    'unless `append` or `force` says what to do, and so does a file that cannot be written. In what stands for a ' +
    'placeholder, other characters than letters, digits, `.`, `_` and `-` become `_`.',
  create({ file, append, force }, { connection }) {
    const flags = append ? 'a' : force ? 'w' : 'wx'
    let opening: Promise<FileHandle> | undefined

    function handle(): Promise<FileHandle> {
      opening ??= open(expandTemplate(file, connection), flags).catch(explain)
      return opening
    }

    async function write(chunk: Buffer): Promise<Buffer> {
      await (await handle()).appendFile(chunk)
      return chunk
    }

    async function flush(): Promise<void> {
      await handle()
    }

    /** An opening that failed has been told already. */
    async function destroy(): Promise<void> {
      await (await opening?.catch(() => undefined))?.close()
    }

    return { write, flush, destroy }
  },
})

function explain(error: unknown): never {
  if (errorCode(error) !== 'EEXIST') throw error
  const { path } = error as NodeJS.ErrnoException
  const message = `tee: ${path} exists; append=true writes behind it, force=true overwrites it`
  throw new TcpPipeError('ERR_FILE_EXISTS', message, { cause: error })
}
