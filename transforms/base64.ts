import { byBlocks } from '../lib/formats/by-blocks.js'
import { defineTransform, flag, integer } from '../lib/stages/define.js'

/** Encodes bytes as base64 (RFC 4648), in one line or in lines of a given width. */
export const base64 = defineTransform({
  name: 'base64',
  summary: 'encode bytes as base64',
  group: 'convert',
  unit: 'bytes',
  indivisible: true,
  options: {
    width: integer('characters per line; default: one line without an LF', { min: 1 }),
    url: flag("use '-' and '_' instead of '+' and '/', and omit the '=' at the end"),
  },
  example: { spec: 'base64', input: 'Hello\n', output: 'SGVsbG8K' },
  notes:
    'The alphabet is RFC 4648 §4, with `url=true` §5. The output equals that of `base64 -w0`: no LF, not even at ' +
    'the end. With `width=76` it equals that of `base64`, which ends every line with an LF, including the last. Up ' +
    'to two bytes are held until a third arrives or the input ends.',
  create({ width, url }) {
    const encoding = url ? 'base64url' : 'base64'
    const lines = width === undefined ? undefined : lineWriter(width)
    let rest: Buffer = Buffer.alloc(0)

    const write = byBlocks(block => {
      const text = encode(block)
      return lines ? lines.write(text) : text
    })

    /** Three bytes make four characters. The remainder waits for the next chunk, which is not copied. */
    function encode(bytes: Buffer): Buffer {
      const missing = rest.length > 0 ? Math.min(3 - rest.length, bytes.length) : 0
      const first = Buffer.concat([rest, bytes.subarray(0, missing)])
      const start = first.length % 3 === 0 ? first : Buffer.alloc(0)
      const end = bytes.length - ((bytes.length - missing) % 3)
      rest = start === first ? Buffer.from(bytes.subarray(end)) : first
      const out = Buffer.allocUnsafe(((start.length + end - missing) / 3) * 4)
      const at = out.write(start.toString(encoding), 'latin1')
      out.write(bytes.toString(encoding, missing, end), at, 'latin1')
      return out
    }

    function* flush() {
      const text = Buffer.from(rest.toString(encoding), 'latin1')
      yield lines ? lines.write(text) : text
      if (lines) yield lines.end()
    }

    return { write, flush, memory: 'releases' }
  },
})

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
