import { isUtf8 } from 'node:buffer'
import { choice, defineTransform, integer } from '../lib/stages/define.js'
import { escapeLine } from '../lib/text/escape.js'

/** Logs the offset, the size and a preview of each chunk; the bytes pass unchanged. */
export const logger = defineTransform({
  name: 'logger',
  summary: 'log each chunk',
  group: 'inspect',
  unit: 'bytes',
  options: {
    preview: integer('bytes of each chunk to show; 0 shows none', { min: 0, max: 65536, default: 64 }),
    level: choice('level of the log lines', ['trace', 'debug', 'info', 'warn'], { default: 'info' }),
  },
  example: { spec: 'logger preview=0', input: 'Hello\n', output: 'Hello\n' },
  notes:
    'It logs `{ offset, size, preview }`. In the preview, control characters are escaped, invalid UTF-8 is shown as ' +
    '`\\xNN`, and a character that does not fit is omitted.',
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
