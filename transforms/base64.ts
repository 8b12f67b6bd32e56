import { blockBytes, defineTransform, flag, integer } from '../lib/define.js'

/** Writes bytes as base64 (RFC 4648), in one line or in lines of a width. */
export const base64 = defineTransform({
  name: 'base64',
  summary: 'write bytes as base64',
  group: 'convert',
  unit: 'bytes',
  options: {
    width: integer('characters per line; default: no lines', { min: 1 }),
    url: flag("with '-' and '_' for '+' and '/', and without '=' at the end"),
  },
  example: { spec: 'base64', input: 'Hello\n', output: 'SGVsbG8K' },
  notes:
    'The alphabet is that of RFC 4648 §4, with `url=true` that of §5. The output is that of `base64 -w0`: no LF, not even ' +
    'at the end. With `width=76` it is that of `base64`, which ends each line, the last one too. Up to two bytes are held ' +
    'until the third one comes, or the end.',
  create({ width, url }) {
    const encoding = url ? 'base64url' : 'base64'
    const lines = width === undefined ? undefined : lineWriter(width)
    let rest: Buffer = Buffer.alloc(0)

    function encode(bytes: Buffer): Buffer {
      const text = Buffer.from(bytes.toString(encoding), 'latin1')
      return lines ? lines.write(text) : text
    }

    function* write(chunk: Buffer) {
      for (let from = 0; from < chunk.length; ) {
        const part = chunk.subarray(from, from + blockSize - rest.length)
        from += part.length
        const block = rest.length > 0 ? Buffer.concat([rest, part]) : part
        const whole = block.length - (block.length % 3)
        rest = Buffer.from(block.subarray(whole))
        yield encode(block.subarray(0, whole))
      }
    }

    function* flush() {
      yield encode(rest)
      if (lines) yield lines.end()
    }

    return { write, flush }
  },
})

/** Three bytes are four characters. */
const blockSize = blockBytes - (blockBytes % 3)

function lineWriter(width: number) {
  let column = 0

  function write(text: Buffer): Buffer {
    const out = Buffer.allocUnsafe(text.length + Math.floor((column + text.length) / width))
    let at = 0
    for (let from = 0; from < text.length; ) {
      const size = Math.min(width - column, text.length - from)
      at += text.copy(out, at, from, from + size)
      from += size
      column = (column + size) % width
      if (column === 0) out[at++] = LF
    }
    return out
  }

  return { write, end: () => Buffer.from(column > 0 ? '\n' : '') }
}

const LF = 0x0a
