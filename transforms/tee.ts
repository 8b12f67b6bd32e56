import { defineTransform, text } from '../lib/stages/define.js'
import { checkFile, fileFlags, fileNotes, pathSummary, sideFile } from '../lib/stages/side-file.js'

/** Also writes all bytes to a file. They pass unchanged, at the speed of the file. */
export const tee = defineTransform({
  name: 'tee',
  summary: 'also write all bytes to a file',
  group: 'inspect',
  unit: 'bytes',
  options: { file: text(pathSummary, { positional: true, required: true }), ...fileFlags },
  check: checkFile,
  example: { spec: 'tee /dev/null append=true', input: 'Hello\n', output: 'Hello\n' },
  notes: fileNotes,
  create({ file, append, force }, { connection }) {
    const copy = sideFile('tee', file, { append, force }, connection)

    async function write(chunk: Buffer): Promise<Buffer> {
      await copy.write(chunk)
      return chunk
    }

    return { write, flush: copy.open, destroy: copy.close }
  },
})
