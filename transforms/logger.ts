import { isUtf8 } from 'node:buffer'
import { choice, defineTransform, integer } from '../lib/stages/define.js'
import { escapeLine } from '../lib/text/escape.js'

/** Logs each chunk: its offset, its size and how it begins; the bytes pass unchanged. */
export const logger = defineTransform({
  name: 'logger',
  summary: 'log each chunk',
  group: 'inspect',
  unit: 'bytes',
  options: {
    preview: integer('how many bytes of a chunk are shown; 0 is none', { min: 0, max: 65536, default: 64 }),
    level: choice('of the log lines', ['trace', 'debug', 'info', 'warn'], { default: 'info' }),
  },
  example: { spec: 'logger preview=0', input: 'Hello\n', output: 'Hello\n' },
  notes:
    'Logged as `{ offset, size, preview }`. Control characters in the preview are escaped, bytes that are no UTF-8 are ' +
    'shown as `\\xNN`, and a character that would be cut at the end of the preview is left out.',
  create({ preview: length, level }, context) {
    let offset = 0

    return (chunk: Buffer) => {
      if (context.log.isLevelEnabled(level)) {
        const preview = length > 0 ? { preview: show(chunk, length) } : {}
        const direction = context.connection?.direction
        context.log[level]({ direction, offset, size: chunk.length, ...preview }, 'chunk')
      }
      offset += chunk.length
      return chunk
    }
  },
})

const characterSizes = [1, 2, 3, 4]

function show(chunk: Buffer, length: number): string {
  let shown = ''
  for (let at = 0; at < chunk.length; ) {
    const size = characterSizes.find(bytes => isUtf8(chunk.subarray(at, at + bytes)))
    const end = at + (size ?? 1)
    if (end > length) break
    shown += size ? chunk.toString('utf8', at, end) : `\\x${chunk.toString('hex', at, end)}`
    at = end
  }
  return escapeLine(shown)
}
